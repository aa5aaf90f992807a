"""Tests of the coverage of correlations with norms, and of the error rate of null grids.

Each test simulates 500 samples of a world with a known truth; `python -m tests.measure_norms_coverage` prints the
results.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from tests.measure_norms_coverage import COVERED, GRIDS
from tests.norms_worlds import World, coverage, family_error, null_grid
from tests.oracles.word_types import p_by_permutation

pytestmark = pytest.mark.slow
HARDEST = {
    "8 articles, 10 tokens",
    "8 articles, 40 tokens, shared effects",
    "20 articles, 40 tokens",
    "20 articles, 40 tokens, skewed, tied, shared effects",
    "85 articles, 20 tokens, rare words are noisier",
    "20 articles, 3 cells, independent words",
    "20 articles, 3 cells, all of these",
    "20 articles, 20 cells, ties",
    "40 articles, 3 cells, shared effects",
}


def _marked(names: Iterable[str]) -> list[Any]:
    """Return the names of worlds; the hardest worlds are in each run, and all others in thorough runs."""
    return [pytest.param(name, marks=[] if name in HARDEST else [pytest.mark.thorough]) for name in names]


@pytest.mark.parametrize("name", _marked(COVERED))
def test_intervals_hold_their_population_quantities(name: str):
    """Allow plain intervals of few articles to be slightly too wide, since the larger of two variances counts."""
    world = COVERED[name]
    intervals = coverage(world)
    assert 0.92 <= intervals.plain <= 0.99
    if intervals.repeated < 10:
        assert intervals.defined < 0.05
        return
    assert 0.92 <= intervals.disattenuated <= 0.98
    assert intervals.defined > 0.35
    assert intervals.median == pytest.approx(world.r, abs=0.05)
    if world.r > 0:
        assert intervals.plain_mean < 0.75 * world.r  # noise draws the plain correlation toward 0
        assert intervals.truth < 0.85


@pytest.mark.parametrize("name", _marked(GRIDS))
def test_a_null_grid_is_significant_once_in_twenty(name: str):
    """Compare error rates with 5 ± 2.5 %; the standard error of a share of 5 % in 500 grids is 1 %."""
    world, cells = GRIDS[name]
    error, types = family_error(world, cells)
    assert 0.025 <= error <= 0.075
    assert 60 <= types <= 300


@pytest.mark.parametrize(
    "world", [World(85, 20, subject=0.7, article=1.0, shared=60, single=3), World(hetero=True)], ids=str
)
def test_permutation_of_words_finds_too_much(world: World):
    rng, significant = np.random.default_rng(0), 0
    for _ in range(300):
        _, attributions, norms = null_grid(world, 1, rng)
        significant += p_by_permutation(attributions[0], norms[0], 199, rng) <= 0.05
    assert significant / 300 > 0.08
