"""Finished sweep, read from its folder: tables, example texts, and ways to look at them. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from interp.data.contrast import Contrast
from interp.drawing.markup import escape, plural, table
from interp.errors import UserError
from interp.evidence.verdict import Answer, VerdictMeasures, verdict
from interp.measures import EDIT, TRAINED, Key, MethodName, Model, Numbers, passes, sweep_schema, without_model
from interp.measures.schema import Schema
from interp.report.choice import best_cell, rule_of
from interp.report.consistency import check_measures, check_texts
from interp.report.displays import sweep_layout
from interp.report.heatmaps import draw_heatmap
from interp.report.layout import Layout
from interp.report.norm_tests import norm_tests
from interp.report.tables import CellColumn, cell_columns, is_cell, is_tuned, model_of, models_of, results
from interp.runs.cells import (
    Cell,
    CellExamples,
    SweepManifest,
    TrainedModel,
    WordTable,
    places,
    read_cell,
    read_passes,
    trained_name,
)
from interp.runs.chosen_cell import ChosenControls, read_chosen
from interp.runs.directions import Directions, read_directions
from interp.runs.examples import Example, read_examples
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.runs.ratings import read_ratings

if TYPE_CHECKING:
    import pandas as pd

    from interp.drawing.pictures import Picture

_OfCell = TypeVar("_OfCell", ChosenControls, Directions)
_DIRECTIONS = Key("directions").column()
SHOWN = 60  # rows that a notebook shows


@dataclass(frozen=True, eq=False, repr=False)
class SweepRun:
    """Result of a sweep, read from its run folder.

    Attributes:
        folder: run folder.
        manifest: options, versions and fingerprints of the run.
        frame: a row for each cell, with every measure.
        cells: (layer, size, seed) -> content of the cell's file, including examples and words.
        trained: objective -> content of the files of the models trained by it, for objectives with a model at all
            cells.
        norms: names of the norms that attributions were correlated with.
        examples: test pairs whose texts each cell shows.
        strays: files in the folder of cells that belong to no cell, and are not read.
    """

    folder: RunFolder
    manifest: SweepManifest
    frame: pd.DataFrame
    cells: Mapping[Place, Cell]
    trained: Mapping[str, Mapping[Place, TrainedModel]]
    norms: Sequence[str]
    examples: Sequence[Example]
    strays: Sequence[str] = ()

    def __repr__(self) -> str:
        return f"SweepRun({plural(len(self.frame), 'cell')} in '{self.folder.path}')"

    @cached_property
    def contrast(self) -> Contrast:
        """Names of the two kinds of text.

        Raises:
            StoreError: the manifest does not name two kinds.
        """
        try:
            return Contrast(*self.manifest["settings"]["contrast"])
        except ValueError as error:
            raise self._spoiled("contrast", "two different names of kinds of text") from error

    @cached_property
    def methods(self) -> Sequence[MethodName]:
        """Methods that found the subspaces: the method of the cells first, then those of the controls."""
        return [MethodName(*names) for names in self.manifest["settings"]["methods"]]

    @property
    def model_name(self) -> str:
        """Name of the model as given to the command."""
        return self.manifest["arguments"]["model"]

    @property
    def objective(self) -> str:
        """Objective of the trained models that the sweep is about; empty for a search on the frozen model.

        A sweep trains in passes, and is about the last complete pass.
        """
        return list(self.trained)[-1] if self.trained else ""

    @property
    def trained_by(self) -> str:
        """Objective of the trained models, in words; empty for a search on the frozen model."""
        return TRAINED.get(self.objective, self.objective)

    @cached_property
    def schema(self) -> Schema:
        """Declaration of the columns of `frame`, and of other columns that this sweep may have.

        Raises:
            StoreError: the manifest's contrast or methods are invalid or not distinct.
        """
        try:
            return sweep_schema(self.contrast, self.methods, self.norms, models=list(models_of(self.trained)))
        except ValueError as error:
            raise self._spoiled("methods", f"a list without two of one name ({error})") from error

    @cached_property
    def layout(self) -> Layout:
        """Display of the sweep's measures, without the number of directions if it equals the size in all cells."""
        columns = set(self.frame.columns)
        if (self.frame[_DIRECTIONS] == self.frame["size"]).all():
            columns.remove(_DIRECTIONS)
        return sweep_layout(self.schema.among(columns), self.methods, self.norms)

    @cached_property
    def best_numbers(self) -> Numbers:
        """Measures of the chosen cell."""
        return self.schema.read(self.best.to_dict())

    def _spoiled(self, name: str, expected: str) -> StoreError:
        return StoreError(
            f"'{self.folder.manifest_path}' is damaged: its setting {name} is not {expected}; "
            "run the sweep again in another folder"
        )

    @property
    def directions(self) -> int:
        """Number of directions of the chosen cell's subspace: its size, or fewer if the search learned a mask."""
        return int(self.best[_DIRECTIONS])

    @cached_property
    def best(self) -> pd.Series:
        """Row of the cell that the validation pairs choose."""
        return best_cell(self.frame)

    @cached_property
    def chosen(self) -> ChosenControls | None:
        """Examination of the chosen cell; None if the cell was not examined.

        Raises:
            StoreError: the file of the examination is damaged.
        """
        return self._if_chosen(read_chosen(self.folder, self.objective))

    @cached_property
    def chosen_edit(self) -> ChosenControls | None:
        """Examination of the edited cell that the pass of edits chose; None if there is none.

        Raises:
            StoreError: the file of the examination is damaged.
        """
        if EDIT not in self.trained:
            return None
        edited = results(self.cells, models_of({EDIT: self.trained[EDIT]}))
        return _if_of(read_chosen(self.folder, EDIT), Place.of(best_cell(edited)), EDIT)

    @cached_property
    def leading(self) -> Directions | None:
        """Leading directions of Z in the chosen cell; None if they were not saved, or belong to another cell.

        Raises:
            StoreError: the file of the directions is damaged.
        """
        return self._if_chosen(read_directions(self.folder))

    def _if_chosen(self, content: _OfCell | None) -> _OfCell | None:
        """Return the content of a file if it belongs to the chosen cell and to the model that the sweep is about."""
        return _if_of(content, Place.of(self.best), self.objective)

    @cached_property
    def verdict(self) -> list[Answer]:
        """Questions about the chosen cell, answered by rules; empty without controls."""
        numbers = without_model(self.best_numbers, model_of(self.frame))
        if Key("gap") not in numbers:
            return []
        return verdict(VerdictMeasures(numbers, self.contrast, self.methods[1:], self.chosen))

    @cached_property
    def norm_tests(self) -> pd.DataFrame:
        """Every correlation with a norm in the grid, with joint p values, see `interp.report.norm_tests.norm_tests`.

        Raises:
            StoreError: the folder holds no ratings.
        """
        models: dict[Model, Mapping[Place, CellExamples]] = {**models_of(self.trained), "": self.cells}
        words = {model: {place: cell["words"] for place, cell in cells.items()} for model, cells in models.items()}
        return norm_tests(words, min(self.cells.items())[1]["articles"], self.ratings)

    def rotation_path(self, place: tuple[int, int, int]) -> Path:
        """Return the file of the rotation of a cell (layer, size, seed), for `Rotation.load`."""
        return Place(*place).rotation_file(self.folder.path)

    def shown(self, place: Place) -> CellExamples:
        """Return words and examples of a cell: of the model trained there if there is one, else of the base."""
        return self.trained[self.objective][place] if self.trained else self.cells[place]

    def words(self, place: Place) -> Mapping[str, WordTable]:
        """Return route -> word type -> mean attribution and count, of the model that `shown` chooses."""
        return self.shown(place)["words"]

    @property
    def shows_tuned(self) -> bool:
        """Presence of trained models, whose words and examples are then shown."""
        return bool(self.trained)

    @cached_property
    def ratings(self) -> dict[str, dict[str, float]]:
        """Norm -> word type -> rating, for attributed words with a rating.

        Raises:
            NoRatings: the folder holds none.
            StoreError: the file is damaged.
        """
        return read_ratings(self.folder, self.manifest["command"])

    def plot(self, measure: str = "iia") -> Picture:
        """Draw a measure by layer and size, as the mean over seeds; the cell that validation chooses is outlined.

        Args:
            measure: name of the measure's column.

        Raises:
            UserError: there is no such measure, or the run does not have it.
        """
        return draw_heatmap(self.frame, self.layout.of_column(measure))

    def _repr_html_(self) -> str:
        """Return HTML for notebooks: the tables of the terminal, for the first cells."""
        best = self.best
        summary = (
            f"{self.folder.path}: {plural(len(self.frame), 'cell')}; * chosen by validation: layer "
            f"{int(best['layer'])}, size {int(best['size'])}, seed {int(best['seed'])}. {rule_of(self.frame).words}"
        )
        parts = [f"<p>{escape(summary)}</p>"]
        if is_tuned(self.frame):
            trained = self._table(cell_columns(self.layout, model="tuned"), best)
            parts.append(
                f"<p>Trained at each cell by {escape(self.trained_by)}; transfer, retrieval: change against the base, "
                f"in points.</p>{trained}<p>A search on the frozen model:</p>"
            )
        parts.append(f"{self._table(cell_columns(self.layout), best)}<p>IIA, controls and preference in %.</p>")
        more = len(self.frame) - SHOWN
        return "".join(parts) + (f"<p>and {escape(more)} more cells: see frame</p>" if more > 0 else "")

    def _table(self, columns: Sequence[CellColumn], best: pd.Series) -> str:
        """Return a table with one row for each of the first cells; the best cell has a star."""
        rows = []
        for _, row in self.frame.head(SHOWN).iterrows():
            first, *others = (column.text(row) for column in columns)
            rows.append([f"{first} *" if is_cell(row, best) else first, *others])
        return table([column.title for column in columns], rows)


def _if_of(content: _OfCell | None, place: Place, objective: str) -> _OfCell | None:
    belongs = content is not None and (content.place, content.objective) == (place, objective)
    return content if belongs else None


def load_sweep(path: str | Path) -> SweepRun:
    """Read the run folder of a sweep, which may be unfinished.

    Raises:
        StoreError: the folder holds no run, or a file in it is damaged, was changed, or has unexpected content.
        UserError: the run is not a sweep, or has no cell yet.
    """
    return read_sweep(RunFolder(Path(path)))


def read_sweep(folder: RunFolder, objective: str | None = None, *, unfinished: bool = False) -> SweepRun:
    """Read a run folder as `load_sweep` does.

    Args:
        folder: run folder.
        objective: objective of the last pass to read; None for all complete passes.
        unfinished: True for a running sweep: cells that the first pass has not finished yet are left out.
    """
    if (kind := folder.settings["kind"]) != "sweep":
        raise UserError(
            f"'{folder.path}' is a run of another kind ({kind}); this is for sweeps; "
            "fine-tuned and evaluated models are compared by python -m training.evaluate --compare"
        )
    manifest = folder.manifest_as(SweepManifest)
    there, strays = places(folder)
    objective = manifest["settings"].get("objective", "") if objective is None else objective
    if unfinished and (names := passes(objective)):
        there = [place for place in there if (folder.path / trained_name(names[0], place)).is_file()]
    if not there:
        raise UserError(f"'{folder.path}' has no cell yet; run the sweep again: {manifest['command']}")
    cells = {place: cell for place in there if (cell := read_cell(folder, place)) is not None}
    norms, trained = list(manifest["norm_sources"]), read_passes(folder, objective, cells)
    frame = results(cells, models_of(trained))
    sweep = SweepRun(folder, manifest, frame, cells, trained, norms, read_examples(folder), strays)
    _ = sweep.schema  # raises if contrast or methods cannot be told apart
    check_texts(folder, cells, trained, sweep.contrast)
    controls = manifest["settings"]["controls"] == "all"
    check_measures(folder, sweep.frame, sweep.schema, sweep.methods, norms, controls=controls)
    return sweep
