"""Compute the cells of a sweep, here or in several processes; the numbers are the same.

Each process computes cells with one thread, also where there is only one process, so that no sum is taken in another
order. What is run once for all cells is mapped into the memory of all processes.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_connection
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tqdm import tqdm

from interp.cells import Bench, CellKey, compute_layer, rotation_path
from interp.cli import cores
from interp.das import DASConfig, PairRun, Sources
from interp.data.norms import Norm
from interp.errors import UserError
from interp.interchange import TextRun
from interp.loading import load_clip
from interp.models import Clip
from interp.paths import PathRun
from interp.store import RunFolder
from interp.tensors import Embeddings, Tensor

MOST_JOBS = 8  # by default: each process holds a model of its own
CLEAN, PATHS = "clean-run.safetensors", "paths.safetensors"


@dataclass(frozen=True, eq=False)
class Work:
    """What a process needs to know to compute cells; small enough to be sent to each, `more` too."""

    model: str
    tokenizer: str | None
    device: str
    fingerprint: str
    images: Embeddings
    splits: Mapping[str, Sequence[int]]
    groups: tuple[str, ...]
    norms: tuple[Norm, ...]
    sources: Sources
    attributed: int
    max_steps: int
    folder: Path
    more: Callable[[CellKey], Mapping[str, Any]] | None = None

    @property
    def attributed_pairs(self) -> Tensor:
        """Rows of the test pairs whose texts are attributed."""
        return torch.tensor(self.splits["test"][: self.attributed])

    @property
    def attributed_texts(self) -> Tensor:
        """Rows of their texts in the clean run: descriptions, then captions."""
        return torch.cat([self.attributed_pairs, self.attributed_pairs + len(self.images)])


def compute(
    work: Work, clip: Clip, prepare: Callable[[], tuple[TextRun, PathRun]], keys: Sequence[CellKey], *, jobs: int | None
) -> None:
    """Compute cells and write them to the run folder, showing progress.

    Args:
        prepare: runs the texts; where there are several processes its result is kept on disk, and not here.
        jobs: processes; by default one for each core, at most `MOST_JOBS`, on a CPU, and one on other devices.

    Raises:
        UserError: a process died; finished cells are kept.
    """
    wanted = jobs or (min(cores(), MOST_JOBS) if work.device == "cpu" else 1)
    chunks = _chunks(keys, wanted)
    processes = min(wanted, len(chunks))
    cache = work.folder / "cache"
    try:
        if processes > 1:
            _keep(cache, *prepare())
            with _bar(keys) as bar:
                _in_processes(work, cache, chunks, processes, keys, bar)
        else:
            bench = _bench(work, clip, *prepare())
            with _bar(keys) as bar, _one_thread():
                for chunk in chunks:
                    compute_layer(bench, RunFolder(work.folder), chunk, bar.update)
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def _bar(keys: Sequence[CellKey]) -> tqdm:
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    return tqdm(total=2 * len(keys), desc="cells", bar_format=form, disable=None)


def _keep(cache: Path, run: TextRun, paths: PathRun) -> None:
    try:
        cache.mkdir(parents=True)
        run.save(cache / CLEAN)
        paths.save(cache / PATHS)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot keep the clean run in '{cache}': {error}; choose another --out") from error


def _chunks(keys: Sequence[CellKey], jobs: int) -> list[list[CellKey]]:
    """Cells to compute together: a layer's, divided if there are more processes than layers. Early layers, which
    take longest, come first."""
    layers: dict[int, list[CellKey]] = {}
    for key in sorted(keys):
        layers.setdefault(key.layer, []).append(key)
    parts = max(1, jobs // len(layers)) if layers else 1
    return [chunk for cells in layers.values() for i in range(parts) if (chunk := cells[i::parts])]


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _bench(work: Work, clip: Clip, run: TextRun, paths: PathRun) -> Bench:
    splits = {name: torch.tensor(rows) for name, rows in work.splits.items()}
    pairs = PairRun(run, work.images.to(clip.device), clip.logit_scale, work.groups)
    das = DASConfig(sources=work.sources, max_steps=work.max_steps)
    return Bench(clip, pairs, splits, paths, work.norms, das, more=work.more)


def _in_processes(
    work: Work, cache: Path, chunks: list[list[CellKey]], jobs: int, keys: Sequence[CellKey], bar: tqdm
) -> None:
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(work, cache))
    try:
        with _deaf_to_ctrl_c():
            pending = {pool.submit(_work, chunk) for chunk in chunks}
        while pending:
            done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
            bar.update(_steps_done(work.folder, keys) - bar.n)
            for future in done:
                future.result()
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise UserError(
                "a process died, perhaps for want of memory; finished cells are kept: "
                "run the same command again, with --jobs 1 or a smaller --limit"
            ) from error
        raise


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started in here ignore Ctrl-C from their first moment: it is the parent's to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _steps_done(folder: Path, keys: Sequence[CellKey]) -> int:
    """Rotations found plus cells finished, as the files tell."""
    run = RunFolder(folder)
    found = sum(rotation_path(run, key).with_suffix(".json").is_file() for key in keys)
    return found + sum(run.cell_path(key.name).is_file() for key in keys)


_here: tuple[Bench, RunFolder] | None = None  # of this worker process, set once when it starts


def _start(work: Work, cache: Path) -> None:
    """Prepare a worker process."""
    global _here
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    clip = load_clip(work.model, tokenizer=work.tokenizer, device=work.device)
    if clip.fingerprint != work.fingerprint:
        raise UserError(f"the model '{work.model}' has changed since the sweep began; run it again")
    run = TextRun.load(clip, cache / CLEAN)
    paths = PathRun.load(clip, run.tokens.take(work.attributed_texts), cache / PATHS)
    _here = _bench(work, clip, run, paths), RunFolder(work.folder)


def _end_with_parent() -> None:
    """A killed sweep must not leave processes that write beside its successor's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_connection([parent.sentinel])
        os._exit(1)


def _work(chunk: list[CellKey]) -> None:
    if _here is None:
        raise RuntimeError("the worker process was not prepared")
    bench, folder = _here
    compute_layer(bench, folder, chunk)
