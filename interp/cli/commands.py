"""Command `clip-descriptions NAME …`: one entry point for all commands. Each command equals its `python -m` form."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence

from interp import cli
from interp.errors import quoted

# Name -> name of a module with a `main`, and a summary. Importing these modules here would be circular.
COMMANDS = {
    "score": ("interp.scoring.__main__", "score how well alt texts fit their images (spreadsheet in, page out)"),
    "sweep": ("interp.sweep.__main__", "compare layers and subspace sizes of a CLIP model, end to end"),
    "report": ("interp.report.__main__", "rebuild the page of a sweep"),
    "check": ("interp.check.__main__", "check that the fast paths are exact for a model, a device and a dtype"),
    "finetune": ("training.finetune", "fine-tune a CLIP model to prefer one kind of text"),
    "evaluate": ("training.evaluate", "measure the preferences of a model, and the abilities that it has lost"),
    "metric": ("training.metric", "compare metrics of alt text: checks, readers, paired differences"),
    "study": ("training.study", "ask readers which texts they prefer: power, pages, analysis"),
    "export": ("training.export", "export a fine-tuned model for tools that do not know this package"),
    "paper": ("training.paper", "train every objective with several seeds, and write the paper's tables"),
    "figures": ("figures.make", "make figures and tables from run folders"),
    "concadia": ("interp.data.concadia.__main__", "compare a copy of Concadia with the published data"),
    "norms": ("interp.data.norms", "list the word norms that are available by name"),
    "statistics": ("interp.data.statistics", "compare data sets by statistics of their two kinds of text"),
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
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(COMMANDS)}"
        fault = f"unknown command {quoted(name)}" if name else "no command"
        print(f"error: {fault}; {hint}; see {PROG} --help", file=sys.stderr)
        return 2
    cli.spell_as({module.removesuffix(".__main__"): f"{PROG} {command}" for command, (module, _) in COMMANDS.items()})
    try:
        status: int = importlib.import_module(COMMANDS[name][0]).main(rest)
    finally:
        cli.spell_as({})
    return status


def _help() -> str:
    lines = cli.aligned([[f"  {name}", about] for name, (_, about) in COMMANDS.items()], left=2)
    modules = ", ".join(
        f"{name} is python -m {module.removesuffix('.__main__')}" for name, (module, _) in COMMANDS.items()
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
            f"Each command has its own --help. {PROG} --version prints the version.",
            "",
            cli.wrapped(f"Each command also runs as a module: {modules}."),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
