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
from tests.agreement import agree
from tests.oracles.dyads import Design, error_by_pairs, share_by_pairs

hit, cluster = st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 5)
units = st.lists(st.tuples(hit, cluster, cluster), min_size=6, max_size=30)


def columns(rows: list[tuple[float, int, int]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


@given(units)
def test_shares_and_errors_are_those_of_loops_over_pairs_of_units(rows: list[tuple[float, int, int]]):
    hits, bases, sources = columns(rows)
    assume(min(len(set(bases)), len(set(sources))) > 2)
    for given_sources, each in ((sources, sources), (None, bases)):
        found, naive = stats.clustered_share(hits, bases, given_sources), share_by_pairs(hits, bases, each)
        assert (found.value, found.low, found.high) == pytest.approx(naive, abs=1e-10)
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.high - found.low > 0.05
        error = error_by_pairs(hits, bases, each)
        assert stats.standard_error(hits, bases, given_sources) == pytest.approx(error, abs=1e-12)
        mean = stats.clustered_mean(hits, bases, given_sources)
        if np.ptp(hits):
            reach = error * scipy_stats.t(min(len(set(bases)), len(set(each))) - 1).ppf(0.975)
            assert (mean.low, mean.high) == pytest.approx((found.value - reach, found.value + reach), abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_where_no_cluster_has_both_roles_the_variance_is_that_of_statsmodels(seed: int):
    rng = np.random.default_rng(seed)
    bases, sources = rng.integers(0, 12, 150), rng.integers(0, 9, 150)
    values = rng.normal(size=12)[bases] + rng.normal(size=9)[sources] + rng.normal(size=150)
    fit = OLS(values, np.ones(150)).fit()
    both = cov_cluster_2groups(fit, bases, sources, use_correction=False)[0].item() * 9 / 8
    found = stats.standard_error(values, bases, 100 + sources)
    agree("clusters", found**2, both)
    agree("clusters", stats.standard_error(values, bases) ** 2, cov_cluster(fit, bases).item())
    interval = stats.clustered_mean(values, bases)
    theirs = fit.get_robustcov_results("cluster", groups=bases, use_t=True).conf_int()[0]
    assert (interval.low, interval.high) == pytest.approx(theirs, abs=1e-10)
    same_names = stats.standard_error(values, bases, sources)
    assert same_names != pytest.approx(found, rel=1e-3)


@given(st.lists(st.sampled_from([0, 1]), min_size=3, max_size=60))
def test_of_clusters_of_one_the_share_has_wilsons_interval(hits: list[int]):
    alone, wilson = stats.clustered_share(hits, range(len(hits))), stats.wilson(sum(hits), len(hits))
    assert vars(alone) == pytest.approx(vars(wilson), abs=1e-10)


@given(units, st.permutations(range(6)))
def test_names_order_and_direction_do_not_matter(rows: list[tuple[float, int, int]], names: list[int]):
    hits, bases, sources = columns(rows)
    assume(min(len(set(bases)), len(set(sources))) > 2)
    found = stats.clustered_share(hits, bases, sources)
    renamed = ["abcdef"[names[one]] for one in bases], ["abcdef"[names[one]] for one in sources]
    assert vars(stats.clustered_share(hits, *renamed)) == pytest.approx(vars(found), abs=1e-9)
    assert vars(stats.clustered_share(hits, sources, bases)) == pytest.approx(vars(found), abs=1e-9)
    turned = [column[::-1] for column in (hits, bases, sources)]
    assert vars(stats.clustered_share(*turned)) == pytest.approx(vars(found), abs=1e-9)
    misses = stats.clustered_share(1 - hits, bases, sources)
    assert (misses.low, misses.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-9)


def test_units_said_twice_say_no_more():
    rng = np.random.default_rng(0)
    articles = rng.integers(0, 20, (2, 80))
    hits = (rng.normal(size=20)[articles].sum(0) + rng.normal(size=80) > 0) * 1.0
    for of in (stats.clustered_mean, stats.clustered_share):
        once, twice = of(hits, *articles), of(np.tile(hits, 2), *np.tile(articles, 2))
        assert vars(replace(twice, n=80)) == pytest.approx(vars(once), abs=5e-3)
        alone = of(np.tile(hits, 2), range(160))
        assert alone.high - alone.low < 0.6 * (twice.high - twice.low)


def test_shares_without_exception_have_a_width():
    for value in (0.0, 0.5, 1.0):
        found = stats.clustered_share([value] * 60, np.arange(60) // 4, np.arange(60) % 15)
        assert vars(found) == pytest.approx(vars(Estimate(value, 60, *scipy_wilson(15 * value, 15))), abs=1e-10)
    few = stats.clustered_share([1.0] * 60, np.arange(60), np.arange(60) % 5)
    assert few.low == pytest.approx(stats.wilson(5, 5).low)  # of bases or sources, whichever are fewer
    nearly = stats.clustered_share([1.0] * 59 + [0.0], np.arange(60) // 4)
    assert nearly.low > stats.clustered_share([1.0] * 60, np.arange(60) // 4).low - 0.15
    assert nearly.high < 1


def scipy_wilson(hits: float, n: int) -> tuple[float, float]:
    """Its interval for whole numbers of hits; between two of them, the middle of an even share's."""
    if hits != int(hits):
        z2 = scipy_stats.norm.ppf(0.975) ** 2
        reach = math.sqrt(z2) * math.sqrt(n / 4 + z2 / 4) / (n + z2)
        return 0.5 - reach, 0.5 + reach
    interval = scipy_stats.binomtest(int(hits), n).proportion_ci(method="wilson")
    return interval.low, interval.high


def test_means_over_subspaces_vary_less_than_a_coin():
    """The hits of a mean over subspaces are no coins: their interval is narrower than Wilson's."""
    hits = np.random.default_rng(0).integers(0, 2, (6, 300)).mean(0)
    found, coins = stats.clustered_share(hits, np.arange(300)), stats.wilson(round(hits.sum()), 300)
    assert found.high - found.low == pytest.approx((coins.high - coins.low) / math.sqrt(6), rel=0.1)


def test_a_paired_difference_is_the_mean_of_differences():
    values, bases, sources = Design().draw(np.random.default_rng(0))
    other = values + np.random.default_rng(1).normal(0.2, 0.1, len(values))
    found = stats.paired_difference(other, values, bases, sources)
    assert found == stats.clustered_mean(other - values, bases, sources)
    back = stats.paired_difference(values, other, bases, sources)
    assert (back.value, back.low, back.high) == pytest.approx((-found.value, -found.high, -found.low), abs=1e-12)
    means = [stats.clustered_mean(each, bases, sources) for each in (other, values)]
    assert found.value == pytest.approx(means[0].value - means[1].value)
    assert found.high - found.low < 0.1 * (means[0].high - means[0].low)  # both vary alike
    assert 0.1 < found.low < 0.2 < found.high < 0.3


@pytest.mark.parametrize("articles", [8, 60])
@pytest.mark.parametrize("two_ways", [False, True])
def test_a_ratio_lies_between_those_that_the_difference_does_not_refuse(articles: int, two_ways: bool):
    for seed in range(20):
        values, bases, sources = Design(articles, alike=-0.9).draw(np.random.default_rng(seed))
        sources = sources if two_ways else None
        below = 4 + 0.5 * values + np.random.default_rng(seed + 100).normal(size=len(values))
        found = stats.ratio(values + 2, below, bases, sources)
        assert found.value == pytest.approx((values + 2).mean() / below.mean())
        assert found.low < found.value < found.high

        for end, outwards in ((found.low, -1e-6), (found.high, 1e-6)):
            for theta, refused in ((end + outwards, True), (end - outwards, False)):
                left = stats.clustered_mean(values + 2 - theta * below, bases, sources)
                assert (not left.low <= 0 <= left.high) is refused


def test_a_ratio_of_independent_units_has_fiellers_ends():
    """Fieller's closed form for the means of two variables of the same units (Fieller 1954)."""
    rng = np.random.default_rng(0)
    below = rng.normal(3, 1, 50)
    top = 0.5 * below + rng.normal(0, 1, 50)
    found, t2 = stats.ratio(top, below, range(50)), scipy_stats.t(49).ppf(0.975) ** 2
    (v11, v12), (_, v22) = np.cov(top, below) / 50
    g, value = t2 * v22 / below.mean() ** 2, top.mean() / below.mean()
    within = v11 - 2 * value * v12 + value**2 * v22 - g * (v11 - v12**2 / v22)
    reach = math.sqrt(t2) / below.mean() * math.sqrt(within)
    centre = value - g * v12 / v22
    assert (found.low, found.high) == pytest.approx(((centre - reach) / (1 - g), (centre + reach) / (1 - g)), abs=1e-10)
    scaled = stats.ratio(10 * top, -2 * below, range(50))
    assert (scaled.low, scaled.high) == pytest.approx((-5 * found.high, -5 * found.low))


def test_a_ratio_without_a_denominator_has_no_interval():
    rng = np.random.default_rng(0)
    top, below = rng.normal(1, 1, 40), rng.normal(0.01, 1, 40)
    assert math.isfinite(stats.ratio(top, below, range(40)).value)
    assert math.isnan(stats.ratio(top, below, range(40)).low)
    assert math.isnan(stats.ratio(top, below * 0, range(40)).value)


def test_what_is_undefined_is_nan():
    two = stats.clustered_share([1, 1, 0, 0], ["a", "a", "b", "b"])
    assert (two.value, two.n) == (0.5, 4)
    for found in (
        two, stats.clustered_mean([1, 2, 3, 4], ["a", "a", "b", "b"]), stats.clustered_share([1, 1], ["a", "a"]),
        stats.clustered_mean([1, 2, 3], range(3), [0, 0, 1]), stats.clustered_share([1, 0, 1], range(3), [0, 0, 1]),
        stats.clustered_mean([0.1] * 9, range(9)), stats.paired_difference([1, 2, 3], [1, 2, 3], range(3)),
        stats.ratio([1, 2, 3, 4], [1, 2, 3, 4.5], ["a", "a", "b", "b"]), stats.ratio([0.3, 0.6], [0.1, 0.2], range(2)),
        stats.ratio([0.3, 0.6, 0.9], [0.1, 0.2, 0.3], range(3)),
    ):  # fmt: skip
        assert math.isfinite(found.value)
        assert np.isnan([found.low, found.high]).all()
    pairs = ([], [], []), ([], [])
    nothing = [of(*some) for of in (stats.clustered_mean, stats.clustered_share) for some in pairs]
    for found in (*nothing, stats.paired_difference([], [], []), stats.ratio([], [], []), stats.ratio([], [], [], [])):
        assert found.n == 0
        assert np.isnan([found.value, found.low, found.high]).all()
    for values in ([], [1.0], [1.0, 2.0]):
        assert math.isnan(stats.standard_error(values, [0] * len(values)))
    unknown = stats.clustered_share([1, 0, math.nan, 1], range(4))
    assert np.isnan([unknown.value, unknown.low, unknown.high]).all()


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="hits must be from 0 to 1, got -1 to 2"):
        stats.clustered_share([-1, 2, 0], range(3))
    with pytest.raises(ValueError, match=r"values and clusters must be .* of one length, got \(2,\) and \(3,\)"):
        stats.clustered_mean([1, 2], range(3))
    with pytest.raises(ValueError, match=r"hits and clusters and sources must .* got \(2,\) and \(2,\) and \(1,\)"):
        stats.clustered_share([1, 0], [1, 2], [1])
    with pytest.raises(ValueError, match=r"a and b and clusters must .* got \(2,\) and \(3,\) and \(2,\)"):
        stats.paired_difference([1, 2], [1, 2, 3], range(2))
