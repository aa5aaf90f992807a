"""Executor for this machine, which does the tasks of a sweep in this process or in several processes."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from interp.cli import cores
from interp.clip.model import Clip
from interp.processes.pool import Pool, processes
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.sweep.executors.executor import Executor, More, in_workers, longest_first
from interp.sweep.progress import OnCells
from interp.sweep.tasks import TaskProcess, on_disk, prepare, prepared
from interp.sweep.work import Work

_MOST_JOBS = 8  # largest default, since each process holds a model
_CLEAN = "clean-run.safetensors"  # file in the cache
_WORK = "work"  # file in the cache with the pickled `Work`, in the form that multiprocessing sends


class LocalExecutor(Executor):
    """Executor for this machine.

    By default, there is a process for each core, at most `_MOST_JOBS`, on a CPU, and one process on other devices.
    """

    def compute(
        self, work: Work, clip: Clip, run: TextRun, places: Sequence[Place], more: More, on_cells: OnCells
    ) -> None:
        """Do all tasks."""
        config = work.config
        wanted = config.jobs or (min(cores(), _MOST_JOBS) if config.device == "cpu" else 1)
        count = min(wanted, max(len(places), len(work.attributed_texts)))
        rows = longest_first(work, run.tokens)
        if count == 1:
            with one_thread(), prepared(work, clip, run) as here:
                in_workers(work, _Alone(here), 1, rows, places, tuple, on_cells)  # later trainings have another bar
            return
        with _processes(work, run, count) as pool:
            del run
            in_workers(work, pool, count, rows, places, more, on_cells)


@dataclass(frozen=True)
class _Alone:
    """Worker that is this process."""

    here: TaskProcess

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items and call `look` after each step."""
        self.here.on_step = look
        for item in items:
            task(item)
            look()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, as worker processes do, and restore the number of threads on exit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _processes(work: Work, run: TextRun, count: int) -> Iterator[Pool]:
    """Yield prepared processes; the clean run is kept on disk."""
    with on_disk(work):
        run.save(work.cache / _CLEAN)
        (work.cache / _WORK).write_bytes(pickle.dumps(work))
    del run  # it may be large, and is on disk now
    with processes(count, _begin, str(work.cache)) as pool:
        yield pool


def _begin(cache: str) -> None:
    """Prepare a process of the pool."""
    work: Work = pickle.loads((Path(cache) / _WORK).read_bytes())
    runs: list[TextRun] = []

    def run(clip: Clip, _layer: int | None) -> TextRun:
        if not runs:  # the file is mapped into memory and read on use
            runs.append(TextRun.load(clip, Path(cache) / _CLEAN))
        return runs[0]

    prepare(work, run)


EXECUTOR = LocalExecutor()
