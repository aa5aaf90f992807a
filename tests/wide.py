"""Numbers and the ends of their intervals by column name, for declared and other columns."""

from __future__ import annotations

from interp.data.contrast import PAPER, Contrast
from interp.measures import Numbers
from interp.stats import Estimate


def wide(numbers: Numbers, contrast: Contrast = PAPER) -> dict[str, float]:
    """Return numbers as one row."""
    row: dict[str, float] = {}
    for key, number in numbers.items():
        row |= by_end(key.column(contrast), number)
    return row


def by_end(name: str, number: Estimate) -> dict[str, float]:
    """Return a number and the ends of its interval."""
    return {name: number.value, f"{name}_low": number.low, f"{name}_high": number.high}
