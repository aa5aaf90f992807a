"""The cells of a sweep as tables: one row for each, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from interp.measures.schema import Measure, Schema, Where
from interp.runs.cells import Cell
from interp.runs.folder import table
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd


def results(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row for each cell, from what its file holds; times are left out, so that equal runs give equal tables."""
    rows = []
    for cell in cells:
        measures = {measure: value for measure, value in cell["measures"].items() if measure != "seconds"}
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


def cell_columns(schema: Schema, *, tuned: bool = False, where: Where = "table") -> list[CellColumn]:
    """A cell's place, and what is shown of it; or of the model that was fine-tuned at it."""
    return [
        *(_place(name) for name in ("layer", "block", "size", "seed")),
        *(column_of(one) for one in schema.shown(where, tuned=tuned)),
    ]


def column_of(one: Measure) -> CellColumn:
    """The column of a measure."""
    plain = partial(one.text, ends=False)
    return CellColumn(one.heading, one.name, one.text, plain, one.value, one.narrow, one.above, one.spare)


def _place(name: str) -> CellColumn:
    def text(row: pd.Series) -> str:
        return str(int(row[name]))

    return CellColumn(name, name, text, text, lambda row: float(row[name]))


def is_tuned(frame: pd.DataFrame) -> bool:
    """Whether a model was fine-tuned at each cell."""
    return "tuned_val_loss" in frame


def is_cell(row: pd.Series, other: pd.Series) -> bool:
    """Whether two rows are of the same place in the grid."""
    return Place.of(row) == Place.of(other)
