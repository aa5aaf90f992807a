from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from interp import stats
from tests.agreement import agree
from tests.oracles.word_types import step_down_by_permutation

CELLS, WORDS = 21, 120


def grid(rng: np.random.Generator, *, alike: float, cells: int = CELLS, words: int = WORDS) -> tuple:
    """Attributions and two norms that have nothing to do with each other; cells resemble each other, and norms do."""
    shared = rng.normal(size=(2, words))
    attributions = math.sqrt(alike) * shared[0] + math.sqrt(1 - alike) * rng.normal(size=(cells, words))
    return attributions, math.sqrt(alike) * shared[1] + math.sqrt(1 - alike) * rng.normal(size=(2, words))


@settings(max_examples=10)  # statsmodels collects garbage in each call
@given(st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=12))
def test_holm_is_that_of_statsmodels(p: list[float]):
    found, known = stats.holm(p), ~np.isnan(p)
    assert np.isnan(found).tolist() == np.isnan(p).tolist()
    if known.any():
        agree("holm", found[known], multipletests(np.array(p)[known], method="holm")[1])


def test_holm_keeps_the_shape():
    assert stats.holm([[0.01, 0.04], [math.nan, 0.03]])[:, 1] == pytest.approx([0.06, 0.06])
    assert stats.holm([]).shape == (0,)


def test_p_values_without_freedom():
    for r, n, many in ((0.5, 2, 0), (0.5, 4, 2), (math.nan, 30, 0)):
        assert math.isnan(stats.p_value(r, n, many))
    assert stats.p_value(1.0, 5) == stats.p_value(-1.0, 5) == 0
    assert stats.p_value(0.0, 5) == 1


def test_the_largest_statistic_is_that_of_permutations_one_by_one():
    rng = np.random.default_rng(1)
    attributions, norms = grid(rng, alike=0.5, cells=4, words=40)
    attributions[0] += 0.9 * norms[0]
    attributions[1] -= 0.5 * norms[1]
    r, p = stats.max_statistic(attributions, norms, draws=5000)
    for i, cell in enumerate(attributions):
        for j, norm in enumerate(norms):
            assert r[i, j] == pytest.approx(scipy_stats.pearsonr(cell, norm).statistic, abs=1e-12)
    naive = step_down_by_permutation(attributions, norms, 1000, seed=5)
    np.testing.assert_allclose(p, naive, atol=0.06)  # four standard errors of a share in 1000
    assert p.min() < 0.01
    assert p.max() > 0.3
    ranked, by_rank = stats.max_statistic(attributions, norms, method="spearman", draws=500)
    assert ranked[2, 1] == pytest.approx(scipy_stats.spearmanr(attributions[2], norms[1]).statistic, abs=1e-12)
    both = scipy_stats.rankdata(attributions, axis=1), scipy_stats.rankdata(norms, axis=1)
    np.testing.assert_array_equal(by_rank, stats.max_statistic(*both, draws=500)[1])


@given(st.integers(0, 1000))
def test_adjusted_p_follow_the_statistics_and_not_the_scales(seed: int):
    rng = np.random.default_rng(seed)
    attributions, norms = grid(rng, alike=0.3, cells=3, words=15)
    r, p = stats.max_statistic(attributions, norms, draws=99)
    assert (p >= 0.01).all()
    assert (p <= 1).all()
    order = np.argsort(-np.abs(r).ravel())
    assert (np.diff(p.ravel()[order]) >= 0).all()
    scaled, same = stats.max_statistic(-1e-6 * attributions + 1, 1e3 * norms, draws=99)
    np.testing.assert_allclose(scaled, -r, atol=1e-8)
    np.testing.assert_array_equal(same, p)
    _, alone = stats.max_statistic(attributions[:1], norms[:1], draws=99)
    assert alone[0, 0] <= p[0, 0] + 0.25  # other permutations are not drawn, and there are fewer tests


def test_words_that_a_norm_does_not_rate_are_left_out_of_it():
    rng = np.random.default_rng(0)
    attributions, norms = grid(rng, alike=0.2, cells=3, words=60)
    norms[1, :25] = np.nan
    attributions[2, 25:] += 2 * norms[1, 25:]
    r, p = stats.max_statistic(attributions, norms, draws=400)
    assert r[2, 1] == pytest.approx(scipy_stats.pearsonr(attributions[2, 25:], norms[1, 25:]).statistic)
    assert p[2, 1] == pytest.approx(1 / 401)
    attributions[:, :25] += 100  # what is said of words that only the other norm rates does not matter to this one
    again, _ = stats.max_statistic(attributions, norms, draws=400)
    np.testing.assert_allclose(again[:, 1], r[:, 1])


def test_what_is_undefined_in_a_grid_is_nan():
    rng = np.random.default_rng(0)
    attributions, norms = grid(rng, alike=0.2, cells=3, words=20)
    attributions[1], constant = 0.1, np.stack([norms[0], np.full(20, np.nan), np.full(20, 0.3)])
    r, p = stats.max_statistic(attributions, constant, draws=50)
    defined = np.zeros((3, 3), bool)
    defined[[0, 2], 0] = True
    np.testing.assert_array_equal(np.isfinite(r), defined)
    np.testing.assert_array_equal(np.isfinite(p), defined)
    _, alone = stats.max_statistic(attributions[[0, 2]], norms[:1], draws=50)
    np.testing.assert_array_equal(p[[0, 2], :1], alone)
    assert np.isnan(stats.max_statistic(np.zeros((2, 0)), np.zeros((1, 0)), draws=5)[1]).all()
    with pytest.raises(ValueError, match="attributions must be finite"):
        stats.max_statistic(attributions * np.nan, norms, draws=5)
    with pytest.raises(ValueError, match=r"of as many words, got \(3, 19\) and \(2, 20\)"):
        inspect.unwrap(stats.max_statistic)(attributions[:, :19], norms, draws=5)  # our message, not the type checker's


@pytest.mark.slow
@pytest.mark.parametrize("alike", [0.0, 0.7])
def test_in_one_null_grid_of_twenty_anything_is_found(alike: float):
    """Holm's adjustment is exact where tests hardly depend on each other, and else finds too little."""
    rng, found, draws = np.random.default_rng(3), np.zeros(3), 500
    for seed in range(draws):
        attributions, norms = grid(rng, alike=alike, words=60)
        norms[1, :15] = np.nan
        r, p = stats.max_statistic(attributions, norms, draws=299, seed=seed)
        alone = np.array([[stats.p_value(one, n) for one, n in zip(row, (60, 45), strict=True)] for row in r])
        found += (p <= 0.05).any(), (stats.holm(alone) <= 0.05).any(), (alone <= 0.05).any()
    largest, holm, unadjusted = found / draws
    assert 0.03 <= largest <= 0.07
    assert (0.03 if alike == 0 else 0) <= holm <= 0.07
    assert unadjusted > 0.15
