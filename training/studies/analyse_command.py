"""`python -m training.study analyse`: which model's texts readers prefer, with what could spoil it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import WORK, argument, option

PROG = "python -m training.study analyse"
DESCRIPTION = """\
Analyse the answers of participants: how often they choose the text that each model prefers, with intervals for other
people and other texts; a mixed model next to it; strengths by Bradley and Terry for more than two models; order,
fatigue, attention checks and repeats; agreement of readers; and the correlation of the models' scores with their
ratings."""
EPILOG = """\
examples:
  clip-descriptions study analyse answers/ --study study
  clip-descriptions metric --scores my-metric.csv --blv study/analysis/blv
      another metric against the same ratings

files in the output folder:
  study.html                  the page
  results.csv, results.json   one row for each number, with interval and n
  choices.csv                 one row for each choice
  blv/                        ratings, in the form that --blv reads"""


@dataclass(frozen=True, kw_only=True)
class _AnalyseConfig:
    """The analysis."""

    responses: tuple[str, ...] = argument("files of answers, or folders with them", metavar="RESPONSES", many=True)
    study: str = option("study", "folder of the study")
    out: str | None = option(
        None,
        "output folder; by default analysis (of simulated answers: analysis-simulated), in the folder of the study",
        role=WORK,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    config = cli.parse(_AnalyseConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _analyse(config), on_interrupt=lambda: "the same command begins again")


def _analyse(config: _AnalyseConfig) -> int:
    """Read the answers, and write numbers and page."""
    from interp.errors import UserError
    from training.studies.answers import choices_of
    from training.studies.design import load_study
    from training.studies.report import write_analysis
    from training.studies.responses import read_responses

    folder = Path(config.study)
    study = load_study(folder)
    responses, notes, problems = read_responses(config.responses, study)
    if problems:
        print("".join(f"error: {problem}\n" for problem in problems), end="", file=sys.stderr)
        return 2
    if not responses:
        raise UserError("none of the files holds an answer")
    simulated = responses[0].simulated
    if not len(choices_of(study, responses)):
        raise UserError("none of the files holds a choice between two texts")
    if simulated:
        notes = ["these answers are simulated: no person gave them", *notes]
    out = Path(config.out) if config.out else folder / ("analysis-simulated" if simulated else "analysis")
    print(write_analysis(study, responses, folder, out, notes))
    return 0
