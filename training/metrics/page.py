"""Page of a benchmark: outcomes of checks as bars, correlations with readers, paired differences. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.data.blv import QUESTIONS
from interp.report.page.rendering import render
from interp.runs.files import write_atomic
from training.metrics.checks import CHECKS
from training.metrics.numbers import CHECKED, OUTCOMES, MetricNumber
from training.metrics.table import (
    ceilings,
    checks_in,
    correlation,
    cut_sentences,
    differences,
    find,
    is_sure,
    metrics_in,
    percent,
    points,
)

FILE = "metrics.html"


@dataclass(frozen=True)
class _Bar:
    """Outcomes of a check by one metric.

    Attributes:
        metric: name of the metric.
        shares: outcome -> percent, for the widths of the parts of a bar.
        words: outcomes in words, with the interval.
    """

    metric: str
    shares: dict[str, float]
    words: str


@dataclass(frozen=True)
class _CheckBars:
    check: str
    about: str
    n: int
    bars: Sequence[_Bar]


def write_page(numbers: Sequence[MetricNumber], folder: Path, *, title: str, notes: Sequence[str]) -> Path:
    """Write the page and return its path."""
    values = {
        "title": title,
        "notes": list(dict.fromkeys(notes)),
        "finding": _finding(numbers),
        "cut": cut_sentences(numbers),
        "checks": [_bars(numbers, check) for check in checks_in(numbers)],
        "questions": list(QUESTIONS),
        "readers": _readers(numbers),
        "ceilings": ceilings(numbers),
        "differences": _differences(numbers),
    }
    path = folder / FILE
    write_atomic(path, render("metrics.html.j2", values))
    return path


def _finding(numbers: Sequence[MetricNumber]) -> str:
    """Return a sentence on the checks that the first metric fails most often."""
    metrics = metrics_in(numbers)
    shares = [number for number in numbers if number.part == CHECKED and number.metric == metrics[0]]
    worse = [number for number in shares if number.measure == "worse"]
    if not worse:
        return ""
    least, most = min(worse, key=lambda number: number.value), max(worse, key=lambda number: number.value)
    return (
        f"{metrics[0]} scores the worse text lower in {percent(least)} % of items ({least.of}) to {percent(most)} % "
        f"({most.of})."
    )


def _bars(numbers: Sequence[MetricNumber], check: str) -> _CheckBars:
    bars, n = [], 0
    for metric in metrics_in(numbers):
        shares = {outcome: find(numbers, check, metric, outcome) for outcome in OUTCOMES}
        present = {outcome: share for outcome, share in shares.items() if share is not None}
        if len(present) < len(OUTCOMES):
            continue
        n = max(n, present["worse"].n)
        rest = ", ".join(f"{name} {100 * present[name].value:.1f} %" for name in OUTCOMES[1:])
        words = f"worse {percent(present['worse'])} %, {rest}"
        bars.append(_Bar(metric, {outcome: round(100 * share.value, 2) for outcome, share in present.items()}, words))
    return _CheckBars(check, CHECKS[check].about, n, bars)


def _readers(numbers: Sequence[MetricNumber]) -> list[tuple[str, list[str], list[str], str]]:
    """Return for each metric its correlations, its correlations given length, and its share of ordered pairs."""
    rows = []
    for metric in metrics_in(numbers):
        if find(numbers, "overall", metric, "pearson") is None:
            continue
        plain, given = (
            [correlation(find(numbers, question, metric, measure)) for question in QUESTIONS]
            for measure in ("pearson", "pearson given length")
        )
        rows.append((metric, plain, given, percent(find(numbers, "overall", metric, "order within images"))))
    return rows


def _differences(numbers: Sequence[MetricNumber]) -> list[tuple[str, str, str, str, bool]]:
    """Return rows of metrics, check or question, measure, value, and a mark of intervals that exclude 0."""
    rows = []
    for number in differences(numbers):
        checked = number.part == CHECKED
        measure = "scored worse, points" if checked else number.measure
        value = points(number) if checked else correlation(number)
        rows.append((number.metric, number.of, measure, value, is_sure(number)))
    return rows
