"""Oracle of statistics of clusters, by matrices over all pairs of units, and clustered data with a known truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Interval = tuple[float, float, float]  # a number and its two ends


class Spread(NamedTuple):
    """Variance of a mean, its degrees of freedom, and the skewness of the mean."""

    variance: float
    freedom: float
    skewness: float


def has_interval(clusters: Sequence[Any]) -> bool:
    """Return whether there are 8 clusters, and at least 4 effective clusters of even size."""
    sizes = [list(clusters).count(name) for name in set(clusters)]
    return len(sizes) >= 8 and sum(sizes) ** 2 / sum(size**2 for size in sizes) >= 4 - 1e-9


def estimate_by_pairs(
    values: Sequence[float], bases: Sequence[Any], sources: Sequence[Any] | None = None
) -> tuple[Spread, Callable[[np.ndarray], float]]:
    """Return the error of a mean from matrices over all pairs of units, and the same estimate for other variables."""
    sources = bases if sources is None else sources
    n, x, names = len(values), np.array(values, float), sorted({*bases, *sources}, key=str)
    e = x - x.mean()
    touch = np.array([[name in (b, s) for b, s in zip(bases, sources, strict=True)] for name in names], float)
    size = touch.sum(1)
    shared = touch.T @ touch  # clusters that two units share
    np.fill_diagonal(shared, 0)
    alone = np.eye(n)
    centre = alone - np.ones((n, n)) / n

    def kept(rows: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        """Return the variance of sums of residuals, each over the units of a row."""
        return ((rows @ centre) @ covariance * (rows @ centre)).sum(1)

    def whole(rows: np.ndarray, covariance: np.ndarray) -> np.ndarray:
        return (rows @ covariance * rows).sum(1)

    expected = np.array(
        [[np.trace(centre @ matrix @ centre), (kept(touch, matrix) / size).sum()] for matrix in (alone, shared)]
    ).T
    able = abs(np.linalg.det(expected)) > 1e-9 * n

    def analysed(z: np.ndarray) -> np.ndarray:
        """Return the variance of a unit, and the covariance of two units that share a cluster."""
        return np.linalg.solve(expected, [z @ z, ((touch @ z) ** 2 / size).sum()])

    unit, common = e @ e / (n - 1), 0.0
    if able and min(analysed(e)) > 0:
        unit, common = analysed(e)
    model = unit * alone + common * shared
    couples = sorted({frozenset(pair) for pair in zip(bases, sources, strict=True) if pair[0] != pair[1]}, key=str)
    both = np.array([[frozenset(p) == couple for p in zip(bases, sources, strict=True)] for couple in couples], float)
    both = both.reshape(len(couples), n)
    factors, of_both = (
        whole(rows, model) / np.maximum(kept(rows, model), whole(rows, model) / 10) for rows in (touch, both)
    )

    def independent(z: np.ndarray) -> float:
        return z @ z / (n - 1) / n

    def equal(z: np.ndarray) -> float:
        variance, covariance = analysed(z)
        return (variance * n + covariance * shared.sum()) / n**2

    def robust(z: np.ndarray) -> float:
        return (factors @ (touch @ z) ** 2 - of_both @ (both @ z) ** 2) / n**2

    forms = [independent, robust, *([equal] if common > 0 else [])]
    form = max(forms, key=lambda candidate: candidate(e))
    sums = touch @ e
    weights = size**2 * factors if form is robust else size
    residual = np.eye(len(names)) - np.outer(np.ones(len(names)), size / size.sum())
    square = residual.T @ np.diag(weights) @ residual @ np.diag(whole(touch, model) / size**2)
    freedom = np.trace(square) ** 2 / np.trace(square @ square)
    p, means = size / size.sum(), sums / size
    added = sum(sums**3) / sum(sums**2) ** 1.5
    in_common = sum(p * means**3) / sum(p * means**2) ** 1.5 * sum(p**3) / sum(p**2) ** 1.5
    skewness = min(added, in_common, key=abs) if added * in_common > 0 else 0.0
    freedom = min(freedom, len(set(bases)) - 1, len(set(sources)) - 1)
    spread = Spread(float(form(e)), max(freedom, 3.0) if form is robust else freedom, skewness)
    return spread, lambda other: float(form(other - other.mean()))


def error_by_pairs(values: Sequence[float], bases: Sequence[Any], sources: Sequence[Any] | None = None) -> float:
    """Return the standard error of a mean."""
    return math.sqrt(estimate_by_pairs(values, bases, sources)[0].variance)


def sum_of(first: Spread, second: Spread, factor: float) -> Spread:
    """Return the error of a mean plus a multiple of an independent mean, with Welch's degrees of freedom.

    Cumulants add.
    """
    both = np.array([first.variance, factor**2 * second.variance])
    third = first.skewness * first.variance**1.5 + factor**3 * second.skewness * second.variance**1.5
    freedom = both.sum() ** 2 / (both**2 / [first.freedom, second.freedom]).sum()
    return Spread(both.sum(), freedom, third / both.sum() ** 1.5)


def reaches(spread: Spread) -> tuple[float, float]:
    """Return the reach of an interval below and above, in standard errors.

    The reach is t. On the side of a long tail it is larger by the shift of the distribution of t.
    """
    t = float(stats.t(spread.freedom).ppf(0.975))
    further = abs(spread.skewness) * (2 * t * t + 1) / 6
    return (t, t + further) if spread.skewness > 0 else (t + further, t)


def share_by_pairs(hits: Sequence[float], bases: Sequence[Any], sources: Sequence[Any] | None = None) -> Interval:
    """Return a share with Wilson's interval for the effective number of trials."""
    sources = bases if sources is None else sources
    n, share = len(hits), sum(hits) / len(hits)
    if len(set(hits)) > 1:
        spread, _ = estimate_by_pairs(hits, bases, sources)
        design = spread.variance / (share * (1 - share) / (n - 1))
        trials = n / design * (stats.t(n - 1).ppf(0.975) / stats.t(spread.freedom).ppf(0.975)) ** 2
    else:
        counts = [np.unique(each, return_counts=True)[1] for each in (bases, sources)]
        trials = min(each.sum() ** 2 / (each**2).sum() for each in counts)
    z = stats.norm.ppf(0.975)
    centre, reach = share + z**2 / (2 * trials), z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low, high = (centre - reach) / (1 + z**2 / trials), (centre + reach) / (1 + z**2 / trials)
    return share, max(low, 0.0), min(high, 1.0)


def mean_by_pairs(values: Sequence[float], bases: Sequence[Any], sources: Sequence[Any]) -> Interval:
    """Return a mean with its interval; the ends are NaN if all values are the same or there are too few clusters."""
    mean = sum(values) / len(values)
    enough = has_interval(bases) and has_interval(sources)
    if not enough or max(values) - min(values) <= 1e-12 * max(map(abs, values)):
        return mean, math.nan, math.nan
    spread, _ = estimate_by_pairs(values, bases, sources)
    below, above = reaches(spread)
    return mean, mean - below * math.sqrt(spread.variance), mean + above * math.sqrt(spread.variance)


def ratio_by_pairs(
    top: Sequence[float], bottom: Sequence[float], bases: Sequence[Any], sources: Sequence[Any]
) -> Interval:
    """Return a ratio of means with its interval, by a search for the ends.

    The interval holds the θ for which the mean of top - θ * bottom is not too far from 0. The estimate of the error and
    the largest distance are those at the ratio itself. The ends are NaN if the mean of bottom may be 0.
    """
    x, y = np.array(top, float), np.array(bottom, float)
    value = x.mean() / y.mean()
    _, low, high = mean_by_pairs(bottom, bases, sources)
    _, *ends = mean_by_pairs((x - value * y).tolist(), bases, sources)
    if math.isnan(ends[0]) or np.ptp(x - value * y) <= 1e-12 * (abs(x) + abs(value * y)).max() or low <= 0 <= high:
        return value, math.nan, math.nan
    spread, variance = estimate_by_pairs((x - value * y).tolist(), bases, sources)
    below, above = reaches(spread)
    if abs(y.mean()) <= max(below, above) * math.sqrt(max(variance(y), 0.0)):
        return value, math.nan, math.nan

    def holds(theta: float) -> bool:
        left = x - theta * y
        return abs(left.mean()) <= (below if left.mean() > 0 else above) * math.sqrt(max(variance(left), 0.0))

    return value, *ends_of(holds, value)


def ends_of(holds: Callable[[float], bool], value: float) -> tuple[float, float]:
    """Return the ends of the range around a value in which a condition holds, by bisection; NaN without ends."""
    ends = []
    for way in (-1, 1):
        inside, outside = 0.0, 1e-6 * abs(value) + 1e-12
        while holds(value + way * outside):
            inside, outside = outside, 2 * outside
            if outside > 1e12 * (1 + abs(value)):
                return math.nan, math.nan
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if holds(value + way * middle) else (inside, middle)
        ends.append(value + way * inside)
    return ends[0], ends[1]


class Other(NamedTuple):
    """Mean of another sample that serves as a yardstick, with its interval and its error."""

    mean: float
    low: float
    high: float
    spread: Spread

    @property
    def may_be_zero(self) -> bool:
        """Possibility that the mean is 0: there is no interval, or the interval includes 0."""
        return math.isnan(self.low) or self.low <= 0 <= self.high


def other(values: Sequence[float], articles: Sequence[Any]) -> Other:
    """Return the mean of values that are clustered by article."""
    return Other(*mean_by_pairs(values, articles, articles), estimate_by_pairs(values, articles)[0])


def ratio_to_by_pairs(top: Sequence[float], by: Other, bases: Sequence[Any], sources: Sequence[Any]) -> Interval:
    """Return a mean over the mean of another sample.

    The interval ends where mean - ratio * other is too far from 0, by the degrees of freedom and the skewness of this
    difference at the ratio itself.
    """
    mean, low, _ = mean_by_pairs(top, bases, sources)
    value = mean / by.mean
    if math.isnan(low) or by.may_be_zero:
        return value, math.nan, math.nan
    spread, _ = estimate_by_pairs(top, bases, sources)
    below, above = reaches(sum_of(spread, by.spread, -value))
    if abs(by.mean) <= max(below, above) * math.sqrt(by.spread.variance):
        return value, math.nan, math.nan

    def holds(theta: float) -> bool:
        left = mean - theta * by.mean
        error = math.sqrt(spread.variance + theta**2 * by.spread.variance)
        return abs(left) <= (below if left > 0 else above) * error

    return value, *ends_of(holds, value)


def mean_to_by_pairs(
    values: Callable[[float], Sequence[float]], by: Other, bases: Sequence[Any], sources: Sequence[Any]
) -> Interval:
    """Return the mean of values that depend on the mean of another sample.

    The dependence on 1 / other is evaluated at two nearby points, and continued as a line to the ends of the other
    interval.
    """
    mean, low, high = mean_by_pairs(values(by.mean), bases, sources)
    if math.isnan(low) or by.may_be_zero:
        return mean, math.nan, math.nan
    step = 1e-5 / abs(by.mean)
    more, less = (sum(values(1 / (1 / by.mean + way * step))) / len(bases) for way in (1, -1))
    at_ends = sorted((more - less) / (2 * step) * (1 / end - 1 / by.mean) for end in (by.low, by.high))
    below = math.sqrt((mean - low) ** 2 + at_ends[0] ** 2)
    return mean, mean - below, mean + math.sqrt((high - mean) ** 2 + at_ends[1] ** 2)


@dataclass(frozen=True)
class Design:
    """Design of clustered data: units of articles, each a base with two sources, drawn from all units in a ring.

    The value of a unit is the sum of five terms: the effect of the base's article, the effect of the source's article,
    the effects of base and source as single units, and noise. All terms are normal around 0.

    Attributes:
        articles, each: number of articles, and of units in each article.
        effect: standard deviation of the effects of articles in each role.
        alike: correlation of an article's effects in the two roles.
    """

    articles: int = 60
    each: int = 4
    effect: float = 1.0
    alike: float = 0.0

    @property
    def spread(self) -> float:
        """Standard deviation of a unit's value."""
        return math.sqrt(2 * self.effect**2 + 2 * 0.5**2 + 1)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw values, and the articles of bases and of sources."""
        n, article = self.articles * self.each, np.repeat(np.arange(self.articles), self.each)
        first, other = self.effect * rng.normal(size=(2, self.articles))
        second = self.alike * first + math.sqrt(1 - self.alike**2) * other
        as_base, as_source = 0.5 * rng.normal(size=(2, n))
        base, source = np.tile(np.arange(n), 2), np.empty((2, n), int)
        for draw in source:
            ring = rng.permutation(n)
            draw[ring] = np.roll(ring, 1)
        source = source.ravel()
        values = first[article[base]] + second[article[source]] + as_base[base] + as_source[source]
        return values + rng.normal(size=2 * n), article[base], article[source]
