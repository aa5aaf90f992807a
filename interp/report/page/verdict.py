"""Section of the page on the verdict for the chosen cell, and the measures that the verdict is based on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from interp.evidence.verdict import Answer
from interp.report.displays import evidence_keys
from interp.report.layout import MeasureDisplay
from interp.report.page.labels import place
from interp.report.reading import base_is_indifferent, is_relative
from interp.report.sweep_run import SweepRun
from interp.report.tables import model_of


@dataclass(frozen=True)
class Verdict:
    """Content of the section on the verdict.

    Attributes:
        whose: model whose subspace is judged.
        answers: answers of the verdict; empty if the run has no controls.
        measures: title and value, in the order of the questions.
        among: number of cells among which the cell was chosen.
    """

    whose: str
    answers: Sequence[Answer]
    measures: Sequence[tuple[str, str]]
    among: int


def judging(sweep: SweepRun) -> Verdict:
    """Return the verdict on the chosen cell."""
    model, layout = model_of(sweep.frame), sweep.layout
    keys = [replace(key, model=model) for key in evidence_keys(sweep.contrast)]
    nothing = base_is_indifferent(sweep.frame)
    measures = [titled(sweep, layout[key]) for key in keys if key in layout and not (nothing and is_relative(key))]
    owner = "the model that was trained at" if model else "the frozen model at"
    return Verdict(f"{owner} {place(sweep.best)}", sweep.verdict, measures, len(sweep.frame))


def titled(sweep: SweepRun, shown: MeasureDisplay) -> tuple[str, str]:
    """Return the title of a measure, and its value for the chosen cell with interval and unit."""
    value = shown.text(sweep.best, ends=True)
    title = shown.measure.title.removeprefix("Trained: ")
    unit = f"\N{NO-BREAK SPACE}{shown.unit.sign}" if shown.unit.sign else ""
    changed = title.replace(" lost ", " changed ") if shown.change else title
    return changed[0].upper() + changed[1:], value if value == "-" else f"{value}{unit}"
