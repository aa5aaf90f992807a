"""Compute the cells of a sweep, here or in several processes; the numbers are the same.

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
from safetensors import SafetensorError
from tqdm import tqdm

from interp.attribution.all_layers import PathRun, TextPath, run_path
from interp.attribution.baselines import content_baselines, default_baselines
from interp.attribution.checked import checked_texts
from interp.attribution.integral import PathSettings
from interp.attribution.result import TOLERANCE
from interp.cli import cores
from interp.clip.loading import load_clip
from interp.clip.model import Clip, Tokens
from interp.errors import UserError
from interp.interventions.clean_run import TextRun
from interp.methods.pairs import PairRun
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.sweep.cell import Bench, compute_layer, search_layer
from interp.sweep.pool import processes
from interp.sweep.progress import CellsProgress, rotations_found
from interp.sweep.work import Work

MOST_JOBS = 8  # by default: each process holds a model of its own
# in the cache; those of paths, of all words and of content words alone, with a file for each text that has one
CLEAN, PATHS, CONTENT_PATHS = "clean-run.safetensors", "paths", "content-paths"
WORK = "work"  # in the cache: what `Work` holds, as multiprocessing itself would send it


def compute(
    work: Work, clip: Clip, prepare: Callable[[], TextRun], keys: Sequence[Place],
    more: Callable[[], Sequence[Place]] = lambda: (),
) -> None:  # fmt: skip
    """Compute cells and write them to the run folder, showing progress.

    By default there is a process for each core, at most `MOST_JOBS`, on a CPU, and one on other devices.

    Args:
        prepare: runs the texts; where there are several processes its result is kept on disk, and not here.
        more: where to train once all cells are there, if there are several processes to do it side by side.

    Raises:
        UserError: a process died; finished cells are kept.
    """
    wanted = work.config.jobs or (min(cores(), MOST_JOBS) if work.config.device == "cpu" else 1)
    count = min(wanted, max(len(keys), len(work.attributed_texts)))
    try:
        with _on_disk(work):
            work.cache.mkdir(mode=0o700, parents=True)  # nobody else is to put anything there
            for name in (PATHS, CONTENT_PATHS):
                (work.cache / name).mkdir()
        if count > 1:
            rows = _save(work, prepare())
            _in_processes(work, rows, count, keys, more)
        else:
            run = prepare()
            with one_thread():
                with _paths_bar(work) as bar:
                    for row in _longest_first(work, run.tokens):
                        _keep_path(work, clip, run.tokens, row)
                        bar.update()
                bench, folder = _bench(work, clip, run), RunFolder(work.folder)
                first, then = _tasks(keys, 1, alone=work.trained is not None)
                with _searches_bar(first) as searches:
                    for cells in first:
                        search_layer(bench, folder, cells)
                        searches.update(len(cells))
                with CellsProgress(work.folder, keys, at_once=1, searches=not first) as progress:
                    for cells in then:
                        compute_layer(bench, folder, cells, progress.look)
    finally:
        shutil.rmtree(work.cache, ignore_errors=True)


def _save(work: Work, run: TextRun) -> list[int]:
    with _on_disk(work):
        run.save(work.cache / CLEAN)
    return _longest_first(work, run.tokens)


def _longest_first(work: Work, tokens: Tokens) -> list[int]:
    """Numbers of the texts that are attributed, those that take most work first."""
    return torch.argsort(tokens.eot[work.attributed_texts], descending=True).tolist()


def _keep_path(work: Work, clip: Clip, tokens: Tokens, number: int) -> None:
    row = work.attributed_texts[number : number + 1]
    image = work.features.embeddings[row % len(work.features)]
    text = tokens.take(row)
    baselines = {CONTENT_PATHS: content_baselines} if number in _checked(work) else {}
    for name, start in {**baselines, PATHS: default_baselines}.items():
        settings = PathSettings(work.config.n_steps, baselines=start(clip, text))
        path = run_path(clip, text, image, work.layers, settings, TOLERANCE)
        with _on_disk(work):
            path.save(_path_file(work, name, number))


def _checked(work: Work) -> list[int]:
    """Numbers of the texts that are attributed from the second baseline too."""
    return checked_texts(len(work.attributed))


def _path_file(work: Work, name: str, number: int) -> Path:
    return work.cache / name / f"{number}.safetensors"


@contextmanager
def _on_disk(work: Work) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot keep what the cells share in '{work.cache}': {error}; choose another --out") from error


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


def _bench(work: Work, clip: Clip, run: TextRun) -> Bench:
    features = work.features
    pairs = PairRun(run, features.embeddings.to(clip.device), clip.logit_scale, features.groups)
    texts = run.tokens.take(work.attributed_texts)
    paths, second = (
        PathRun(texts.take(torch.tensor(rows)), [TextPath.load(_path_file(work, name, i)) for i in rows])
        for name, rows in ((PATHS, range(len(texts))), (CONTENT_PATHS, _checked(work)))
    )
    return Bench(
        work.config, clip, features, pairs, run.tokens.words, paths, second, work.attributed, work.sizes, work.norms,
        work.trained,
    )  # fmt: skip


def _in_processes(
    work: Work, rows: Sequence[int], count: int, keys: Sequence[Place], more: Callable[[], Sequence[Place]]
) -> None:
    with _on_disk(work):
        (work.cache / WORK).write_bytes(pickle.dumps(work))
    with processes(count, _start, str(work.cache / WORK)) as pool:
        with _paths_bar(work) as bar:
            pool.run_all(_path_task, rows, lambda: bar.update(_paths_done(work) - bar.n))
        first, then = _tasks(keys, count, alone=work.trained is not None)
        with _searches_bar(first) as bar:
            pool.run_all(_search_task, first, lambda: bar.update(rotations_found(work.folder, keys) - bar.n))
        with CellsProgress(work.folder, keys, at_once=count, searches=not first) as progress:
            pool.run_all(_cells_task, then, progress.look)
        pool.run_all(_train_task, more(), lambda: None)


def _paths_done(work: Work) -> int:
    return sum(1 for _ in (work.cache / PATHS).iterdir())


_here: tuple[Work, Clip, TextRun] | None = None  # of this worker process, set once when it starts


def _start(path: str) -> None:
    """Prepare a worker process."""
    global _here
    torch.set_num_threads(1)
    work: Work = pickle.loads(Path(path).read_bytes())
    of = work.config
    clip = load_clip(of.model, tokenizer=of.tokenizer, device=of.device, trust=of.trust_run)
    if clip.fingerprint != work.fingerprint:
        raise UserError(f"the model '{work.config.model}' has changed since the sweep began; run it again")
    _here = work, clip, TextRun.load(clip, work.cache / CLEAN)


def _prepared() -> tuple[Work, Clip, TextRun]:
    if _here is None:
        raise RuntimeError("the worker process was not prepared")
    return _here


def _path_task(number: int) -> None:
    work, clip, run = _prepared()
    _keep_path(work, clip, run.tokens, number)


def _search_task(keys: list[Place]) -> None:
    work, clip, run = _prepared()
    search_layer(_bench(work, clip, run), RunFolder(work.folder), keys)


def _cells_task(keys: list[Place]) -> None:
    work, clip, run = _prepared()
    compute_layer(_bench(work, clip, run), RunFolder(work.folder), keys)


def _train_task(place: Place) -> None:
    work, clip, _ = _prepared()
    if work.trained is not None:
        work.trained.train(place, clip)
