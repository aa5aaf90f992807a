"""The cells of a sweep as tables: one row for each, and what of it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.cli import aligned
from interp.data.contrast import Contrast
from interp.runs.folder import RunFolder, StoreError, table
from interp.runs.place import Place
from interp.runs.values import Found
from interp.schema import SHARE, Schema

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


def best_cell(frame: pd.DataFrame) -> pd.Series:
    """The cell with the highest IIA on `val`; of equal ones the smallest subspace, then the earliest layer."""
    return frame.sort_values(["iia_val", "size", "layer", "seed"], ascending=[False, True, True, True]).iloc[0]


@dataclass(frozen=True)
class CellColumn:
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


def cell_columns(schema: Schema, *, tuned: bool = False) -> list[CellColumn]:
    """A cell's place, and what tables show of it; or of the model that was fine-tuned at it."""
    measures = schema.shown("table", tuned=tuned)
    return [
        *(_place(name) for name in ("layer", "block", "size", "seed")),
        *(CellColumn(one.heading, one.name, one.text, one.value, one.above) for one in measures),
    ]


def _place(name: str) -> CellColumn:
    return CellColumn(name, name, lambda row: str(int(row[name])), lambda row: float(row[name]))


def is_tuned(frame: pd.DataFrame) -> bool:
    """Whether a model was fine-tuned at each cell."""
    return "tuned_val_loss" in frame


def tuned_best(frame: pd.DataFrame) -> pd.Series:
    """The fine-tuned cell with the lowest loss on `val`."""
    return frame.loc[frame["tuned_val_loss"].idxmin()]


def _aligned(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series) -> list[str]:
    """A line for each cell, the best one marked."""
    lines = [["", *(column.above for column in columns)], ["", *(column.head for column in columns)]]
    for _, row in frame.iterrows():
        lines.append(["*" if is_cell(row, best) else "", *(column.text(row) for column in columns)])
    return aligned(lines)


def is_cell(row: pd.Series, other: pd.Series) -> bool:
    """Whether two rows are of the same place in the grid."""
    return Place.of(row) == Place.of(other)


def terminal_table(frame: pd.DataFrame, schema: Schema, contrast: Contrast, norms: Sequence[str]) -> str:
    """Plain text, a line for each cell; the cell that `val` would choose is marked.

    Raises:
        UserError: the run lacks a measure of a norm that its manifest names.
    """
    best = best_cell(frame)
    counts = ", ".join(f"n = {int(frame[schema[f'n_{norm}'].key].max())} word types for {norm}" for norm in norms)
    interval = " ".join(SHARE.text(best[f"iia_{end}"]) for end in ("low", "high"))
    legend = (
        f"IIA, controls, preference in % on held-out pairs; {arrows(contrast)}.\n"
        "shift: by how much the intervention moves the score (a cosine) on average.\n"
        f"Then correlation of word attributions with norms by route, [95 % interval]; {counts}.\n"
        f"* chosen on val: layer {int(best['layer'])}, size {int(best['size'])}, seed {int(best['seed'])}: "
        f"IIA {SHARE.text(best['iia'])} % "
        f"[{interval}], {'; '.join(_beside(best, schema))}."
    )
    return "\n".join([*_aligned(frame, cell_columns(schema), best), "", legend])


def arrows(contrast: Contrast) -> str:
    """What the headings of both directions mean."""
    up = contrast.swap("up")
    return f"{contrast.arrow('up')}: {up}, {contrast.arrow('down')}: the reverse"


def _beside(best: pd.Series, schema: Schema) -> list[str]:
    """What the IIA of the chosen cell is compared with."""
    known = (schema[key] for key in schema["iia"].against if key in best)
    return [f"{one.name} {SHARE.text(best[one.key])} %" for one in known]


def tuned_table(frame: pd.DataFrame, schema: Schema) -> str:
    """What the models that were fine-tuned at each cell do; of the trained alignment, not of a search."""
    legend = (
        "Trained: a model fine-tuned by IIT-DAS (LoRA) at each cell, with the alignment trained in it; test pairs.\n"
        "transfer, retrieval: change of zero-shot accuracy and of retrieval against the base, in points.\n"
        "* lowest loss on val."
    )
    return "\n".join([*_aligned(frame, cell_columns(schema, tuned=True), tuned_best(frame)), "", legend])
