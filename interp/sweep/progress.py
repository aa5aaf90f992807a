"""Progress of the cells of a sweep: a bar with the cell at hand, the time left and the page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from interp.cli.progress import Bar
from interp.clip.edits.edit import ABOUT
from interp.runs.cells import trained_name
from interp.runs.folder import RunFolder
from interp.runs.place import Place

OnCells = Callable[[int], str]


class CellsProgress:
    """Bar over cells as their files appear; used in a with statement.

    Args:
        folder: run folder.
        keys: cells to compute.
        on_cells: function that is called with the number of finished cells, and returns text for the end of the bar.
        searches: True to count each rotation as much as a cell: rotations are searched with the cells, not before them.
        objective: objective whose trained models are counted instead of cells.
    """

    def __init__(
        self, folder: Path, keys: Sequence[Place], on_cells: OnCells, *, searches: bool, objective: str | None = None
    ) -> None:
        self.folder, self.keys, self.on_cells = folder, keys, on_cells
        self.searches, self.objective = searches, objective
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}{postfix}"
        total = len(keys) * (2 if searches else 1)
        unit = "step" if searches else "cell"  # a cell then has two steps: its search and its measurement
        self.bar = Bar(total=total, desc=objective or "cells", unit=unit, bar_format=form, leave=True)

    def __enter__(self) -> CellsProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def look(self) -> None:
        """Count the files that exist, and update the bar."""
        run = RunFolder(self.folder)
        missing = [key for key in self.keys if not self._file(run, key).is_file()]
        done = len(self.keys) - len(missing)
        rotations = rotations_found(self.folder, self.keys) if self.searches else 0
        at_hand = f", layer {missing[0].layer}, size {missing[0].size}" if missing else ""
        self.bar.set_description(f"{self.objective or 'cells'}{at_hand}", refresh=False)
        self.bar.set_postfix_str(self.on_cells(done), refresh=False)
        self.bar.update(done + rotations - self.bar.n)

    def _file(self, run: RunFolder, key: Place) -> Path:
        return run.cell_path(key.name) if self.objective is None else run.path / trained_name(self.objective, key)


def edits_trained(folder: Path, keys: Sequence[Place]) -> int:
    """Return the number of cells that have an edit."""
    return sum((key.edit_folder(folder) / ABOUT).is_file() for key in keys)


def rotations_found(folder: Path, keys: Sequence[Place]) -> int:
    """Return the number of cells that have a rotation."""
    return sum(key.rotation_file(folder).with_suffix(".json").is_file() for key in keys)
