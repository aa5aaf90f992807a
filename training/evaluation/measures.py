"""What an evaluation measures: rows of numbers with intervals, which files and tables are made of. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from interp.cli import aligned
from interp.stats import Estimate

COLUMNS = ("task", "of", "measure", "value", "low", "high", "n")


@dataclass(frozen=True)
class Measure:
    """One number.

    Attributes:
        task: that it belongs to: concadia, transfer, blv or norms.
        of: a split, a data set, a question or a norm.
        measure: what it is; shares are from 0 to 1.
        low, high: its 95 % interval, NaN where there is none.
        n: of what it was computed from.
    """

    task: str
    of: str
    measure: str
    value: float
    n: int
    low: float = math.nan
    high: float = math.nan

    def row(self) -> dict[str, Any]:
        """As a row of the table, columns in order."""
        values = asdict(self)
        return {column: values[column] for column in COLUMNS}


def measured(task: str, of: str, measure: str, found: Estimate) -> Measure:
    """An estimate as a `Measure`."""
    return Measure(task, of, measure, found.value, found.n, found.low, found.high)


def is_share(measure: str) -> bool:
    """Whether a measure is a share, to be shown in percent."""
    return measure.startswith(("preference", "iia", "accuracy", "macro_f1", "retrieval"))


def terminal_table(rows: Sequence[Measure]) -> str:
    """Plain text, a line for each number."""
    lines = [("task", "of", "measure", "value", "95 % interval", "n")]
    for row in rows:
        if is_share(row.measure):
            value, low, high = (f"{100 * number:.1f}" for number in (row.value, row.low, row.high))
            value += " %"
        else:
            value, low, high = (f"{number:+.3f}" for number in (row.value, row.low, row.high))
        if math.isnan(row.value):
            value = "-"
        interval = "" if math.isnan(row.low) else f"[{low} {high}]"
        lines.append((row.task, row.of, row.measure, value, interval, str(row.n)))
    return "\n".join(aligned(lines, left=3))
