"""The tasks of a sweep in this process, or in several processes of this machine."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from interp.cli import cores
from interp.clip.model import Clip
from interp.processes.pool import Pool, processes
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.sweep.cell import compute_layer, search_layer
from interp.sweep.executors.executor import Executor, More, in_workers, longest_first, paths_bar, searches_bar, tasks
from interp.sweep.progress import CellsProgress
from interp.sweep.tasks import keep_path, make_bench, on_disk
from interp.sweep.tasks import prepare as prepare_process
from interp.sweep.work import Work

_MOST_JOBS = 8  # by default: each process holds a model of its own
_CLEAN = "clean-run.safetensors"  # in the cache
_WORK = "work"  # in the cache: what `Work` holds, as multiprocessing itself would send it


class Local(Executor):
    """This machine.

    By default there is a process for each core, at most `_MOST_JOBS`, on a CPU, and one on other devices.
    """

    def compute(self, work: Work, clip: Clip, run: TextRun, places: Sequence[Place], more: More) -> None:
        """Do all tasks."""
        config = work.config
        wanted = config.jobs or (min(cores(), _MOST_JOBS) if config.device == "cpu" else 1)
        count = min(wanted, max(len(places), len(work.attributed_texts)))
        rows = longest_first(work, run.tokens)
        if count == 1:
            _here(work, clip, run, rows, places)
            return
        with _processes(work, run, count) as pool:
            del run
            in_workers(work, pool, count, rows, places, more)


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread, as the processes do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _processes(work: Work, run: TextRun, count: int) -> Iterator[Pool]:
    with on_disk(work):
        run.save(work.cache / _CLEAN)
        (work.cache / _WORK).write_bytes(pickle.dumps(work))
    del run  # it may be large, and lies on disk now
    with processes(count, _begin, str(work.cache)) as pool:
        yield pool


def _begin(cache: str) -> None:
    """Prepare a process of the pool."""
    work: Work = pickle.loads((Path(cache) / _WORK).read_bytes())
    runs: list[TextRun] = []

    def run(clip: Clip, _layer: int | None) -> TextRun:
        if not runs:  # all of it is mapped into memory, and read where it is used
            runs.append(TextRun.load(clip, Path(cache) / _CLEAN))
        return runs[0]

    prepare_process(work, run)


def _here(work: Work, clip: Clip, run: TextRun, rows: Sequence[int], keys: Sequence[Place]) -> None:
    with one_thread():
        with paths_bar(work) as bar:
            for row in rows:
                keep_path(work, clip, run.tokens, row)
                bar.update()
        bench, folder = make_bench(work, clip, run), RunFolder(work.folder)
        first, then = tasks(keys, 1, alone=work.trained is not None)
        with searches_bar(first) as searches:
            for cells in first:
                search_layer(bench, folder, cells)
                searches.update(len(cells))
        with CellsProgress(work.folder, keys, at_once=1, searches=not first) as progress:
            for cells in then:
                compute_layer(bench, folder, cells, progress.look)


EXECUTOR = Local()
