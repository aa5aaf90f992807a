"""Numbers of an evaluation: rows with intervals, from which files and tables are made. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from interp.cli import cut, folded
from interp.measures.schema import Unit
from interp.stats import Estimate

LONGEST = 44  # largest number of letters of a cell: a third of a terminal
COLUMNS = ("task", "of", "measure", "value", "low", "high", "n")


@dataclass(frozen=True)
class Number:
    """Number of an evaluation.

    Attributes:
        task: task of the number, such as preference, transfer, blv, norms or dose.
        of: a split, a data set, a question or a norm.
        measure: name of the measure; shares are from 0 to 1.
        value: value of the number.
        n: number of units that it was computed from.
        low, high: ends of its 95 % interval, NaN if there is none.
    """

    task: str
    of: str
    measure: str
    value: float
    n: int
    low: float = math.nan
    high: float = math.nan

    def row(self) -> dict[str, Any]:
        """Return the number as a row of the table, with columns in order."""
        values = asdict(self)
        return {column: values[column] for column in COLUMNS}


def measured(task: str, scope: str, measure: str, estimate: Estimate) -> Number:
    """Return an estimate as a number of an evaluation; the scope is the entry of the column `of`."""
    return Number(task, scope, measure, estimate.value, estimate.n, estimate.low, estimate.high)


def terminal_table(rows: Sequence[Number], units: Mapping[str, Mapping[str, Unit]]) -> str:
    """Return the numbers in plain text, one per line.

    Args:
        rows: numbers.
        units: unit of each measure, by task.
    """
    lines = [("task", "of", "measure", "value", "95 % interval", "n")]
    for row in rows:
        unit = units[row.task][row.measure]
        value, low, high = (unit.text(number) for number in (row.value, row.low, row.high))
        if unit.sign and not math.isnan(row.value):
            value += f" {unit.sign}"
        interval = "" if math.isnan(row.low) else f"[{low} {high}]"
        lines.append((row.task, row.of, row.measure, value, interval, str(row.n)))
    return "\n".join(folded([[cut(cell, LONGEST) for cell in line] for line in lines], left=3))
