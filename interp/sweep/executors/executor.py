"""Everything that executors have in common: what they are asked for, and the order of the tasks."""

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
from interp.sweep.progress import CellsProgress, edits_trained, rotations_found
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
    """A way to compute the cells of a sweep."""

    @contextmanager
    def claimed(self, folder: RunFolder, missing: Sequence[Place]) -> Iterator[list[Place]]:  # noqa: ARG002
        """Give those missing cells that this command is to compute, and keep other commands from them meanwhile."""
        yield list(missing)

    def run(self, work: Work, clip: Clip, clean: Callable[[], TextRun], places: Sequence[Place], more: More) -> None:
        """Compute cells and write them to the run folder, showing progress.

        Args:
            clean: runs the texts; where there are several processes its result is kept on disk, and not here.
            more: gives the places to train at once all cells are there, if several processes can do that side by side.

        Raises:
            UserError: a process died; finished cells are kept.
        """
        try:
            with on_disk(work):
                work.cache.mkdir(mode=0o700, parents=True)  # nobody else is to put anything there
                for name in (PATHS, CONTENT_PATHS, *EDITED.values()):
                    (work.cache / name).mkdir()
            self.compute(work, clip, clean(), places, more)
        finally:
            shutil.rmtree(work.cache, ignore_errors=True)

    @abstractmethod
    def compute(self, work: Work, clip: Clip, run: TextRun, places: Sequence[Place], more: More) -> None:
        """Do all tasks; the cache is there.

        Args:
            run: of the texts. It may be large: nothing but this call holds it.
        """


@runtime_checkable
class Workers(Protocol):
    """Processes that do tasks."""

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items, and call `look` now and then."""


def in_workers(
    work: Work, workers: Workers, at_once: int, rows: Sequence[int], keys: Sequence[Place], more: More
) -> None:
    """Have all tasks done: searches, edits, paths of attributions, cells, and the trainings that follow.

    Of cells that were searched in an earlier pass the trainings are all that is left to do.

    Args:
        at_once: tasks that are done at a time.
        rows: numbers of the texts that are attributed.
    """
    if work.searched and work.trained is not None:
        objective = work.trained.objective
        with CellsProgress(work.folder, keys, at_once=at_once, searches=False, objective=objective) as progress:
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
    with CellsProgress(work.folder, keys, at_once=at_once, searches=not first) as progress:
        workers.run_all(cells_task, then, progress.look)
    workers.run_all(train_task, more(), lambda: None)


def longest_first(work: Work, tokens: Tokens) -> list[int]:
    """Return the numbers of the texts that are attributed, those that take most work first."""
    return torch.argsort(tokens.eot[work.attributed_texts], descending=True).tolist()


def tasks(keys: Sequence[Place], processes: int, *, alone: bool = False) -> tuple[list[list[Place]], list[list[Place]]]:
    """Return the cells whose rotations are searched first, and then the cells to compute together; early layers, which
    take longest, are in front.

    A layer's cells share work, so they stay together if there are layers enough for all processes; else those of a
    layer and seed, which are always searched together; else each cell is for itself, once its rotation is there.

    Args:
        alone: each cell is for itself in any case: it takes so long that sharing would save little.
    """
    ordered = sorted(keys, key=lambda key: (key.layer, key.seed, key.size))
    groups: list[list[Place]] = []
    for alike in (lambda key: key.layer, lambda key: (key.layer, key.seed)):
        groups = [list(cells) for _, cells in groupby(ordered, key=alike)]
        if len(groups) >= processes and not alone:
            return [], groups
    return groups, [[key] for key in ordered]
