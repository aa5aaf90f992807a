"""Common part of all executors: the interface, and the order of tasks."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

import torch

from interp.cli.progress import Bar
from interp.clip.model import Clip, Tokens
from interp.measures import EDIT
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.sweep.progress import CellsProgress, OnCells, edits_trained, rotations_found
from interp.sweep.tasks import (
    CONTENT_PATHS,
    EDITED,
    PATHS,
    cells_task,
    edit_task,
    measured_task,
    on_disk,
    path_task,
    paths_done,
    search_task,
    train_task,
)
from interp.sweep.work import Work

More = Callable[[], Sequence[Place]]


class Executor(ABC):
    """Base class of executors, which compute the cells of a sweep."""

    @contextmanager
    def claimed(self, folder: RunFolder, missing: Sequence[Place]) -> Iterator[list[Place]]:  # noqa: ARG002
        """Yield the missing cells that this command must compute, and reserve them during the body."""
        yield list(missing)

    def run(
        self,
        work: Work,
        clip: Clip,
        clean: Callable[[], TextRun],
        places: Sequence[Place],
        more: More,
        on_cells: OnCells,
    ) -> None:
        """Compute cells, write them to the run folder, and show progress.

        Args:
            work: work of the sweep.
            clip: model.
            clean: function that runs the texts. With several processes, its result is kept on disk instead of in this
                process.
            places: cells to compute.
            more: function that returns the places to train after all cells, if several processes can train in parallel.
            on_cells: function from the number of finished cells to a text for the progress bar.

        Raises:
            UserError: a process died; finished cells are kept.
        """
        try:
            with on_disk(work):
                work.cache.mkdir(mode=0o700, parents=True)  # other users must not write to the cache
                for name in (PATHS, CONTENT_PATHS, *EDITED.values()):
                    (work.cache / name).mkdir()
            self.compute(work, clip, clean(), places, more, on_cells)
        finally:
            shutil.rmtree(work.cache, ignore_errors=True)

    @abstractmethod
    def compute(
        self, work: Work, clip: Clip, run: TextRun, places: Sequence[Place], more: More, on_cells: OnCells
    ) -> None:
        """Do all tasks in an existing cache.

        Args:
            work: work of the sweep.
            clip: model.
            run: clean run of the texts. It may be large, so only this call refers to it.
            places: cells to compute.
            more, on_cells: as in `run`.
        """


@runtime_checkable
class Workers(Protocol):
    """Processes that do tasks."""

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items and call `look` at intervals."""


def in_workers(
    work: Work,
    workers: Workers,
    at_once: int,
    rows: Sequence[int],
    keys: Sequence[Place],
    more: More,
    on_cells: OnCells,
) -> None:
    """Do all tasks in workers: searches, edits, paths of attributions, cells, and further trainings.

    Cells that were searched in an earlier pass only need trainings.

    Args:
        work: work of the sweep.
        workers: processes that do the tasks.
        at_once: number of tasks at a time.
        rows: numbers of the attributed texts.
        keys: cells to compute.
        more, on_cells: as in `Executor.run`.
    """
    if work.searched and work.trained is not None:
        objective = work.trained.objective
        with CellsProgress(work.folder, keys, on_cells, searches=False, objective=objective) as progress:
            workers.run_all(measured_task, keys, progress.look)
        workers.run_all(train_task, more(), lambda: None)
        return
    first, then = tasks(keys, at_once, alone=work.trained is not None)
    searches, hidden = sum(map(len, first)), None if first else True
    with Bar(total=searches, desc="searches", unit="Z", disable=hidden) as bar:
        workers.run_all(search_task, first, lambda: bar.update(rotations_found(work.folder, keys) - bar.n))
    edited = keys if work.trained is not None and work.trained.objective == EDIT else ()
    with Bar(total=len(edited), desc="edits", unit="edit", disable=None if edited else True) as bar:
        workers.run_all(edit_task, edited, lambda: bar.update(edits_trained(work.folder, edited) - bar.n))
    with Bar(total=len(rows), desc="attributions", unit="text") as bar:
        paths = [(row, edited) for row in rows]
        workers.run_all(path_task, paths, lambda: bar.update(paths_done(work) - bar.n))
    with CellsProgress(work.folder, keys, on_cells, searches=not first) as progress:
        workers.run_all(cells_task, then, progress.look)
    workers.run_all(train_task, more(), lambda: None)


def longest_first(work: Work, tokens: Tokens) -> list[int]:
    """Return the numbers of the attributed texts, in the order of decreasing work."""
    return torch.argsort(tokens.eot[work.attributed_texts], descending=True).tolist()


def tasks(keys: Sequence[Place], processes: int, *, alone: bool = False) -> tuple[list[list[Place]], list[list[Place]]]:
    """Return the groups of cells whose rotations are searched first, and the groups of cells to compute afterwards.

    Early layers are first in both lists, since they take longest. Cells that share work stay together. With enough
    layers for all processes, a group is a layer. Else, with enough layers and seeds, a group is a layer and a seed,
    whose cells are always searched together. Else rotations are searched first, and then each cell is a group.

    Args:
        keys: cells to compute.
        processes: number of processes.
        alone: True to make each cell a group, because cells take so long that shared work saves little.
    """
    ordered = sorted(keys, key=lambda key: (key.layer, key.seed, key.size))
    groups: list[list[Place]] = []
    for alike in (lambda key: key.layer, lambda key: (key.layer, key.seed)):
        groups = [list(cells) for _, cells in groupby(ordered, key=alike)]
        if len(groups) >= processes and not alone:
            return [], groups
    return groups, [[key] for key in ordered]
