"""A sweep that has run, read back from its folder: tables, example texts, and ways to look at them. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.data.contrast import PAPER, Contrast
from interp.errors import UserError
from interp.measures import PAPER_METHODS, MethodName, Schema, sweep_schema
from interp.results.heatmaps import heatmap
from interp.results.tables import (
    Column,
    best_cell,
    cell_columns,
    damaged,
    is_cell,
    is_tuned,
    read_cells,
    results,
    tuned_best,
)
from interp.runs.examples import Example, read_examples
from interp.runs.folder import RunFolder, StoreError, defined, to_json, write_atomic
from interp.runs.place import Place
from interp.show.markup import escape, table

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.norms import Norm
    from interp.show.pictures import Picture

RATINGS = "ratings.json"
SHOWN = 60  # rows that a notebook shows at once


@dataclass(frozen=True, eq=False, repr=False)
class SweepRun:
    """What a sweep left.

    Attributes:
        manifest: what was asked for, with what.
        frame: a row for each cell, with every measure.
        cells: (layer, size, seed) -> what the cell's file holds, examples and words too.
        norms: names of the norms that attributions were correlated with.
        examples: the test pairs whose texts each cell shows.
    """

    folder: RunFolder
    manifest: Mapping[str, Any]
    frame: pd.DataFrame
    cells: Mapping[Place, Mapping[str, Any]]
    norms: Sequence[str]
    examples: Sequence[Example]

    def __repr__(self) -> str:
        return f"SweepRun({len(self.frame)} cells in '{self.folder.path}')"

    @cached_property
    def contrast(self) -> Contrast:
        """What the two kinds of text are called; a run of version 0.1 has descriptions and captions."""
        return Contrast(*self.manifest["settings"].get("contrast", PAPER.kinds))

    @cached_property
    def methods(self) -> Sequence[MethodName]:
        """How subspaces were found: the first one is that of each cell, the others are what it is compared with."""
        given = self.manifest["settings"].get("methods")
        return PAPER_METHODS if given is None else [MethodName(*map(str, one)) for one in given]

    @cached_property
    def schema(self) -> Schema:
        """What the columns of `frame` are."""
        return sweep_schema(self.contrast, self.methods, self.norms, tuned=is_tuned(self.frame))

    @cached_property
    def best(self) -> pd.Series:
        """The row of the cell that the validation pairs choose."""
        return best_cell(self.frame)

    def rotation_path(self, place: tuple[int, int, int]) -> Path:
        """The file of the rotation of a cell (layer, size, seed), for `Rotation.load`."""
        return Place(*place).rotation_file(self.folder.path)

    @cached_property
    def ratings(self) -> dict[str, dict[str, float]]:
        """Norm -> word type -> rating, of the words that were attributed and are rated.

        Raises:
            StoreError: the folder holds none.
        """
        try:
            return json.loads((self.folder.path / RATINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            command = self.manifest.get("command", "python -m interp.sweep")
            raise StoreError(
                f"'{self.folder.path}' lacks the ratings of its words ({RATINGS}); this adds them: {command}"
            ) from error

    def plot(self, measure: str = "iia") -> Picture:
        """A measure by layer and size, the mean over seeds; the cell that validation chooses is outlined.

        Raises:
            UserError: there is no such measure.
        """
        found = self.schema[measure]
        if found.key not in self.frame:
            raise UserError(f"the run was made before '{measure}' was measured; run it again in another folder")
        return heatmap(self.frame, found)

    def _repr_html_(self) -> str:
        """For notebooks: the tables that the terminal shows, of the first cells."""
        best = self.best
        said = (
            f"{self.folder.path}: {len(self.frame)} cells; * chosen by validation: layer {int(best['layer'])}, "
            f"size {int(best['size'])}, seed {int(best['seed'])}. IIA, controls and preference in %."
        )
        parts = [f"<p>{escape(said)}</p>{self._table(cell_columns(self.frame, self.schema), best)}"]
        if is_tuned(self.frame):
            parts.append(
                "<p>Fine-tuned at each cell; transfer, retrieval: change against the base, in points; * lowest loss on "
                f"val.</p>{self._table(cell_columns(self.frame, self.schema, tuned=True), tuned_best(self.frame))}"
            )
        more = len(self.frame) - SHOWN
        return "".join(parts) + (f"<p>and {escape(more)} more cells: see frame</p>" if more > 0 else "")

    def _table(self, columns: Sequence[Column], best: pd.Series) -> str:
        """One row for each of the first cells; the best one has a star."""
        rows = []
        for _, row in self.frame.head(SHOWN).iterrows():
            first, *others = (column.text(row) for column in columns)
            rows.append([f"{first} *" if is_cell(row, best) else first, *others])
        return table([column.title for column in columns], rows)


def load_sweep(path: str | Path) -> SweepRun:
    """Read the run folder of a sweep, also of one that is unfinished.

    Raises:
        StoreError: the folder holds no run, or a cell is damaged.
        UserError: the run is no sweep, or has no cell yet.
    """
    folder = RunFolder(Path(path))
    manifest = folder.manifest()
    if (kind := manifest.get("settings", {}).get("kind")) != "sweep":
        raise UserError(
            f"'{folder.path}' is a run of another kind ({kind}); this is for sweeps; "
            "fine-tuned and evaluated models are compared by python -m training.evaluate --compare"
        )
    if not folder.names():
        raise UserError(
            f"'{folder.path}' has no cell yet; run the sweep again: {manifest.get('command', 'interp.sweep')}"
        )
    found = read_cells(folder)
    cells = {
        Place.of(cell["cell"]): cell | {name: defined(cell.get(name, [])) for name in ("words", "examples")}
        for cell in found
    }
    return SweepRun(
        folder, manifest, results(found), cells, list(manifest.get("norm_sources", {})), read_examples(folder)
    )


def keep_ratings(folder: RunFolder, norms: Sequence[Norm]) -> None:
    """Write what the norms say of the words that a sweep has attributed, which are the same in each cell.

    Raises:
        StoreError: the first cell is damaged.
    """
    first = folder.names()[0]
    cell = folder.read(first)
    if cell is None:
        raise damaged(folder, first)
    words = list(cell["words"]["full"])
    rated = {
        norm.name: {word: value for word, value in zip(words, norm.of(words), strict=True) if not math.isnan(value)}
        for norm in norms
    }
    write_atomic(folder.path / RATINGS, to_json(rated))
