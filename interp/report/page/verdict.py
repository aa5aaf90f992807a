"""Verdict on the chosen cell as rows of the first screen, and the measures that the verdict is based on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from interp.evidence.verdict import Answer, Answered
from interp.report.displays import evidence_keys
from interp.report.layout import MeasureDisplay
from interp.report.reading import base_is_indifferent, is_relative
from interp.report.sweep_run import SweepRun
from interp.report.tables import model_of

_QUESTIONS = {
    "precondition": "Does the model prefer {positive} to {negative}?",
    "calibrated": "Does a swap of Z move scores by the gap?",
    "necessary": "Is the preference gone without Z?",
    "specific": "Does Z act on the text’s own image only?",
    "beyond controls": "Is Z better than other subspaces?",
    "identified": "Do other seeds find the same Z?",
    "beyond length": "Does Z carry more than length and names?",
}
_SIGNS: dict[Answered, str] = {"yes": "✓", "no": "✕", "cannot tell": "?"}


@dataclass(frozen=True)
class Row:
    """Row of the verdict.

    Attributes:
        question: question, in words.
        sign: symbol of the answer.
        answer: answer of the verdict, with its rule and all of its numbers.
    """

    question: str
    sign: str
    answer: Answer


@dataclass(frozen=True)
class Verdict:
    """Content of the verdict.

    Attributes:
        whose: model whose subspace is judged.
        counts: number of each answer, in words.
        rows: rows of the verdict; empty if the run has no controls.
        measures: title and value of each measure, in the order of the questions.
    """

    whose: str
    counts: str
    rows: Sequence[Row]
    measures: Sequence[tuple[str, str]]


def verdict_rows(sweep: SweepRun) -> Verdict:
    """Return the verdict on the chosen cell."""
    model, layout = model_of(sweep.frame), sweep.layout
    keys = [replace(key, model=model) for key in evidence_keys(sweep.contrast)]
    nothing = base_is_indifferent(sweep.frame)
    measures = [titled(sweep, layout[key]) for key in keys if key in layout and not (nothing and is_relative(key))]
    kinds = {"positive": sweep.contrast.positive, "negative": sweep.contrast.negative}
    rows = [Row(_QUESTIONS[answer.name].format(**kinds), _SIGNS[answer.answer], answer) for answer in sweep.verdict]
    counts = Counter(answer.answer for answer in sweep.verdict)
    return Verdict(
        f"the {'trained' if model else 'frozen'} model",
        ", ".join(f"{counts[answer]} {answer}" for answer in _SIGNS),
        rows,
        measures,
    )


def titled(sweep: SweepRun, display: MeasureDisplay) -> tuple[str, str]:
    """Return the title of a measure, and its value for the chosen cell with interval and unit."""
    value = display.text(sweep.best, ends=True)
    title = display.measure.title.removeprefix("Trained: ")
    unit = f"\N{NO-BREAK SPACE}{display.unit.sign}" if display.unit.sign else ""
    changed = title.replace(" lost ", " changed ") if display.change else title
    return changed[0].upper() + changed[1:], value if value == "-" else f"{value}{unit}"
