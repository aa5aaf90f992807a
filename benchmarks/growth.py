"""Whole sweep on a CLIP of real size: time, memory, and their growth with the pairs; memory of the clean run."""

from __future__ import annotations

import ctypes
import gc
import os
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.material import random_tokens, vit_b32, write_concadia, write_model
from benchmarks.measure import FLOAT, Result
from benchmarks.whole_sweep import Cost, memory, sweep_cost
from interp.clip.sites import Site
from interp.subspaces.clean_run import clean_texts

PAIRS = 2000
CACHED = 400  # pairs whose clean run is measured
GROWING = (500, 1000, 2000, 4000)
LAYERS = "6-12"


def cache_memory(lengths: Sequence[int]) -> Result:
    """Return the growth of a process by the clean run of a sweep, as a multiple of the tensors that it must hold."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:  # this process has freed memory to reuse
        grown, needed = fresh.submit(_grown, lengths).result()
    value = grown / needed
    return Result(
        "memory of the clean run, a pair, layers 6-12",
        "the tensors it must hold",
        "x",
        value,
        value,
        value,
        1,
        ("<=", 1.1),
        facts={"megabytes_per_pair": needed / CACHED / 1e6},
    )


def _grown(lengths: Sequence[int]) -> tuple[int, int]:
    clip, draw, layers = vit_b32(), np.random.default_rng(0), range(6, 13)
    sites = [Site("text", layer) for layer in layers]
    tokens = random_tokens(clip, draw.choice(lengths, 2 * CACHED).tolist(), draw)
    earlier = clean_texts(clip, tokens, sites)  # kept, so that torch's own allocations are not counted
    before = _held()
    run = clean_texts(clip, tokens, sites)
    grown = _held() - before
    del earlier
    d, depth = clip.width("text"), clip.depth("text")
    return grown, FLOAT * d * (2 * (depth - min(layers)) * int(run.tokens.eot.sum()) + len(layers) * 2 * CACHED)


def _held() -> int:
    """Return the memory of this process, after all freed memory has been given back."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    return memory(os.getpid())


def measure(lengths: Sequence[int], growing: bool) -> Iterator[Result]:
    """Yield the sweep at 2,000 pairs and, if `growing`, at the other numbers of pairs too."""
    counts = GROWING if growing else (PAIRS,)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_model(folder / "model", vit_b32())
        costs: dict[int, Cost] = {}
        for pairs in counts:
            here = folder / str(pairs)
            write_concadia(here / "data", pairs, [max(3, n) for n in lengths], np.random.default_rng(0))
            options = ("--layers", LAYERS)
            costs[pairs] = sweep_cost(folder / "model", here / "data", here / "run", here / "cache", options)
            print(f"sweep of {pairs} pairs: {costs[pairs].seconds / 60:.1f} min, {costs[pairs].peak / 1e9:.2f} GB")
            if pairs == PAIRS:
                title = f"sweep, layers {LAYERS} x 5 sizes, {PAIRS} pairs, everything cold"
                cost = costs[pairs]
                yield _single(f"{title}: time", cost.seconds / 60, "min", 8.0)
                yield _single(f"{title}: memory", cost.peak / 1e9, "GB", 6.0)
    if growing:
        facts = {str(n): {"minutes": cost.seconds / 60, "gigabytes": cost.peak / 1e9} for n, cost in costs.items()}
        for what, values in (
            ("time", [cost.seconds for cost in costs.values()]),
            ("memory", [float(cost.peak) for cost in costs.values()]),
        ):
            off = 100 * _off_the_line(counts, values)
            yield Result(
                f"growth of the sweep from {GROWING[0]} to {GROWING[-1]} pairs: {what}",
                "a straight line",
                "% off",
                off,
                off,
                off,
                len(counts),
                ("<=", 10.0),
                facts=facts,
            )


def _single(name: str, value: float, unit: str, goal: float) -> Result:
    return Result(name, "-", unit, value, value, value, 1, ("<=", goal))


def _off_the_line(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the largest distance of a value from the line through all values (least squares of relative distances)."""
    values = np.asarray(y, float)
    design = np.column_stack([np.ones(len(x)), x]) / values[:, None]
    fitted, *_ = np.linalg.lstsq(design, np.ones(len(x)), rcond=None)
    return float(np.abs(design @ fitted - 1).max())
