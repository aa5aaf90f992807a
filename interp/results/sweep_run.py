"""A sweep that has run, read back from its folder: tables, example texts, and ways to look at them. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from interp.data.contrast import PAPER, Contrast
from interp.errors import UserError
from interp.measures import ALIGNED, PAPER_METHODS, MethodName, sweep_schema
from interp.results.choice import best_cell, rule_of
from interp.results.heatmaps import heatmap
from interp.results.norm_tests import norm_tests
from interp.results.tables import CellColumn, cell_columns, damaged, is_cell, is_tuned, read_cells, results
from interp.results.verdict import Answer, judged, verdict
from interp.runs.chosen import Chosen, read_chosen
from interp.runs.directions import Directions, read_directions
from interp.runs.examples import Example, read_examples
from interp.runs.files import StoreError, write_atomic
from interp.runs.folder import RunFolder, defined, to_json
from interp.runs.place import Place
from interp.runs.values import Found
from interp.schema import Schema
from interp.show.markup import escape, table

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.norms import Norm
    from interp.show.pictures import Picture

OfCell = TypeVar("OfCell", Chosen, Directions)
RATINGS = "ratings.json"
SHOWN = 60  # rows that a notebook shows at once


@dataclass(frozen=True, eq=False, repr=False)
class SweepRun:
    """What a sweep left.

    Attributes:
        manifest: what was asked for, with what.
        frame: a row for each cell, with every measure.
        cells: (layer, size, seed) -> what the cell's file holds, examples and words too, the same of the model that
            was trained there as `tuned`.
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
        """What the two kinds of text are called; a run of version 0.1 has descriptions and captions.

        Raises:
            StoreError: the manifest names something else than two kinds.
        """
        given = self._setting("contrast", PAPER.kinds)
        try:
            positive, negative = map(str, given)
            return Contrast(positive, negative)
        except ValueError as error:
            raise self._spoiled("contrast", "two different names of kinds of text") from error

    @cached_property
    def methods(self) -> Sequence[MethodName]:
        """How subspaces were found: the first one is that of each cell, the others are what it is compared with.

        Raises:
            StoreError: the manifest names something else than methods.
        """
        given = self._setting("methods", PAPER_METHODS)
        if not given or not all(
            isinstance(one, (list, tuple)) and len(one) == len(MethodName._fields) for one in given
        ):
            raise self._spoiled("methods", "a list of methods, each with key, heading and title")
        return [MethodName(*map(str, one)) for one in given]

    @property
    def trained_by(self) -> str:
        """The objective of the models that were fine-tuned, in words."""
        return ALIGNED.get(str(self.manifest["settings"].get("objective")), ALIGNED["iit-das"])

    @cached_property
    def schema(self) -> Schema:
        """What the columns of `frame` are: those measures that were known when the run was made.

        Raises:
            StoreError: the manifest's contrast or methods are none, or cannot be told apart.
        """
        contrast, methods, tuned = self.contrast, self.methods, is_tuned(self.frame)
        try:
            known = sweep_schema(contrast, methods, self.norms, tuned=tuned)
        except ValueError as error:
            raise self._spoiled("methods", f"a list without two of one name ({error})") from error
        frame = self.frame
        same = {
            one.key
            for one in known
            if one.unless and one.key in frame and bool((frame[one.key] == frame[one.unless]).all())
        }
        return known.among(set(frame.columns) - same)

    def _setting(self, name: str, default: Sequence[Any]) -> Sequence[Any]:
        """A list in the manifest's settings, or what a run has that does not say."""
        given = self.manifest["settings"].get(name)
        if given is not None and not isinstance(given, list):
            raise self._spoiled(name, "a list")
        return default if given is None else given

    def _spoiled(self, name: str, expected: str) -> StoreError:
        return StoreError(
            f"'{self.folder.manifest_path}' is damaged: its setting {name} is not {expected}; "
            "run the sweep again in another folder"
        )

    @property
    def directions(self) -> int:
        """How many the subspace of the chosen cell has: its size, or fewer, if a mask was searched for."""
        return int(self.best.get("directions", self.best["size"]))

    @cached_property
    def best(self) -> pd.Series:
        """The row of the cell that the validation pairs choose."""
        return best_cell(self.frame)

    @cached_property
    def chosen(self) -> Chosen | None:
        """What the chosen cell was examined for; None if it was not, or another cell was.

        Raises:
            StoreError: the file that says so is damaged.
        """
        return self._if_chosen(read_chosen(self.folder))

    @cached_property
    def leading(self) -> Directions | None:
        """The leading directions of Z in the chosen cell; None if they were not kept, or are of another cell.

        Raises:
            StoreError: the file that says so is damaged.
        """
        return self._if_chosen(read_directions(self.folder))

    def _if_chosen(self, known: OfCell | None) -> OfCell | None:
        """What a file holds, if it is of the chosen cell."""
        return known if known is not None and known.place == Place.of(self.best) else None

    @cached_property
    def verdict(self) -> list[Answer]:
        """Six questions about the chosen cell, answered by rules; none where there were no controls."""
        tuned = is_tuned(self.frame)
        if "tuned_gap" not in self.frame if tuned else "gap" not in self.frame:
            return []
        return verdict(judged(self.best, self.contrast, self.methods[1:], self.chosen, tuned=tuned))

    @cached_property
    def norm_tests(self) -> pd.DataFrame:
        """Every correlation with a norm in the grid, with p values for all of them, as `norm_tests` describes it.

        Raises:
            StoreError: the folder holds no ratings.
        """
        return norm_tests(self.cells, self.ratings)

    def rotation_path(self, place: tuple[int, int, int]) -> Path:
        """The file of the rotation of a cell (layer, size, seed), for `Rotation.load`."""
        return Place(*place).rotation_file(self.folder.path)

    def shown(self, place: Place) -> Mapping[str, Any]:
        """`words` and `examples` of a cell: of the model that was trained there, if one was, else of the frozen one."""
        cell = self.cells[place]
        return cell["tuned"] or cell

    @property
    def shows_tuned(self) -> bool:
        """Whether words and examples are those of trained models."""
        return any(cell["tuned"] for cell in self.cells.values())

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
            UserError: there is no such measure, or the run was made before it was measured.
        """
        return heatmap(self.frame, self.schema[measure])

    def _repr_html_(self) -> str:
        """For notebooks: the tables that the terminal shows, of the first cells."""
        best = self.best
        said = (
            f"{self.folder.path}: {len(self.frame)} cells; * chosen by validation: layer {int(best['layer'])}, "
            f"size {int(best['size'])}, seed {int(best['seed'])}: {rule_of(self.frame).said}."
        )
        parts = [f"<p>{escape(said)}</p>"]
        if is_tuned(self.frame):
            parts.append(
                "<p>Fine-tuned at each cell; transfer, retrieval: change against the base, in points.</p>"
                f"{self._table(cell_columns(self.schema, tuned=True), best)}<p>A search on the frozen model:</p>"
            )
        parts.append(f"{self._table(cell_columns(self.schema), best)}<p>IIA, controls and preference in %.</p>")
        more = len(self.frame) - SHOWN
        return "".join(parts) + (f"<p>and {escape(more)} more cells: see frame</p>" if more > 0 else "")

    def _table(self, columns: Sequence[CellColumn], best: pd.Series) -> str:
        """One row for each of the first cells; the best one has a star."""
        rows = []
        for _, row in self.frame.head(SHOWN).iterrows():
            first, *others = (column.text(row) for column in columns)
            rows.append([f"{first} *" if is_cell(row, best) else first, *others])
        return table([column.title for column in columns], rows)


def load_sweep(path: str | Path) -> SweepRun:
    """Read the run folder of a sweep, also of one that is unfinished.

    Raises:
        StoreError: the folder holds no run, or a file in it is damaged.
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
    kept: dict[str, Any] = {"words": [], "examples": [], "tuned": {}}
    cells = {
        Place.of(cell["cell"]): cell | {name: defined(cell.get(name, none)) for name, none in kept.items()}
        for cell in found
    }
    mend = "mend the file, or run the sweep again in another folder"
    norms = [norm for norm, _ in Found(manifest, folder.manifest_path, mend).get("norm_sources").items()]
    return SweepRun(folder, manifest, results(found), cells, norms, read_examples(folder))


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
