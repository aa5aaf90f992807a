from __future__ import annotations

import inspect
import math
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from interp import stats
from tests.oracles.word_types import step_down_by_signs
from tests.wording import raises

CELLS, WORDS = 21, 120


def grid(rng: np.random.Generator, *, alike: float, cells: int = CELLS, words: int = WORDS) -> tuple:
    """Return independent attributions and norms; cells resemble each other, and the two norms resemble each other."""
    shared = rng.normal(size=(2, words))
    attributions = math.sqrt(alike) * shared[0] + math.sqrt(1 - alike) * rng.normal(size=(cells, words))
    return attributions, math.sqrt(alike) * shared[1] + math.sqrt(1 - alike) * rng.normal(size=(2, words))


def places(rng: np.random.Generator, words: int, articles: int) -> tuple[np.ndarray, list[list[int]]]:
    """Return counts of one to four occurrences of each word, and the article of each occurrence."""
    occurrences = [rng.integers(0, articles, rng.integers(1, 5)).tolist() for _ in range(words)]
    return np.array([np.bincount(row, minlength=articles) for row in occurrences], dtype=np.float64), occurrences


@pytest.mark.slow
def test_the_largest_statistic_is_that_of_signs_one_by_one():
    rng = np.random.default_rng(1)
    attributions, norms = grid(rng, alike=0.5, cells=3, words=30)
    attributions[0] += 0.9 * norms[0]
    attributions[1] -= 0.5 * norms[1]
    norms[1, :6] = np.nan
    counts, occurrences = places(rng, 30, 7)
    tests = stats.max_statistic(attributions, norms, counts, draws=20_000)
    for i, cell in enumerate(attributions):
        for j, norm in enumerate(norms):
            rated = np.isfinite(norm)
            assert tests.r[i, j] == pytest.approx(scipy_stats.pearsonr(cell[rated], norm[rated]).statistic, abs=1e-12)
    rng = np.random.default_rng(5)
    signs = [tuple(rng.choice([-1.0, 1.0], size).tolist() for size in (7, 30)) for _ in range(600)]
    naive = step_down_by_signs(attributions, norms, occurrences, signs)
    np.testing.assert_allclose(tests.adjusted, naive, atol=0.08)  # four standard errors of a share in 600
    alone = [
        step_down_by_signs(attributions[i : i + 1], norms[j : j + 1], occurrences, signs)[0, 0]
        for i in range(3)
        for j in (0, 1)
    ]
    np.testing.assert_allclose(tests.p.ravel(), alone, atol=0.08)
    assert tests.p.min() < 0.05
    assert tests.adjusted.max() > 0.3
    ranked = stats.max_statistic(attributions, norms[:1], counts, method="spearman", draws=500)
    assert ranked.r[2, 0] == pytest.approx(scipy_stats.spearmanr(attributions[2], norms[0]).statistic, abs=1e-12)
    both = scipy_stats.rankdata(attributions, axis=1), scipy_stats.rankdata(norms[:1], axis=1)
    np.testing.assert_array_equal(ranked.adjusted, stats.max_statistic(*both, counts, draws=500).adjusted)


@given(st.integers(0, 1000))
def test_adjusted_p_follow_the_statistics_and_not_the_scales(seed: int):
    rng = np.random.default_rng(seed)
    attributions, norms = grid(rng, alike=0.3, cells=3, words=15)
    counts, _ = places(rng, 15, 9)
    tests = stats.max_statistic(attributions, norms, counts, draws=99)
    assert (tests.p >= 0.01).all()
    assert (tests.adjusted >= tests.p).all()
    assert (tests.adjusted <= 1).all()
    scaled = stats.max_statistic(-1e-6 * attributions + 1, 1e3 * norms, 3 * counts, draws=99)
    np.testing.assert_allclose(scaled.r, -tests.r, atol=1e-8)
    np.testing.assert_array_equal(scaled.adjusted, tests.adjusted)
    np.testing.assert_array_equal(scaled.p, tests.p)
    alone = stats.max_statistic(attributions[:1], norms[:1], counts, draws=99)
    assert alone.p[0, 0] == alone.adjusted[0, 0] == tests.p[0, 0]  # all tests share the signs


def test_words_that_a_norm_does_not_rate_are_left_out_of_it():
    rng = np.random.default_rng(0)
    attributions, norms = grid(rng, alike=0.2, cells=3, words=60)
    norms[1, :25] = np.nan
    attributions[2, 25:] += 2 * norms[1, 25:]
    counts, _ = places(rng, 60, 20)
    tests = stats.max_statistic(attributions, norms, counts, draws=400)
    assert tests.r[2, 1] == pytest.approx(scipy_stats.pearsonr(attributions[2, 25:], norms[1, 25:]).statistic)
    assert tests.adjusted[2, 1] <= 0.01
    attributions[:, :25] += 100  # words that only the other norm rates do not matter
    again = stats.max_statistic(attributions, norms, counts, draws=400)
    np.testing.assert_allclose(again.r[:, 1], tests.r[:, 1])
    np.testing.assert_allclose(again.p[:, 1], tests.p[:, 1])


def test_cells_that_are_the_same_count_as_one():
    rng = np.random.default_rng(2)
    attributions, norms = grid(rng, alike=0.0, cells=1)
    counts, _ = places(rng, WORDS, 20)
    alone = stats.max_statistic(attributions, norms, counts, draws=300)
    many = stats.max_statistic(np.repeat(attributions, 30, axis=0), norms, counts, draws=300)
    np.testing.assert_array_equal(many.adjusted, np.repeat(alone.adjusted, 30, axis=0))
    differing = stats.max_statistic(rng.normal(size=(30, WORDS)), norms, counts, draws=300)
    assert differing.adjusted.min() > alone.p.min() / 30
    assert (differing.adjusted > differing.p + 0.05).any()


def test_words_of_one_article_are_no_evidence():
    """Test 100 words of two articles whose attributions and ratings both differ between the articles."""
    rng, articles = np.random.default_rng(0), np.repeat([0, 1], 50)
    counts = np.eye(2)[articles]
    attributions, norms = articles + 0.1 * rng.normal(size=(2, 100)).reshape(2, 1, 100)
    assert abs(stats.max_statistic(attributions, norms, counts, draws=200).r[0, 0]) > 0.9
    assert stats.max_statistic(attributions, norms, counts, draws=200).p[0, 0] > 0.3
    apart = stats.max_statistic(attributions, norms, np.eye(100), draws=200)
    assert apart.p[0, 0] < 0.01


def test_what_is_undefined_in_a_grid_is_nan():
    rng = np.random.default_rng(0)
    attributions, norms = grid(rng, alike=0.2, cells=3, words=20)
    counts, _ = places(rng, 20, 6)
    attributions[1], constant = 0.1, np.stack([norms[0], np.full(20, np.nan), np.full(20, 0.3)])
    tests = stats.max_statistic(attributions, constant, counts, draws=50)
    defined = np.zeros((3, 3), bool)
    defined[[0, 2], 0] = True
    for values in (tests.r, tests.p, tests.adjusted):
        np.testing.assert_array_equal(np.isfinite(values), defined)
    alone = stats.max_statistic(attributions[[0, 2]], norms[:1], counts, draws=50)
    np.testing.assert_array_equal(tests.adjusted[[0, 2], :1], alone.adjusted)
    nothing = stats.max_statistic(np.zeros((2, 0)), np.zeros((1, 0)), np.zeros((0, 0)), draws=5)
    assert np.isnan(nothing.adjusted).all()
    with raises(ValueError, "attributions"):
        stats.max_statistic(attributions * np.nan, norms, counts, draws=5)
    with raises(ValueError):
        stats.max_statistic(attributions, norms, 0 * counts, draws=5)
    plain = inspect.unwrap(stats.max_statistic)  # without the type checker of the tests
    with raises(ValueError, "(3, 19)", "(2, 20)", "(20, 6)"):
        plain(attributions[:, :19], norms, counts, draws=5)


@pytest.mark.slow
def test_a_large_grid_takes_some_seconds():
    """Time 175 cells with three routes, two norms, and 700 words of 85 articles."""
    rng = np.random.default_rng(0)
    attributions, norms = grid(rng, alike=0.5, cells=525, words=700)
    counts, _ = places(rng, 700, 85)
    started = time.process_time()
    stats.max_statistic(attributions, norms, counts)
    assert time.process_time() - started < 20  # processor time, which excludes other work on the machine
