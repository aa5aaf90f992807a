"""`python -m training.study`: run a study with readers: power, pages, simulated readers, analysis."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from interp import cli
from interp.cli import argument
from interp.errors import UserError, quoted

PROG = "python -m training.study"
# name -> module with a `main`, and a description
STEPS = {
    "power": ("training.studies.power_command", "simulate the number of people and texts that a study needs"),
    "make": ("training.studies.make_command", "choose texts, and write the pages for participants"),
    "simulate": ("training.studies.simulate_command", "simulate the answers of participants, to try a study"),
    "analyse": (
        "training.studies.analyse_command",
        "estimate which model's texts readers prefer, and check the answers",
    ),
}
DESCRIPTION = "Run a study that asks readers which of two texts they prefer as alt text.\n\nsteps:\n" + "\n".join(
    cli.aligned([[f"  {name}", about] for name, (_, about) in STEPS.items()], left=2)
)
EPILOG = f"Each step has its own --help: {PROG} make --help"


@dataclass(frozen=True)
class _StepConfig:
    """The step."""

    step: str = argument(f"one of {', '.join(STEPS)}", metavar="STEP")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a step and return its exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    step = cli.parse(_StepConfig, PROG, DESCRIPTION, EPILOG, words[:1]).step
    if step in STEPS:
        status: int = importlib.import_module(STEPS[step][0]).main(words[1:])
        return status
    near = difflib.get_close_matches(step, STEPS, n=1)
    meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(STEPS)}"

    def refuse() -> int:
        raise UserError(f"unknown step {quoted(step)}; {meant}; see {PROG} --help")

    return cli.run(refuse, on_interrupt=str)


if __name__ == "__main__":
    sys.exit(main())
