"""The cells of a sweep as tables: one row for each, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.runs.files import StoreError
from interp.runs.folder import RunFolder, table
from interp.runs.place import Place
from interp.runs.values import Found
from interp.schema import Measure, Schema, Where

if TYPE_CHECKING:
    import pandas as pd

AGAIN = "remove the file and run the sweep that made it again"


def read_cells(folder: RunFolder) -> list[dict[str, Any]]:
    """What the files of all cells hold.

    Raises:
        StoreError: one is damaged, or holds something else where its place and its measures belong.
    """
    cells = []
    for name in folder.names():
        cell = folder.read(name)
        if cell is None:
            raise damaged(folder, name)
        check_numbers(Found(cell, folder.cell_path(name), AGAIN))
        cells.append(cell)
    return cells


def check_numbers(cell: Found) -> None:
    """Raise `StoreError` for the first value of a cell's place or measures that is no number."""
    for name in ("block", *Place._fields):
        cell.need("cell").need(name).whole()
    if (measures := cell.need("measures")).value is None:
        raise measures.wrong("a mapping of names to values")
    for _, found in (*cell.need("cell").items(), *measures.items()):
        found.number()


def damaged(folder: RunFolder, name: str) -> StoreError:
    """The error of a cell whose file cannot be read."""
    return StoreError(f"the cell {name} in '{folder.path}' is damaged; run the sweep that made it again")


def results(cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each cell, from what its file holds; times are left out, so that equal runs give equal tables."""
    rows = []
    for cell in cells:
        measures = {measure: value for measure, value in cell["measures"].items() if measure != "seconds"}
        # Undefined values are null in the file and NaN in the table.
        rows.append(cell["cell"] | {key: np.nan if value is None else value for key, value in measures.items()})
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
