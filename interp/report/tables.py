"""Cells of a sweep as tables: one row for each cell, and the columns that are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from interp.measures import EDIT, Key, Model
from interp.report.layout import Layout, MeasureDisplay, Where
from interp.runs.cells import Cell, TrainedModel
from interp.runs.folder import table
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd

_TIME, _TRAINED = Key("seconds").column(), Key("val_loss", model="tuned").column()


_Trained = Mapping[Model, Mapping[Place, TrainedModel]]


def results(cells: Mapping[Place, Cell], trained: _Trained) -> pd.DataFrame:
    """Return a row for each cell, from its files; times are left out, so that equal runs give equal tables.

    Args:
        cells: content of the cells' files.
        trained: models that were trained at each cell.
    """
    rows = []
    for place, cell in cells.items():
        row = {**cell["cell"], **_timeless(cell["measures"])}
        for model, models in trained.items():
            row |= {f"{model}_{column}": value for column, value in _timeless(models[place]["measures"]).items()}
        rows.append(row)
    return table(rows, by=list(Place._fields))


def models_of(trained: Mapping[str, Mapping[Place, TrainedModel]]) -> _Trained:
    """Return trained models by the prefix of their columns: ``tuned`` is the model that a sweep is about."""
    if not trained:
        return {}
    *others, last = trained
    edited: dict[Model, Mapping[Place, TrainedModel]] = {"edited": trained[EDIT]} if EDIT in others else {}
    return {**edited, "tuned": trained[last]}


def _timeless(measures: Mapping[str, float]) -> dict[str, float]:
    return {column: value for column, value in measures.items() if column != _TIME}


@dataclass(frozen=True)
class CellColumn:
    """Column of the tables of cells.

    Attributes:
        head: heading among its neighbours.
        title: heading of a column without neighbours.
        text: function that returns the text of a row.
        plain: function that returns this text without the ends of the interval.
        value: function that returns the number by which rows are sorted.
        narrow: heading where there is little room.
        above: common heading of the column and its neighbours.
        spare: rank of columns that a too wide table leaves out, the highest number first; 0 is never left out.
    """

    head: str
    title: str
    text: Callable[[pd.Series], str]
    plain: Callable[[pd.Series], str]
    value: Callable[[pd.Series], float]
    narrow: str = ""
    above: str = ""
    spare: int = 0


def cell_columns(layout: Layout, *, model: Model = "", where: Where = "table") -> list[CellColumn]:
    """Return columns of a cell's place, and of the measures of a model there."""
    return [
        *(_place(name) for name in ("layer", "block", "size", "seed")),
        *(column_of(shown) for shown in layout.at(where, model=model)),
    ]


def column_of(shown: MeasureDisplay) -> CellColumn:
    """Return the column of a measure."""
    plain = partial(shown.text, ends=False)
    return CellColumn(shown.heading, shown.name, shown.text, plain, shown.value, shown.narrow, shown.above, shown.spare)


def _place(name: str) -> CellColumn:
    def text(row: pd.Series) -> str:
        return str(int(row[name]))

    return CellColumn(name, name, text, text, lambda row: float(row[name]))


def is_tuned(frame: pd.DataFrame) -> bool:
    """Return whether a model was trained at each cell."""
    return _TRAINED in frame


def model_of(frame: pd.DataFrame) -> Model:
    """Return the model that a sweep is about: the trained model if there is one at each cell."""
    return "tuned" if is_tuned(frame) else ""


def is_cell(row: pd.Series, other: pd.Series) -> bool:
    """Return whether two rows are of the same place in the grid."""
    return Place.of(row) == Place.of(other)
