"""The verdict on the chosen cell, and the measures that it stands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from interp.evidence.verdict import Answer
from interp.measures import evidence_keys
from interp.measures.schema import Measure
from interp.report.page.naming import place
from interp.report.sweep_run import SweepRun
from interp.report.tables import is_tuned


@dataclass(frozen=True)
class Verdict:
    """What the section on the verdict shows.

    Attributes:
        whose: of which model's subspace it is.
        answers: six, or none where the run has no controls.
        measures: title and value, in the order of the questions.
        among: of how many cells the one was chosen.
    """

    whose: str
    answers: Sequence[Answer]
    measures: Sequence[tuple[str, str]]
    among: int


def judging(sweep: SweepRun) -> Verdict:
    """The verdict on the chosen cell."""
    prefix = "tuned_" if is_tuned(sweep.frame) else ""
    known = {one.key: one for one in sweep.schema}
    keys = [f"{prefix}{key}" for key in evidence_keys(sweep.contrast)]
    measures = [titled(sweep, known[key]) for key in keys if key in known]
    model = "the model that was fine-tuned at" if prefix else "the frozen model at"
    return Verdict(f"{model} {place(sweep.best)}", sweep.verdict, measures, len(sweep.frame))


def titled(sweep: SweepRun, one: Measure) -> tuple[str, str]:
    """The title of a measure, and its value for the chosen cell with interval and unit."""
    value = replace(one, ends=one.interval).text(sweep.best)
    title = one.title.removeprefix("Trained: ")
    unit = f"\N{NO-BREAK SPACE}{one.unit.sign}" if one.unit.sign else ""
    changed = title.replace(" lost ", " changed ") if one.change else title
    return changed[0].upper() + changed[1:], value if value == "-" else f"{value}{unit}"
