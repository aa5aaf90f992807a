"""Compute the cells of a sweep: here, in several processes or on a cluster; the numbers are the same.

Each process computes with one thread, also where there is only one process, so that no sum is taken in another order.
What is computed once for all cells lies on disk, and is mapped into the memory of all processes.
"""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import torch
from tqdm import tqdm

from interp.cli import cores
from interp.clip.model import Clip, Tokens
from interp.processes.pool import Pool, processes
from interp.runs.files import remove_unfinished
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.sweep.cell import compute_layer, search_layer
from interp.sweep.executors.on_ray import RayPool, on_ray
from interp.sweep.progress import CellsProgress, rotations_found
from interp.sweep.tasks import (
    CONTENT_PATHS,
    PATHS,
    cells_task,
    keep_path,
    make_bench,
    on_disk,
    path_task,
    paths_done,
    search_task,
    train_task,
)  # fmt: skip
from interp.sweep.tasks import prepare as prepare_process
from interp.sweep.work import Work

_MOST_JOBS = 8  # by default: each process holds a model of its own
_CLEAN = "clean-run.safetensors"  # in the cache
_WORK = "work"  # in the cache: what `Work` holds, as multiprocessing itself would send it


def compute(
    work: Work, clip: Clip, prepare: Callable[[], TextRun], keys: Sequence[Place],
    more: Callable[[], Sequence[Place]] = lambda: (),
) -> None:  # fmt: skip
    """Compute cells and write them to the run folder, showing progress.

    By default there is a process for each core, at most `_MOST_JOBS`, on a CPU, and one on other devices; a cluster
    does as many tasks as it has room for.

    Args:
        prepare: runs the texts; where there are several processes its result is kept on disk, and not here.
        more: where to train once all cells are there, if there are several processes to do it side by side.

    Raises:
        UserError: a process died; finished cells are kept.
    """
    of = work.config
    wanted = of.jobs or (min(cores(), _MOST_JOBS) if of.device == "cpu" else 1)
    count = min(wanted, max(len(keys), len(work.attributed_texts)))
    try:
        with on_disk(work):
            work.cache.mkdir(mode=0o700, parents=True)  # nobody else is to put anything there
            for name in (PATHS, CONTENT_PATHS):
                (work.cache / name).mkdir()
        run = prepare()
        rows = _longest_first(work, run.tokens)
        if of.engine == "ray":
            with on_ray(work, run) as (nodes, room):
                del run
                _in_pool(work, nodes, room, rows, keys, more)
            remove_unfinished(work.folder)  # of workers that were lost
        elif count > 1:
            with _processes(work, run, count) as pool:
                del run
                _in_pool(work, pool, count, rows, keys, more)
        else:
            _here(work, clip, run, rows, keys)
    finally:
        shutil.rmtree(work.cache, ignore_errors=True)


def _longest_first(work: Work, tokens: Tokens) -> list[int]:
    """Numbers of the texts that are attributed, those that take most work first."""
    return torch.argsort(tokens.eot[work.attributed_texts], descending=True).tolist()


def _searches_bar(groups: Sequence[Sequence[Place]]) -> tqdm:
    return tqdm(total=sum(map(len, groups)), desc="searches", unit="Z", leave=False, disable=None if groups else True)


def _paths_bar(work: Work) -> tqdm:
    return tqdm(total=len(work.attributed_texts), desc="attributions", unit="text", leave=False, disable=None)


def _tasks(
    keys: Sequence[Place], processes: int, *, alone: bool = False
) -> tuple[list[list[Place]], list[list[Place]]]:
    """Cells whose rotations are searched first, and then the cells to compute together, early layers, which take
    longest, in front.

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


def _in_pool(
    work: Work, pool: Pool | RayPool, at_once: int, rows: Sequence[int], keys: Sequence[Place],
    more: Callable[[], Sequence[Place]],
) -> None:  # fmt: skip
    with _paths_bar(work) as bar:
        pool.run_all(path_task, rows, lambda: bar.update(paths_done(work) - bar.n))
    first, then = _tasks(keys, at_once, alone=work.trained is not None)
    with _searches_bar(first) as bar:
        pool.run_all(search_task, first, lambda: bar.update(rotations_found(work.folder, keys) - bar.n))
    with CellsProgress(work.folder, keys, at_once=at_once, searches=not first) as progress:
        pool.run_all(cells_task, then, progress.look)
    pool.run_all(train_task, more(), lambda: None)


def _here(work: Work, clip: Clip, run: TextRun, rows: Sequence[int], keys: Sequence[Place]) -> None:
    with one_thread():
        with _paths_bar(work) as bar:
            for row in rows:
                keep_path(work, clip, run.tokens, row)
                bar.update()
        bench, folder = make_bench(work, clip, run), RunFolder(work.folder)
        first, then = _tasks(keys, 1, alone=work.trained is not None)
        with _searches_bar(first) as searches:
            for cells in first:
                search_layer(bench, folder, cells)
                searches.update(len(cells))
        with CellsProgress(work.folder, keys, at_once=1, searches=not first) as progress:
            for cells in then:
                compute_layer(bench, folder, cells, progress.look)
