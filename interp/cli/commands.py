"""Command `clip-descriptions NAME …`: one entry point for all commands, each equal to its `python -m` form."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from interp import cli
from interp.errors import quoted

# Name -> module with a `main`, and a summary. Modules are names, since training and figures import this package.
COMMANDS = {
    "score": ("interp.scoring.__main__", "how well alt texts fit their images: a spreadsheet in, a page out"),
    "sweep": ("interp.sweep.__main__", "compare layers and subspace sizes of a CLIP, end to end"),
    "report": ("interp.report.__main__", "make the page of a sweep again"),
    "check": ("interp.check.__main__", "whether the fast paths are exact for a model, on a device, in a dtype"),
    "finetune": ("training.finetune", "teach a CLIP to prefer one kind of text"),
    "evaluate": ("training.evaluate", "what a model prefers, and what it has lost"),
    "metric": ("training.metric", "compare metrics of alt text: checks, readers, paired differences"),
    "study": ("training.study", "ask readers which texts they prefer: power, pages, analysis"),
    "export": ("training.export", "a fine-tuned model for tools that do not know this package"),
    "paper": ("training.paper", "every objective with several seeds, and the paper's tables"),
    "figures": ("figures.make", "figures and tables from run folders"),
    "concadia": ("interp.data.concadia.__main__", "whether a copy of Concadia is what its authors publish"),
    "norms": ("interp.data.norms", "the norms of words that are known by name"),
    "statistics": ("interp.data.statistics", "what the two kinds of text of data sets are like"),
}
PROG = "clip-descriptions"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command, and return its exit status."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or [""]
    if name in ("-h", "--help"):
        print(_help())
        return 0
    if name == "--version":
        print(cli.version_line())
        return 0
    if name not in COMMANDS:
        near = difflib.get_close_matches(name, COMMANDS, n=1)
        meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}"
        said = f"unknown command {quoted(name)}" if name else "no command"
        print(f"error: {said}; {meant}; see {PROG} --help", file=sys.stderr)
        return 2
    cli.spell_as({module.removesuffix(".__main__"): f"{PROG} {known}" for known, (module, _) in COMMANDS.items()})
    try:
        status: int = importlib.import_module(COMMANDS[name][0]).main(rest)
    finally:
        cli.spell_as({})
    return status


def _help() -> str:
    lines = cli.aligned([[f"  {name}", about] for name, (_, about) in COMMANDS.items()], left=2)
    modules = ", ".join(
        f"{name} python -m {module.removesuffix('.__main__')}" for name, (module, _) in COMMANDS.items()
    )
    return "\n".join(
        [
            f"usage: {PROG} COMMAND [options]",
            "",
            "Causal interpretability for CLIP.",
            "",
            "commands:",
            *lines,
            "",
            f"Each has a --help of its own. {PROG} --version says which version this is.",
            "",
            cli.wrapped(f"They are the same as: {modules}."),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
