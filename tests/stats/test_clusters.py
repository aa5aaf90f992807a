"""Tests of intervals of shares, means and differences over clusters."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.sandwich_covariance import cov_cluster, cov_cluster_2groups

from interp import stats
from interp.stats import Estimate
from interp.stats.dyads import units as dyads_of
from tests.agreement import agree
from tests.oracles.dyads import (
    Design,
    error_by_pairs,
    estimate_by_pairs,
    has_interval,
    mean_by_pairs,
    share_by_pairs,
)
from tests.wording import raises

hit, cluster = st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 11)


units = st.lists(st.tuples(hit, cluster, cluster), min_size=16, max_size=40).filter(
    lambda rows: all(has_interval([row[role] for row in rows]) for role in (1, 2))
)


def columns(rows: list[tuple[float, int, int]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


@pytest.mark.slow
@given(units)
def test_shares_and_means_are_those_of_matrices_over_pairs_of_units(rows: list[tuple[float, int, int]]):
    hits, bases, sources = columns(rows)
    for given_sources, each in ((sources, sources), (None, bases)):
        estimate, naive = stats.clustered_share(hits, bases, given_sources), share_by_pairs(hits, bases, each)
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(naive, abs=1e-9)
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
        assert estimate.high - estimate.low > 0.05
        mean = stats.clustered_mean(hits, bases, given_sources)
        assert (mean.value, mean.low, mean.high) == pytest.approx(
            mean_by_pairs(hits, bases, each), abs=1e-9, nan_ok=True
        )
        if np.ptp(hits):
            error = error_by_pairs(hits, bases, each)
            assert stats.standard_error(hits, bases, given_sources) == pytest.approx(error, abs=1e-12)


@pytest.mark.parametrize("alike", [-0.8, 0.0, 0.8])
@pytest.mark.parametrize("tail", [False, True])
def test_each_estimate_of_the_error_is_that_of_matrices(alike: float, tail: bool):
    met = set()
    for seed in range(12):
        values, bases, sources = Design(12, 3, seed % 3 / 2, alike).draw(np.random.default_rng(seed))
        values = np.exp(values) if tail else values
        for each in (sources, bases):
            (x,), dyads = dyads_of({"x": values}, bases, each)
            ours, (spread, _) = dyads.spread(x), estimate_by_pairs(values.tolist(), bases.tolist(), each.tolist())
            met.add(dyads.form(x).name)
            assert (ours.variance, ours.freedom, ours.skewness) == pytest.approx(spread, rel=1e-8)
            mean = stats.clustered_mean(values, bases, each)
            naive = mean_by_pairs(values.tolist(), bases.tolist(), each.tolist())
            agree("intervals", np.array([mean.low, mean.high]) / np.ptp(values), np.array(naive[1:]) / np.ptp(values))
    assert met == {"independent", "common", "robust"}


@pytest.mark.parametrize("seed", range(5))
def test_of_clusters_of_even_size_the_error_is_that_of_statsmodels(seed: int):
    """Compare clusters of even size, for which all corrections are G / (G - 1) and degrees of freedom are G - 1."""
    rng = np.random.default_rng(seed)
    clusters = np.repeat(np.arange(12), 9)
    values = rng.normal(size=12)[clusters] + rng.normal(size=len(clusters))
    fit = OLS(values, np.ones(len(values))).fit()
    theirs = cov_cluster(fit, clusters, use_correction=False).item() * 12 / 11
    agree("clusters", stats.standard_error(values, clusters) ** 2, theirs)
    interval, reach = stats.clustered_mean(values, clusters), scipy_stats.t(11).ppf(0.975)
    near = min(interval.value - interval.low, interval.high - interval.value)
    assert near == pytest.approx(reach * stats.standard_error(values, clusters), abs=1e-10)
    uneven = np.repeat(np.arange(12), rng.integers(1, 18, 12))
    values = rng.normal(size=12)[uneven] + rng.normal(size=len(uneven))
    fit = OLS(values, np.ones(len(values))).fit()
    assert stats.standard_error(values, uneven) ** 2 > 1.001 * cov_cluster(fit, uneven, use_correction=False).item()


@pytest.mark.parametrize("seed", range(5))
def test_of_even_clusters_of_bases_and_others_of_sources_the_error_is_nearly_that_of_two_way_clustering(seed: int):
    rng = np.random.default_rng(seed)
    bases, sources = np.repeat(np.arange(40), 12), np.tile(np.arange(40), 12)
    values = rng.normal(size=40)[bases] + rng.normal(size=40)[sources] + rng.normal(size=480)
    fit = OLS(values, np.ones(480)).fit()
    both = cov_cluster_2groups(fit, bases, sources, use_correction=False)[0].item() * 40 / 39
    error = stats.standard_error(values, bases, 100 + sources)
    assert error**2 == pytest.approx(both, rel=0.06)
    same_names = stats.standard_error(values, bases, sources)
    assert same_names != pytest.approx(error, rel=1e-3)


@given(st.lists(st.sampled_from([0, 1]), min_size=8, max_size=60))
def test_of_clusters_of_one_the_share_has_wilsons_interval(hits: list[int]):
    alone, wilson = stats.clustered_share(hits, range(len(hits))), stats.wilson(sum(hits), len(hits))
    assert vars(alone) == pytest.approx(vars(wilson), abs=1e-10)


@given(st.lists(st.integers(-1000, 1000).map(float), min_size=8, max_size=60))
def test_of_clusters_of_one_the_mean_has_the_interval_of_t(values: list[float]):
    """Allow one exception: the end on the side of a long tail is further out, unless values are symmetric."""
    assume(np.ptp(values) > 0)
    estimate, theirs = (
        stats.clustered_mean(values, range(len(values))),
        scipy_stats.ttest_1samp(values, 0).confidence_interval(),
    )
    skewness = scipy_stats.skew(values)
    reach = (theirs.high - theirs.low) / 2
    assert estimate.low <= theirs.low + 1e-9 * reach
    assert estimate.high >= theirs.high - 1e-9 * reach
    assert (estimate.low if skewness > 0 else estimate.high) == pytest.approx(
        theirs.low if skewness > 0 else theirs.high, abs=1e-9 * reach
    )
    twice = [*values, *(2 * np.mean(values) - values)]
    both, theirs = (
        stats.clustered_mean(twice, range(len(twice))),
        scipy_stats.ttest_1samp(twice, 0).confidence_interval(),
    )
    assert (both.low, both.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6 * reach)


@pytest.mark.slow
@given(units, st.permutations(range(12)))
def test_names_order_and_direction_do_not_matter(rows: list[tuple[float, int, int]], names: list[int]):
    hits, bases, sources = columns(rows)
    for statistic in (stats.clustered_share, stats.clustered_mean):
        estimate = statistic(hits, bases, sources)
        renamed = (
            ["abcdefghijkl"[names[number]] for number in bases],
            ["abcdefghijkl"[names[number]] for number in sources],
        )
        assert vars(statistic(hits, *renamed)) == pytest.approx(vars(estimate), abs=1e-9, nan_ok=True)
        assert vars(statistic(hits, sources, bases)) == pytest.approx(vars(estimate), abs=1e-9, nan_ok=True)
        turned = [column[::-1] for column in (hits, bases, sources)]
        assert vars(statistic(*turned)) == pytest.approx(vars(estimate), abs=1e-9, nan_ok=True)
        misses = statistic(1 - hits, bases, sources)
        assert (misses.low, misses.high) == pytest.approx((1 - estimate.high, 1 - estimate.low), abs=1e-9, nan_ok=True)


@pytest.mark.slow
@given(st.integers(0, 10_000), st.sampled_from([1e-6, 0.3, -1.0, -40.0, 1e5]), st.sampled_from([0.0, -3.0, 1e3]))
def test_means_and_ratios_follow_the_scale(seed: int, factor: float, offset: float):
    values, bases, sources = Design(10, 4).draw(np.random.default_rng(seed))
    estimate, other = (stats.clustered_mean(each, bases, sources) for each in (values, factor * values + offset))
    ends = sorted(factor * end + offset for end in (estimate.low, estimate.high))
    assert (other.low, other.high) == pytest.approx(ends, abs=1e-7 * (abs(factor) + abs(offset)))
    below = 9 + 0.5 * values
    ratios = stats.ratio(values, below, bases, sources), stats.ratio(factor * values, -below, bases, sources)
    ends = sorted(-factor * end for end in (ratios[0].low, ratios[0].high))
    assert (ratios[1].low, ratios[1].high) == pytest.approx(ends, abs=1e-8 * abs(factor))


def test_units_said_twice_say_no_more():
    rng = np.random.default_rng(0)
    articles = rng.integers(0, 20, (2, 80))
    hits = (rng.normal(size=20)[articles].sum(0) + rng.normal(size=80) > 0) * 1.0
    for statistic in (stats.clustered_mean, stats.clustered_share):
        once, twice = statistic(hits, *articles), statistic(np.tile(hits, 2), *np.tile(articles, 2))
        assert vars(replace(twice, n=80)) == pytest.approx(vars(once), abs=0.02)
        alone = statistic(np.tile(hits, 2), range(160))
        assert alone.high - alone.low < 0.6 * (twice.high - twice.low)


def test_clusters_that_have_other_names_as_sources_are_the_same_clusters():
    values, bases, _ = Design(12, 5).draw(np.random.default_rng(0))
    for statistic in (stats.clustered_mean, stats.standard_error):
        once = statistic(values, bases)
        assert (
            statistic(values, [f"set {number}" for number in bases], [f"article {number}" for number in bases]) == once
        )
        moved = [f"article {number}" for number in np.roll(bases, 1)]
        assert statistic(values, [f"set {number}" for number in bases], moved) != once


def test_a_large_article_makes_intervals_longer():
    rng = np.random.default_rng(0)
    even, uneven = np.repeat(np.arange(20), 20), np.repeat(np.arange(20), [100, 80, 60, *[10] * 16, 0])
    lengths = []
    for clusters in (even, uneven):
        draws = [0.5 * rng.normal(size=20)[clusters] + rng.normal(size=400) for _ in range(40)]
        lengths.append(
            np.mean([estimate.high - estimate.low for estimate in (stats.clustered_mean(x, clusters) for x in draws)])
        )
    assert lengths[1] > 1.4 * lengths[0]


def test_too_few_clusters_are_said():
    assert stats.too_few(range(8)) == ""
    assert stats.too_few([]) == "values come from 0 articles; at least 8 are needed"
    assert stats.too_few(list("aaaaa"), what="the test pairs") == (
        "the test pairs come from 1 article; at least 8 are needed"
    )
    assert stats.too_few(range(9), [*range(7), 0, 1]) == "values come from 7 articles; at least 8 are needed"
    large = np.repeat(np.arange(10), [91, *[1] * 9])
    assert stats.too_few(large) == (
        "values come from 10 articles, equivalent to 1.2 of even size; at least 4 are needed"
    )
    for few in (np.arange(91) % 7, np.repeat(np.arange(10), [82, *[1] * 9])):
        values = np.random.default_rng(0).normal(size=91)
        for estimate in (
            stats.clustered_mean(values, few),
            stats.clustered_share(values > 0, few),
            stats.correlate(values, values**2, few),
        ):
            assert math.isfinite(estimate.value)
            assert np.isnan([estimate.low, estimate.high]).all()


def test_shares_without_exception_have_a_width():
    for value in (0.0, 0.5, 1.0):
        estimate = stats.clustered_share([value] * 60, np.arange(60) // 4, np.arange(60) % 15)
        assert vars(estimate) == pytest.approx(vars(Estimate(value, 60, *scipy_wilson(15 * value, 15))), abs=1e-10)
    few = stats.clustered_share([1.0] * 60, np.arange(60), np.arange(60) % 10)
    assert few.low == pytest.approx(stats.wilson(10, 10).low)  # the smaller number, of bases or of sources
    uneven = np.repeat(np.arange(12), [24, 24, *[1] * 10])
    effective = 58**2 / (2 * 24**2 + 10)
    assert math.isnan(stats.clustered_share([1.0] * 58, uneven).low) is (effective < 4)
    nearly = stats.clustered_share([1.0] * 59 + [0.0], np.arange(60) // 4)
    assert nearly.low > stats.clustered_share([1.0] * 60, np.arange(60) // 4).low - 0.15
    assert nearly.high < 1


def scipy_wilson(hits: float, n: int) -> tuple[float, float]:
    """Return scipy's interval for whole numbers of hits; for other numbers, the formula for a share of 1/2."""
    if hits != int(hits):
        z2 = scipy_stats.norm.ppf(0.975) ** 2
        reach = math.sqrt(z2) * math.sqrt(n / 4 + z2 / 4) / (n + z2)
        return 0.5 - reach, 0.5 + reach
    interval = scipy_stats.binomtest(int(hits), n).proportion_ci(method="wilson")
    return interval.low, interval.high


def test_means_over_subspaces_vary_less_than_a_coin():
    """Compare hits that are means over subspaces with coins: their interval is narrower than that of Wilson."""
    hits = np.random.default_rng(0).integers(0, 2, (6, 300)).mean(0)
    estimate, coins = stats.clustered_share(hits, np.arange(300)), stats.wilson(round(hits.sum()), 300)
    assert estimate.high - estimate.low == pytest.approx((coins.high - coins.low) / math.sqrt(6), rel=0.1)


def test_a_paired_difference_is_the_mean_of_differences():
    values, bases, sources = Design().draw(np.random.default_rng(0))
    other = values + np.random.default_rng(1).normal(0.2, 0.1, len(values))
    estimate = stats.paired_difference(other, values, bases, sources)
    assert estimate == stats.clustered_mean(other - values, bases, sources)
    back = stats.paired_difference(values, other, bases, sources)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-estimate.value, -estimate.high, -estimate.low), abs=1e-12
    )
    means = [stats.clustered_mean(each, bases, sources) for each in (other, values)]
    assert estimate.value == pytest.approx(means[0].value - means[1].value)
    assert estimate.high - estimate.low < 0.1 * (means[0].high - means[0].low)  # the values vary together
    assert 0.1 < estimate.low < 0.2 < estimate.high < 0.3


def test_what_is_undefined_is_nan():
    two = stats.clustered_share([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert (two.value, two.n) == (0.5, 4)
    for estimate in (
        two,
        stats.clustered_mean([1, 2, 3, 4], ["a", "a", "b", "b"]),
        stats.clustered_share([1, 1], ["a", "a"]),
        stats.clustered_mean([1, 2, 3], range(3), [0, 0, 1]),
        stats.clustered_share([1, 0, 1], range(3), [0, 0, 1]),
        stats.clustered_mean([0.1] * 9, range(9)),
        stats.paired_difference([1, 2, 3], [1, 2, 3], range(3)),
        stats.ratio([1, 2, 3, 4], [1, 2, 3, 4.5], ["a", "a", "b", "b"]),
        stats.ratio([0.3, 0.6], [0.1, 0.2], range(2)),
        stats.ratio([0.3, 0.6, 0.9], [0.1, 0.2, 0.3], range(3)),
    ):
        assert math.isfinite(estimate.value)
        assert np.isnan([estimate.low, estimate.high]).all()
    pairs = ([], [], []), ([], [])
    nothing = [statistic(*empty) for statistic in (stats.clustered_mean, stats.clustered_share) for empty in pairs]
    for estimate in (
        *nothing,
        stats.paired_difference([], [], []),
        stats.ratio([], [], []),
        stats.ratio([], [], [], []),
    ):
        assert estimate.n == 0
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all()
    for values in ([], [1.0], [1.0, 2.0]):
        assert math.isnan(stats.standard_error(values, [0] * len(values)))
    unknown = stats.clustered_share([1, 0, math.nan, 1], range(4))
    assert np.isnan([unknown.value, unknown.low, unknown.high]).all()


def test_what_cannot_be_is_refused():
    with raises(ValueError, "hits", 0, 1, -1, 2):
        stats.clustered_share([-1, 2, 0], range(3))
    with raises(ValueError, "values", "clusters", "(2,)", "(3,)"):
        stats.clustered_mean([1, 2], range(3))
    with raises(ValueError, "hits", "clusters", "sources", "(2,)", "(1,)"):
        stats.clustered_share([1, 0], [1, 2], [1])
    with raises(ValueError, "a and b", "clusters", "(2,)", "(3,)"):
        stats.paired_difference([1, 2], [1, 2, 3], range(2))
