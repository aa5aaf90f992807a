"""Declarations of numbers, and the one table that they make: a row for each cell. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from interp.data.contrast import Contrast
from interp.measures.number import Key, Numbers
from interp.stats import Estimate

ENDS = "low", "high"  # of an interval
PAIRS = Key("test_pairs")


@dataclass(frozen=True)
class Unit:
    """How numbers of a kind are shown.

    Attributes:
        factor: from the value in a file to what is shown.
        form, brief: of a number in a table, and in a heatmap.
        sign: of what is shown, such as ``%``.
        colours: of heatmaps, a map of matplotlib.
        bounds: what the ends of the colours stand for; None for the largest size there is, and its negative.
        least: the least that the end of the colours stands for, where `bounds` is None.
    """

    factor: float = 1.0
    form: str = "+.3f"
    brief: str = "+.2f"
    sign: str = ""
    colours: str = "RdBu"
    bounds: tuple[float, float] | None = None
    least: float = 1e-6

    def text(self, value: float, form: str | None = None) -> str:
        """A value as a table shows it; what is not defined is a dash.

        >>> SHARE.text(0.5), CORRELATION.text(float("nan"))
        ('50.0', '-')
        """
        return written(self.factor * value, form or self.form)

    def reach(self, values: np.ndarray) -> tuple[float, float]:
        """What the ends of the colours of a heatmap stand for, of values as they are shown."""
        if self.bounds is not None:
            return self.bounds
        most = max(self.least, float(np.nanmax(np.abs(values), initial=0.0)))
        return -most, most


def written(value: float, form: str) -> str:
    """A number in some form; what is not defined is a dash, and what rounds to nothing has no minus.

    >>> written(-0.01, "+.1f"), written(0.01, "+.1f"), written(-0.06, ".1f")
    ('+0.0', '+0.0', '-0.1')
    """
    if np.isnan(value):
        return "-"
    text = f"{value:{form}}"
    return text if text.strip("-0.") else f"{0.0:{form}}"


def with_ends(value: float, low: float, high: float, form: str) -> str:
    """Return a number in some form with the ends of its interval, if it is defined and has one.

    >>> with_ends(0.5, 0.4, 0.6, "+.1f"), with_ends(0.5, float("nan"), float("nan"), "+.1f")
    ('+0.5 [+0.4 +0.6]', '+0.5')
    """
    shown = written(value, form)
    return shown if shown == "-" or np.isnan(low) else f"{shown} [{written(low, form)} {written(high, form)}]"


SHARE = Unit(100.0, ".1f", ".0f", "%", "cividis", (0.0, 100.0))
SIGNED_SHARE = Unit(100.0, "+.1f", "+.0f", "%")  # of something that can be negative
SCORE = Unit()  # a cosine
CORRELATION = Unit(1.0, "+.2f", "+.2f", "", "RdBu", (-1.0, 1.0))
LOST = Unit(100.0, "+.1f", "+.1f", "%", "RdBu_r", least=5.0)  # a loss of less than five points shall look small
PLAIN = Unit(1.0, "+.2f", "+.2f", least=1.0)  # a ratio
R2 = Unit(1.0, "+.2f", "+.1f", bounds=(-1.0, 1.0))
NATS = Unit(1.0, ".4f", ".2f", "", "cividis")
COUNT = Unit(1.0, ".0f", ".0f", "", "cividis")


@dataclass(frozen=True)
class Measure:
    """Declaration of a number.

    Attributes:
        title: in full, without the unit's sign.
        interval: whether it has one.
        count: number of the units that it is computed from.
    """

    key: Key
    title: str
    unit: Unit
    interval: bool = False
    count: Key = PAIRS

    @property
    def full_title(self) -> str:
        """Title with the unit's sign."""
        return f"{self.title} ({self.unit.sign})" if self.unit.sign else self.title


@dataclass(frozen=True)
class Schema:
    """Measures of a contrast, and the columns of a table of them.

    Raises:
        ValueError: two measures have a column in common; the end of an interval is a column, too.
    """

    contrast: Contrast
    measures: tuple[Measure, ...]
    _by_key: dict[Key, Measure] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for measure in self.measures:
            columns = self.columns(measure)
            if twice := seen.intersection(columns):
                raise ValueError(f"two measures have the column '{min(twice)}'")
            seen.update(columns)
            self._by_key[measure.key] = measure

    def __getitem__(self, key: Key) -> Measure:
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __iter__(self) -> Iterator[Measure]:
        return iter(self.measures)

    def column(self, key: Key) -> str:
        """Return the name of the column of a value."""
        return key.column(self.contrast)

    def columns(self, measure: Measure) -> tuple[str, ...]:
        """Return the names of all columns of a measure: of its value, and of the ends of its interval if it has one."""
        name = self.column(measure.key)
        return (name, *(f"{name}_{end}" for end in ENDS)) if measure.interval else (name,)

    def wide(self, numbers: Numbers) -> dict[str, float]:
        """Return numbers as one row of a table.

        Raises:
            ValueError: a number is not declared.
        """
        if unknown := sorted(self.column(key) for key in numbers if key not in self):
            raise ValueError(f"interp/measures does not declare {', '.join(unknown)}")
        row: dict[str, float] = {}
        for key, number in numbers.items():
            row |= zip(self.columns(self[key]), (number.value, number.low, number.high), strict=False)
        return row

    def read(self, row: Mapping[str, float]) -> dict[Key, Estimate]:
        """Return the numbers of one row of a table, as `wide` writes it; columns of nothing that is declared are left.

        The units of a number are those that its `count` has in the row, 0 if it is not there.
        """
        numbers = {}
        for measure in self.measures:
            name, *ends = self.columns(measure)
            if name in row:
                low, high = (row.get(end, math.nan) for end in ends) if ends else (math.nan, math.nan)
                count = row.get(self.column(measure.count), 0)
                numbers[measure.key] = Estimate(row[name], 0 if math.isnan(count) else int(count), low, high)
        return numbers

    def among(self, columns: Iterable[str]) -> Schema:
        """Return the measures that a table has, in the same order; a sweep without controls lacks some."""
        there = set(columns)
        return Schema(self.contrast, tuple(one for one in self.measures if self.column(one.key) in there))
