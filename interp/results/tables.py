"""The cells of a sweep as tables: one row for each, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.cli import aligned
from interp.runs.folder import RunFolder, StoreError, table
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd

TUNED = "tuned_preference"  # a measure that only fine-tuned cells have


def read_cells(folder: RunFolder) -> list[dict[str, Any]]:
    """What the files of all cells hold.

    Raises:
        StoreError: one is damaged.
    """
    cells = []
    for name in folder.names():
        cell = folder.read(name)
        if cell is None:
            raise damaged(folder, name)
        cells.append(cell)
    return cells


def damaged(folder: RunFolder, name: str) -> StoreError:
    return StoreError(f"the cell {name} in '{folder.path}' is damaged; run the sweep that made it again")


def results(cells: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each cell, from what its file holds; times are left out, so that equal runs give equal tables."""
    rows = []
    for cell in cells:
        measures = {measure: value for measure, value in cell["measures"].items() if measure != "seconds"}
        # Undefined values are null in the file and NaN in the table.
        rows.append(cell["cell"] | {key: np.nan if value is None else value for key, value in measures.items()})
    return table(rows, by=list(Place._fields))


def best_cell(frame: pd.DataFrame) -> pd.Series:
    """The cell with the highest IIA on `val`; of equal ones the smallest subspace, then the earliest layer."""
    return frame.sort_values(["iia_val", "size", "layer", "seed"], ascending=[False, True, True, True]).iloc[0]


@dataclass(frozen=True)
class Column:
    """A column of the tables of cells.

    Attributes:
        head: its title among its neighbours; above: what it shares with them, named at the first.
        title: what it is called alone.
        text: what is shown of a row; value: what rows are sorted by.
    """

    head: str
    title: str
    text: Callable[[pd.Series], str]
    value: Callable[[pd.Series], float]
    above: str = ""


def _place(name: str) -> Column:
    return Column(name, name, lambda row: str(int(row[name])), lambda row: float(row[name]))


def _number(head: str, measure: str, form: str, factor: float = 1.0, title: str = "") -> Column:
    def value(row: pd.Series) -> float:
        return factor * row[measure]

    return Column(head, title or head, lambda row: written(value(row), form), value)


def correlation(row: pd.Series, measure: str) -> str:
    """A correlation with its interval."""
    r, low, high = (row[f"{measure}{end}"] for end in ("", "_low", "_high"))
    return "-" if np.isnan(r) else f"{r:+.2f} [{low:+.2f} {high:+.2f}]"


def _through(norm: str, measure: str) -> Column:
    return Column(
        "through", f"{norm}, through", lambda row: correlation(row, measure), lambda row: row[measure], above=norm
    )


def written(value: float, form: str) -> str:
    """A number as tables show it; what is not defined is a dash."""
    return "-" if np.isnan(value) else f"{value:{form}}"


def _places() -> list[Column]:
    return [_place(name) for name in ("layer", "block", "size", "seed")]


def cell_columns(norms: Sequence[str]) -> list[Column]:
    """What is shown of a cell: its place, IIA beside controls (%), shifts, preference (%), correlations with norms."""
    iias = {"IIA": "", "c>d": "_c2d", "d>c": "_d2c", "pca": "_pca", "means": "_means", "random": "_random"}
    columns = _places()
    for head, name in iias.items():
        columns.append(_number(head, f"iia{name}", ".1f", 100.0, "IIA" if not name else f"IIA {head}"))
    columns += _shifts("")
    columns.append(_number("pref", "preference", ".1f", 100.0))
    for norm in norms:
        columns.append(_through(norm, f"r_{norm}_through"))
        columns += [
            _number(route, f"r_{norm}_{route}", "+.2f", 1.0, f"{norm}, {route}") for route in ("around", "full")
        ]
    return columns


def _shifts(stem: str) -> list[Column]:
    return [
        _number("shift c>d", f"{stem}shift_c2d", "+.3f"),
        _number("d>c", f"{stem}shift_d2c", "+.3f", title="shift d>c"),
    ]


def tuned_columns(norms: Sequence[str]) -> list[Column]:
    """What is shown of the model that was fine-tuned at a cell."""
    shares = {"pref": "preference", "IIA c>d": "iia_c2d", "IIA d>c": "iia_d2c"}
    columns = [*_places(), *(_number(head, f"tuned_{name}", ".1f", 100.0) for head, name in shares.items())]
    columns += _shifts("tuned_")
    columns += [_number(name, f"tuned_{name}_drop", "+.1f", -100.0) for name in ("transfer", "retrieval")]
    for norm in norms:
        columns.append(_through(norm, f"tuned_r_{norm}_through"))
        columns.append(_number("full", f"tuned_r_{norm}_full", "+.2f", 1.0, f"{norm}, full"))
    return columns


def tuned_best(frame: pd.DataFrame) -> pd.Series:
    """The fine-tuned cell with the lowest loss on `val`."""
    return frame.loc[frame["tuned_val_loss"].idxmin()]


def _aligned(frame: pd.DataFrame, columns: Sequence[Column], best: pd.Series) -> list[str]:
    """A line for each cell, the best one marked."""
    lines = [["", *(column.above for column in columns)], ["", *(column.head for column in columns)]]
    for _, row in frame.iterrows():
        lines.append(["*" if is_cell(row, best) else "", *(column.text(row) for column in columns)])
    return aligned(lines)


def is_cell(row: pd.Series, other: pd.Series) -> bool:
    """Whether two rows are of the same place in the grid."""
    return Place.of(row) == Place.of(other)


def terminal_table(frame: pd.DataFrame, norms: Sequence[str]) -> str:
    """Plain text, a line for each cell; the cell that `val` would choose is marked."""
    best = best_cell(frame)
    counts = ", ".join(f"n = {int(frame[f'n_{norm}'].max())} word types for {norm}" for norm in norms)
    legend = (
        "IIA, controls, preference in % on held-out pairs; c>d: captions given Z of a description, d>c: the reverse.\n"
        "shift: by how much the intervention moves the score (a cosine) on average.\n"
        f"Then correlation of word attributions with norms by route, [95 % interval]; {counts}.\n"
        f"* chosen on val: layer {int(best['layer'])}, size {int(best['size'])}: IIA {100 * best['iia']:.1f} % "
        f"[{100 * best['iia_low']:.1f} {100 * best['iia_high']:.1f}], "
        f"random subspace {100 * best['iia_random']:.1f} %, whole stream {100 * best['iia_whole']:.1f} %, "
        f"nothing {100 * best['iia_size0']:.1f} %."
    )
    return "\n".join([*_aligned(frame, cell_columns(norms), best), "", legend])


def tuned_table(frame: pd.DataFrame, norms: Sequence[str]) -> str:
    """What the models that were fine-tuned at each cell do; of the trained alignment, not of a search."""
    legend = (
        "Trained: a model fine-tuned by IIT-DAS (LoRA) at each cell, with the alignment trained in it; test pairs.\n"
        "transfer, retrieval: change of zero-shot accuracy and of retrieval against the base, in points.\n"
        "* lowest loss on val."
    )
    return "\n".join([*_aligned(frame, tuned_columns(norms), tuned_best(frame)), "", legend])
