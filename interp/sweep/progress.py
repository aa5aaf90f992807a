"""Progress of the cells of a sweep: a bar, and a single forecast of the remaining time after the first cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from interp.cli.progress import Bar
from interp.cli.text import duration
from interp.clip.edits.edit import ABOUT
from interp.runs.cells import trained_name
from interp.runs.folder import RunFolder
from interp.runs.place import Place

SHORT = 20.0  # seconds; a shorter remaining time is not printed


@dataclass
class Forecast:
    """Forecast of the remaining time, printed once.

    Attributes:
        total: number of cells to compute.
        at_once: number of cells that are computed at the same time; before that many are done, no forecast is possible.
        now: function that returns the time in seconds.
        say: function that prints a line.
        started: time of the start.
        said: True once the forecast was made.
    """

    total: int
    at_once: int
    now: Callable[[], float] = time.monotonic
    say: Callable[[str], object] = tqdm.write
    started: float = field(init=False)
    said: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self.started = self.now()

    def look(self, done: int) -> None:
        """Print the forecast once, as soon as `at_once` cells are finished and some are missing."""
        if self.said or done < self.at_once or done >= self.total:
            return
        self.said = True
        passed = self.now() - self.started
        left = passed / done * (self.total - done)
        if left >= SHORT:
            self.say(f"{done} of {self.total} cells took {duration(passed)}; the rest takes about {duration(left)}")


class CellsProgress:
    """Bar over cells as their files appear, and a `Forecast`; used in a with statement.

    Args:
        folder: run folder.
        keys: cells to compute.
        at_once: see `Forecast`.
        searches: True to count each rotation as much as a cell: rotations are searched with the cells, not before them.
        objective: objective whose trained models are counted instead of cells.
    """

    def __init__(
        self, folder: Path, keys: Sequence[Place], *, at_once: int, searches: bool, objective: str | None = None
    ) -> None:
        self.folder, self.keys, self.searches, self.objective = folder, keys, searches, objective
        form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
        total = len(keys) * (2 if searches else 1)
        self.bar = Bar(total=total, desc=objective or "cells", unit="cell", bar_format=form, leave=True)
        self.forecast = Forecast(len(keys), at_once)

    def __enter__(self) -> CellsProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def look(self) -> None:
        """Count the files that exist, and update bar and forecast."""
        run = RunFolder(self.folder)
        done = sum(self._file(run, key).is_file() for key in self.keys)
        found = rotations_found(self.folder, self.keys) if self.searches else 0
        self.bar.update(done + found - self.bar.n)
        self.forecast.look(done)

    def _file(self, run: RunFolder, key: Place) -> Path:
        return run.cell_path(key.name) if self.objective is None else run.path / trained_name(self.objective, key)


def edits_trained(folder: Path, keys: Sequence[Place]) -> int:
    """Return the number of cells that have an edit."""
    return sum((key.edit_folder(folder) / ABOUT).is_file() for key in keys)


def rotations_found(folder: Path, keys: Sequence[Place]) -> int:
    """Return the number of cells that have a rotation."""
    return sum(key.rotation_file(folder).with_suffix(".json").is_file() for key in keys)
