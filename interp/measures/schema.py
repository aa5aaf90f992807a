"""Declarations of numbers and of their table, which has a row for each cell. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from interp.data.contrast import Contrast
from interp.measures.number import Key, Numbers
from interp.stats import Estimate

ENDS = "low", "high"  # ends of an interval
PAIRS = Key("test_pairs")


@dataclass(frozen=True)
class Unit:
    """Display format of numbers of one kind.

    Attributes:
        factor: factor from the value in a file to the shown value.
        form, brief: format of a number in a table, and in a heatmap.
        sign: sign of the shown unit, such as ``%``.
        colours: colour map of heatmaps, as named in matplotlib.
        bounds: values at the ends of the colour map; None for plus and minus the largest absolute value.
        least: lower limit of the value at the end of the colour map, if `bounds` is None.
    """

    factor: float = 1.0
    form: str = "+.3f"
    brief: str = "+.2f"
    sign: str = ""
    colours: str = "RdBu"
    bounds: tuple[float, float] | None = None
    least: float = 1e-6

    def text(self, value: float, form: str | None = None) -> str:
        """Return a value in the format of tables; an undefined value is a dash.

        >>> SHARE.text(0.5), CORRELATION.text(float("nan"))
        ('50.0', '-')
        """
        return written(self.factor * value, form or self.form)

    def reach(self, values: np.ndarray) -> tuple[float, float]:
        """Return the values at the ends of a heatmap's colour map, given the shown values."""
        if self.bounds is not None:
            return self.bounds
        most = max(self.least, float(np.nanmax(np.abs(values), initial=0.0)))
        return -most, most


def written(value: float, form: str) -> str:
    """Return a number in the given format; NaN gives a dash, and a number that rounds to zero has no minus sign.

    >>> written(-0.01, "+.1f"), written(0.01, "+.1f"), written(-0.06, ".1f")
    ('+0.0', '+0.0', '-0.1')
    """
    if np.isnan(value):
        return "-"
    text = f"{value:{form}}"
    return text if text.strip("-0.") else f"{0.0:{form}}"


def with_ends(value: float, low: float, high: float, form: str) -> str:
    """Return a number in the given format, with the ends of its interval if both are defined.

    >>> with_ends(0.5, 0.4, 0.6, "+.1f"), with_ends(0.5, float("nan"), float("nan"), "+.1f")
    ('+0.5 [+0.4 +0.6]', '+0.5')
    """
    shown = written(value, form)
    return shown if shown == "-" or np.isnan(low) else f"{shown} [{written(low, form)} {written(high, form)}]"


SHARE = Unit(100.0, ".1f", ".0f", "%", "cividis", (0.0, 100.0))
SIGNED_SHARE = Unit(100.0, "+.1f", "+.0f", "%")  # a share that can be negative
SCORE = Unit()  # a cosine
CORRELATION = Unit(1.0, "+.2f", "+.2f", "", "RdBu", (-1.0, 1.0))
LOST = Unit(100.0, "+.1f", "+.1f", "%", "RdBu_r", least=5.0)  # a loss of less than five points should look small
PLAIN = Unit(1.0, "+.2f", "+.2f", least=1.0)  # a ratio
R2 = Unit(1.0, "+.2f", "+.1f", bounds=(-1.0, 1.0))
NATS = Unit(1.0, ".4f", ".2f", "", "cividis")
COUNT = Unit(1.0, ".0f", ".0f", "", "cividis")


@dataclass(frozen=True)
class Measure:
    """Declaration of a number.

    Attributes:
        key: identity of the number.
        title: full title, without the unit's sign.
        unit: display format.
        interval: True if the number has an interval.
        count: key of the number of units behind the number.
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
    """Measures of a contrast, and the columns of their table.

    Raises:
        ValueError: two measures share a column. The ends of an interval are columns too.
    """

    contrast: Contrast
    measures: tuple[Measure, ...]
    _by_key: dict[Key, Measure] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for measure in self.measures:
            columns = self.columns(measure)
            if twice := seen.intersection(columns):
                raise ValueError(f"two measures have the column '{min(twice)}'; rename a method, norm or kind of text")
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
        """Return the names of all columns of a measure: the value, and the ends of the interval if there is one."""
        name = self.column(measure.key)
        return (name, *(f"{name}_{end}" for end in ENDS)) if measure.interval else (name,)

    def wide(self, numbers: Numbers) -> dict[str, float]:
        """Return numbers as a row of a table.

        Raises:
            ValueError: a number is not declared.
        """
        if unknown := sorted(self.column(key) for key in numbers if key not in self):
            raise ValueError(f"undeclared measures: {', '.join(unknown)}; declare each in interp/measures")
        row: dict[str, float] = {}
        for key, number in numbers.items():
            row |= zip(self.columns(self[key]), (number.value, number.low, number.high), strict=False)
        return row

    def read(self, row: Mapping[str, float]) -> dict[Key, Estimate]:
        """Return the numbers of a row that `wide` wrote; undeclared columns are ignored.

        The number of units of an estimate is the value of its `count` in the row, or 0 if the row has none.
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
        """Return the schema of the measures that a table has, in unchanged order.

        A sweep without controls, for example, lacks the measures of controls.
        """
        present = set(columns)
        return Schema(self.contrast, tuple(measure for measure in self.measures if self.column(measure.key) in present))
