"""`python -m training.study analyse`: estimate which model's texts readers prefer, and check the answers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp import cli
from interp.cli import WORK, argument, option

PROG = "python -m training.study analyse"
DESCRIPTION = """\
Analyse the answers of participants. The main numbers are the shares of choices for the text that each model prefers,
with intervals that treat people and texts as samples. A linear mixed model estimates the shares a second time. With
more than two models, a Bradley-Terry model estimates the strength of each. Further tables show order, fatigue,
attention checks, repeats, the agreement of readers, and the correlation of the models' scores with the readers'
ratings."""
EPILOG = """\
examples:
  clip-descriptions study analyse answers/ --study study
  clip-descriptions metric --scores my-metric.csv --blv study/analysis/blv
      compare another metric with these ratings

files in the output folder:
  study.html                  the page
  results.csv, results.json   one row for each number, with interval and n
  choices.csv                 one row for each choice
  blv/                        ratings in the format that --blv reads"""


@dataclass(frozen=True, kw_only=True)
class _AnalyseConfig:
    """The analysis."""

    responses: tuple[str, ...] = argument("answer files, or folders with answer files", metavar="RESPONSES", many=True)
    study: str = option("study", "study folder")
    out: str | None = option(
        None,
        "output folder; by default analysis in the study folder, or analysis-simulated if the answers are simulated",
        role=WORK,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status."""
    config = cli.parse(_AnalyseConfig, PROG, DESCRIPTION, EPILOG, argv)
    return cli.run(lambda: _analyse(config), on_interrupt=lambda: "the same command starts over")


def _analyse(config: _AnalyseConfig) -> int:
    """Read the answers, and write the numbers and the page."""
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
        raise UserError("the files hold no answers; give the files that participants saved")
    simulated = responses[0].simulated
    if not len(choices_of(study, responses)):
        raise UserError("the files hold no choice between two texts, so there is nothing to analyse")
    if simulated:
        notes = ["these answers are simulated", *notes]
    out = Path(config.out) if config.out else folder / ("analysis-simulated" if simulated else "analysis")
    print(write_analysis(study, responses, folder, out, notes))
    return 0
