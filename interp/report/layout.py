"""Display of measures in tables, heatmaps, pages and figures. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from interp.errors import UserError
from interp.measures import Key, Model
from interp.measures.schema import Measure, Unit, with_ends, written

if TYPE_CHECKING:
    import pandas as pd

Where = Literal["table", "heatmap", "page", "figure"]
CONTROLS = "controls"  # family of IIA of other subspaces


@dataclass(frozen=True)
class MeasureDisplay:
    """Display of a measure.

    Attributes:
        measure: declaration of the measure.
        columns: names of its columns: the value, and the ends of its interval if it has one.
        where: places where it is shown.
        heading: heading of a table's column.
        narrow: heading where there is little room.
        above: common heading of the column and its neighbours.
        alone: heading of a column without neighbours, such as on a page; by default the heading.
        brief: title of a panel in a figure; by default `alone`.
        family: measures of one family share the scale of their colours, and a row in figures.
        ends: True if tables show the ends of its interval.
        change: True to show the negative value: the measure is a loss, and its change is shown.
        spare: rank of columns that a too wide table leaves out, the highest number first; 0 is never left out.
    """

    measure: Measure
    columns: tuple[str, ...]
    where: frozenset[Where]
    heading: str
    narrow: str = ""
    above: str = ""
    alone: str = ""
    brief: str = ""
    family: str = ""
    ends: bool = False
    change: bool = False
    spare: int = 0

    @property
    def key(self) -> Key:
        """Key of the measure."""
        return self.measure.key

    @property
    def unit(self) -> Unit:
        """Unit of the measure."""
        return self.measure.unit

    @property
    def column(self) -> str:
        """Name of the column of the value."""
        return self.columns[0]

    @property
    def interval(self) -> bool:
        """True if the measure has an interval."""
        return self.measure.interval

    @property
    def tuned(self) -> bool:
        """True for a measure of the trained model that the sweep is about."""
        return self.key.model == "tuned"

    @property
    def name(self) -> str:
        """Name of the measure where it stands alone."""
        return self.alone or self.heading

    def value(self, row: Mapping[str, float] | pd.Series) -> float:
        """Return the value as tables show it, unrounded."""
        return self._shown(row[self.column])

    def _shown(self, value: float) -> float:
        return (-1.0 if self.change else 1.0) * self.unit.factor * value

    def text(self, row: Mapping[str, float] | pd.Series, *, ends: bool | None = None) -> str:
        """Return the value as tables show it.

        Args:
            row: row of the table of cells.
            ends: True to show the ends of its interval; by default as in tables.
        """
        wanted = self.ends if ends is None else ends
        if not (wanted and self.interval):
            return written(self.value(row), self.unit.form)
        low, high = (self._shown(row[column]) for column in self.columns[1:])
        both = (high, low) if self.change else (low, high)
        return with_ends(self.value(row), *both, self.unit.form)


@dataclass(frozen=True)
class Layout:
    """Measures of a sweep in the order of display."""

    shown: tuple[MeasureDisplay, ...]
    _by_key: dict[Key, MeasureDisplay] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key.update({display.key: display for display in self.shown})

    def __getitem__(self, key: Key) -> MeasureDisplay:
        return self._by_key[key]

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def __iter__(self) -> Iterator[MeasureDisplay]:
        return iter(self.shown)

    def at(self, where: Where, *, model: Model | None = None) -> list[MeasureDisplay]:
        """Return the measures of a place, optionally of one model only."""
        return [display for display in self.shown if where in display.where and model in (None, display.key.model)]

    def of_column(self, column: str) -> MeasureDisplay:
        """Return the measure of a column.

        Raises:
            UserError: no shown measure has this column; the message lists the columns of the shown measures.
        """
        for display in self.shown:
            if display.column == column:
                return display
        columns = ", ".join(display.column for display in self.shown)
        raise UserError(f"there is no measure '{column}'; known measures: {columns}")
