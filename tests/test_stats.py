from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats as scipy_stats

from interp import stats
from tests.reference import bootstrap_correlation

numbers = arrays.arrays(np.float64, st.integers(3, 30), elements=st.integers(-50, 50).map(float))


@given(numbers, st.integers(0, 1000))
def test_correlations_are_scipys(x, seed):
    y = x + np.random.default_rng(seed).normal(0, 20, len(x)).round(1)
    assume(np.ptp(x) > 0 and np.ptp(y) > 0)
    assert stats.pearson(x, y) == pytest.approx(scipy_stats.pearsonr(x, y).statistic, abs=1e-9)
    assert stats.correlate(x, y, method="spearman", draws=10).r == pytest.approx(
        scipy_stats.spearmanr(x, y).statistic, abs=1e-9
    )
    np.testing.assert_allclose(stats.ranks(x), scipy_stats.rankdata(x))


def test_the_clustered_bootstrap_is_the_one_that_copies_samples_out():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), rng.integers(1, 5, 12))
    x = rng.normal(size=len(groups)) + groups / 6
    y = x + rng.normal(size=len(groups))
    found = stats.correlate(x, y, groups, draws=500, seed=3)
    assert (found.low, found.high) == pytest.approx(bootstrap_correlation(x, y, groups, 500, 3), abs=1e-9)
    assert found.low < found.r < found.high
    alone = stats.correlate(x, y, draws=500, seed=3)
    assert (alone.low, alone.high) != pytest.approx((found.low, found.high), abs=1e-3)


def test_intervals_do_not_depend_on_the_scale():
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    y = x + rng.normal(size=40)
    found = stats.correlate(x, y, draws=200)
    for scale in (1e-9, 1e-3, 1e6):
        other = stats.correlate(x * scale + scale, y, draws=200)
        assert (other.r, other.low, other.high) == pytest.approx((found.r, found.low, found.high), abs=1e-6)


def test_an_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        x = rng.normal(size=80)
        y = 0.5 * x + math.sqrt(0.75) * rng.normal(size=80)
        found = stats.correlate(x, y, draws=400, seed=trial)
        covered += found.low <= 0.5 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_missing_values_are_left_out_and_what_is_undefined_is_nan():
    found = stats.correlate([1, 2, 3, math.nan, 5], [2, 4, 6, 8, math.nan])
    assert (found.r, found.n) == (pytest.approx(1), 3)
    constant = stats.correlate([1, 1, 1], [1, 2, 3])
    assert math.isnan(constant.r)
    assert math.isnan(constant.low)
    assert stats.correlate([], []).n == 0
    with pytest.raises(ValueError, match="one length"):
        stats.correlate([1, 2], [1, 2, 3])
    with pytest.raises((ValueError, TypeError), match="kendall"):
        stats.correlate([1, 2], [1, 2], method="kendall")


def test_shares_of_clusters():
    found = stats.clustered_share([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert (found.share, found.n, found.low, found.high) == (0.5, 4, 0.0, 1.0)
    many = stats.clustered_share(np.arange(100) % 2, np.arange(100))
    assert 0.38 < many.low < 0.5 < many.high < 0.62
    assert math.isnan(stats.clustered_share([], []).share)


def test_preference_and_iia():
    np.testing.assert_array_equal(stats.preference([2, 1, 1], [1, 1, 2]), [1, 0, 0])
    np.testing.assert_array_equal(stats.iia_outcomes([2, 1, 1], [1, 1, 2], winner="counterfactual"), [0, 0.5, 1])
    np.testing.assert_array_equal(stats.iia_outcomes([2, 1, 1], [1, 1, 2], winner="base"), [1, 0.5, 0])
    with pytest.raises((ValueError, TypeError), match="source"):
        stats.iia_outcomes([1], [2], winner="source")


def test_the_published_clipscores_give_the_published_preference(published):
    """Golden: vanilla CLIP prefers the description in 52.0 % of the 200 items (Kreiss et al. 2022)."""
    import csv

    with (published / "concadia-sample" / "reference_clipscores.csv").open() as file:
        rows = list(csv.DictReader(file))
    scores = [[float(row[f"{kind}_clipscore"]) for row in rows] for kind in ("description", "caption")]
    assert stats.preference(*scores).mean() == 0.52
