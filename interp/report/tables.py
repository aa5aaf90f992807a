"""The cells of a sweep as tables: one row for each, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from interp.measures import Key, Model
from interp.report.layout import Layout, Shown, Where
from interp.runs.cells import Cell
from interp.runs.folder import table
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd

_TIME, _TRAINED = Key("seconds").column(), Key("val_loss", model="tuned").column()


def results(cells: Sequence[Cell]) -> pd.DataFrame:
    """Return a row for each cell, from its file; times are left out, so that equal runs give equal tables."""
    rows = []
    for cell in cells:
        measures = {column: value for column, value in cell["measures"].items() if column != _TIME}
        rows.append({**cell["cell"], **measures})
    return table(rows, by=list(Place._fields))


@dataclass(frozen=True)
class CellColumn:
    """A column of the tables of cells.

    Attributes:
        head: its title among its neighbours; narrow: the same where there is little room; above: what it shares with
            its neighbours.
        title: what it is called alone.
        text: what is shown of a row; plain: the same without the ends of its interval; value: what rows are sorted by.
        spare: a table that is too wide leaves out those with the highest number first, and never those with 0.
    """

    head: str
    title: str
    text: Callable[[pd.Series], str]
    plain: Callable[[pd.Series], str]
    value: Callable[[pd.Series], float]
    narrow: str = ""
    above: str = ""
    spare: int = 0


def cell_columns(layout: Layout, *, tuned: bool = False, where: Where = "table") -> list[CellColumn]:
    """Return columns of a cell's place, and of its measures; or of those of the model that was fine-tuned at it."""
    return [
        *(_place(name) for name in ("layer", "block", "size", "seed")),
        *(column_of(shown) for shown in layout.at(where, tuned=tuned)),
    ]


def column_of(shown: Shown) -> CellColumn:
    """Return the column of a measure."""
    plain = partial(shown.text, ends=False)
    return CellColumn(shown.heading, shown.name, shown.text, plain, shown.value, shown.narrow, shown.above, shown.spare)


def _place(name: str) -> CellColumn:
    def text(row: pd.Series) -> str:
        return str(int(row[name]))

    return CellColumn(name, name, text, text, lambda row: float(row[name]))


def is_tuned(frame: pd.DataFrame) -> bool:
    """Return whether a model was fine-tuned at each cell."""
    return _TRAINED in frame


def model_of(frame: pd.DataFrame) -> Model:
    """Return the model that a sweep is about: the fine-tuned one, if there is one at each cell."""
    return "tuned" if is_tuned(frame) else ""


def is_cell(row: pd.Series, other: pd.Series) -> bool:
    """Whether two rows are of the same place in the grid."""
    return Place.of(row) == Place.of(other)
