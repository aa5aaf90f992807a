"""How a number is described: its key, unit, and places. `interp.measures` declares all there are. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from interp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

Where = Literal["table", "heatmap", "page", "figure"]


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
    """One number of a cell.

    Attributes:
        key: of the column.
        title: in full, without the unit's sign.
        heading: of a table's column; narrow: the same where there is little room; above: what it shares with its
            neighbours there.
        alone: of a column that stands alone, as in a page; by default the heading.
        brief: of a panel in a figure; by default `alone`.
        family: measures of one family share the scale of their colours, and a row in figures.
        interval: whether its ends are there too.
        ends: whether tables show them.
        shown: where it is shown.
        tuned: whether it is of a model that was fine-tuned at the cell, not of the frozen one.
        change: whether tables show its negative: a change, where the measure is a loss.
        against: what it is to be compared with: keys, or in words.
        unless: a column that it is not shown beside where all cells have the same in both.
        spare: a table that is too wide leaves out those with the highest number first, and never those with 0.
    """

    key: str
    title: str
    unit: Unit
    heading: str = ""
    narrow: str = ""
    above: str = ""
    alone: str = ""
    brief: str = ""
    family: str = ""
    interval: bool = False
    ends: bool = False
    shown: frozenset[Where] = frozenset()
    tuned: bool = False
    change: bool = False
    against: tuple[str, ...] = ()
    unless: str = ""
    spare: int = 0

    @property
    def full_title(self) -> str:
        """The title with the unit's sign."""
        return f"{self.title} ({self.unit.sign})" if self.unit.sign else self.title

    @property
    def name(self) -> str:
        """What it is called where it stands alone."""
        return self.alone or self.heading or self.title

    @property
    def keys(self) -> tuple[str, ...]:
        """Its columns."""
        return (self.key, f"{self.key}_low", f"{self.key}_high") if self.interval else (self.key,)

    def value(self, row: Mapping[str, float] | pd.Series) -> float:
        """As tables show it, unrounded."""
        return self._shown(row[self.key])

    def _shown(self, value: float) -> float:
        return (-1.0 if self.change else 1.0) * self.unit.factor * value

    def text(self, row: Mapping[str, float] | pd.Series, *, ends: bool = True) -> str:
        """Return the value as tables show it; without the ends of its interval, if asked."""
        shown = written(self.value(row), self.unit.form)
        if not (ends and self.ends and self.interval) or shown == "-" or np.isnan(row[self.keys[1]]):
            return shown
        low, high = (written(self._shown(row[key]), self.unit.form) for key in self.keys[1:])
        if self.change:
            low, high = high, low
        return f"{shown} [{low} {high}]"


@dataclass(frozen=True)
class Schema:
    """Measures in the order in which they are shown.

    Raises:
        ValueError: two have a column in common, be it the end of an interval.
    """

    measures: tuple[Measure, ...]
    _by_key: dict[str, Measure] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for measure in self.measures:
            if twice := seen.intersection(measure.keys):
                raise ValueError(f"two measures have the column '{min(twice)}'")
            seen.update(measure.keys)
            self._by_key[measure.key] = measure

    def __getitem__(self, key: str) -> Measure:
        """The measure of a key.

        Raises:
            UserError: there is none; the message lists those that are shown somewhere.
        """
        if key not in self._by_key:
            known = [measure.key for measure in self.measures if measure.shown]
            raise UserError(f"there is no measure '{key}'; known: {', '.join(known)}")
        return self._by_key[key]

    def __iter__(self) -> Iterator[Measure]:
        return iter(self.measures)

    def shown(self, where: Where, *, tuned: bool | None = None) -> list[Measure]:
        """What is shown somewhere, of fine-tuned cells only or of frozen ones only if asked."""
        return [one for one in self.measures if where in one.shown and tuned in (None, one.tuned)]

    @cached_property
    def columns(self) -> frozenset[str]:
        """Every column, ends of intervals too."""
        return frozenset(key for measure in self.measures for key in measure.keys)

    def among(self, columns: Iterable[str]) -> Schema:
        """Return the measures that a table has, in the same order; a sweep without controls lacks some."""
        there = set(columns)
        return Schema(tuple(measure for measure in self.measures if measure.key in there))

    def check(self, columns: Iterable[str]) -> None:
        """Raise `ValueError` for a column that no measure declares."""
        if unknown := sorted(set(columns) - self.columns):
            raise ValueError(f"interp/measures does not declare {', '.join(unknown)}")
