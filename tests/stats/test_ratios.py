"""Tests of intervals of ratios over clusters."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from interp import stats
from tests.oracles.dyads import (
    Design,
    ratio_by_pairs,
)


@pytest.mark.parametrize("articles", [8, 30])
@pytest.mark.parametrize("two_ways", [False, True])
def test_a_ratio_lies_between_those_that_the_difference_does_not_refuse(articles: int, two_ways: bool):
    for seed in range(6):
        values, bases, sources = Design(articles, alike=-0.9).draw(np.random.default_rng(seed))
        sources = sources if two_ways else bases
        below = 6 + 0.5 * values + np.random.default_rng(seed + 100).normal(size=len(values))
        estimate = stats.ratio(values + 2, below, bases, sources)
        naive = ratio_by_pairs((values + 2).tolist(), below.tolist(), bases.tolist(), sources.tolist())
        assert (estimate.value, estimate.low, estimate.high) == pytest.approx(naive, abs=1e-8)
        assert estimate.low < estimate.value < estimate.high


def test_a_ratio_of_independent_units_has_fiellers_ends():
    """Compare with the closed form for the means of two variables of common units without skewness (Fieller 1954)."""
    more, noise = np.random.default_rng(0).normal(size=(2, 13))
    below = 3 + np.concatenate([more, more, -more, -more])
    top = 0.5 * below + np.tile([*noise, *-noise], 2)
    estimate, t2 = stats.ratio(top, below, range(52)), scipy_stats.t(51).ppf(0.975) ** 2
    (v11, v12), (_, v22) = np.cov(top, below) / 52
    g, value = t2 * v22 / below.mean() ** 2, top.mean() / below.mean()
    within = v11 - 2 * value * v12 + value**2 * v22 - g * (v11 - v12**2 / v22)
    reach = math.sqrt(t2) / below.mean() * math.sqrt(within)
    centre = value - g * v12 / v22
    assert (estimate.low, estimate.high) == pytest.approx(
        ((centre - reach) / (1 - g), (centre + reach) / (1 - g)), abs=1e-10
    )
    scaled = stats.ratio(10 * top, -2 * below, range(52))
    assert (scaled.low, scaled.high) == pytest.approx((-5 * estimate.high, -5 * estimate.low))


def test_a_ratio_without_a_denominator_has_no_interval():
    rng = np.random.default_rng(0)
    top, below = rng.normal(1, 1, 40), rng.normal(0.01, 1, 40)
    assert math.isfinite(stats.ratio(top, below, range(40)).value)
    assert math.isnan(stats.ratio(top, below, range(40)).low)
    assert math.isnan(stats.ratio(top, below * 0, range(40)).value)
