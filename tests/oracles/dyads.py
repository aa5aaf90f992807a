"""The statistics of clusters by loops over all pairs of units, and data in clusters of which the truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats


def error_by_pairs(values: Sequence[float], bases: Sequence[Any], sources: Sequence[Any] | None = None) -> float:
    """The standard error of a mean: of all pairs of units, those count that share a cluster."""
    sources = bases if sources is None else sources
    n, x, b, s = len(values), np.array(values, float), np.array(bases), np.array(sources)
    share = (b[:, None] == b) | (s[:, None] == s) | (b[:, None] == s) | (s[:, None] == b)
    products = np.outer(x - x.mean(), x - x.mean())
    count = min(len(set(bases)), len(set(sources)))
    independent = np.trace(products) / (n - 1) / n
    return math.sqrt(max(products[share].sum() * count / (count - 1) / n**2, independent))


def share_by_pairs(
    hits: Sequence[float], bases: Sequence[Any], sources: Sequence[Any] | None = None
) -> tuple[float, float, float]:
    """A share with Wilson's interval for the effective number of trials."""
    sources = bases if sources is None else sources
    n, share = len(hits), sum(hits) / len(hits)
    trials = count = min(len(set(bases)), len(set(sources)))
    if len(set(hits)) > 1:
        design = error_by_pairs(hits, bases, sources) ** 2 / (share * (1 - share) / (n - 1))
        trials = n / design * (stats.t(n - 1).ppf(0.975) / stats.t(count - 1).ppf(0.975)) ** 2
    z = stats.norm.ppf(0.975)
    centre, reach = share + z**2 / (2 * trials), z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low, high = (centre - reach) / (1 + z**2 / trials), (centre + reach) / (1 + z**2 / trials)
    return share, max(low, 0.0), min(high, 1.0)


def mean_by_pairs(values: Sequence[float], bases: Sequence[Any], sources: Sequence[Any]) -> tuple[float, float, float]:
    """A mean with its interval, which has no ends if all values are the same or clusters are too few."""
    mean, count = sum(values) / len(values), min(len(set(bases)), len(set(sources)))
    if count < 3 or max(values) - min(values) <= 1e-12 * max(map(abs, values)):
        return mean, math.nan, math.nan
    reach = stats.t(count - 1).ppf(0.975) * error_by_pairs(values, bases, sources)
    return mean, mean - reach, mean + reach


def ratio_by_pairs(
    top: Sequence[float], bottom: Sequence[float], bases: Sequence[Any], sources: Sequence[Any]
) -> tuple[float, float, float]:
    """A ratio of means; its interval ends where the mean of top - ratio * bottom begins to differ from 0, which is
    sought. It has no ends if that of bottom does not differ from 0."""
    value, (x, y) = sum(top) / sum(bottom), (np.array(one) for one in (top, bottom))

    def holds(theta: float) -> bool:
        _, low, high = mean_by_pairs((x - theta * y).tolist(), bases, sources)
        return low <= 0 <= high

    _, low, high = mean_by_pairs(y.tolist(), bases, sources)
    if low <= 0 <= high or not holds(value):
        return value, math.nan, math.nan
    return value, *ends_of(holds, value)


def ends_of(holds: Callable[[float], bool], value: float) -> tuple[float, float]:
    """The ends of the numbers around a value for which something holds, sought by halves."""
    ends = []
    for way in (-1, 1):
        inside, outside = 0.0, 1e-6 * abs(value) + 1e-12
        while holds(value + way * outside):
            inside, outside = outside, 2 * outside
        for _ in range(50):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if holds(value + way * middle) else (inside, middle)
        ends.append(value + way * inside)
    return ends[0], ends[1]


class Other(NamedTuple):
    """The mean of another sample, by which something is measured, its error, and t of its clusters."""

    mean: float
    error: float
    t: float


def other(values: Sequence[float], articles: Sequence[Any]) -> Other:
    """The mean of values that come in articles."""
    t = float(stats.t(len(set(articles)) - 1).ppf(0.975))
    return Other(sum(values) / len(values), error_by_pairs(values, articles), t)


def t_of_both(by: Other, bases: Sequence[Any], sources: Sequence[Any]) -> float:
    """t of the fewer clusters."""
    return max(by.t, float(stats.t(min(len(set(bases)), len(set(sources))) - 1).ppf(0.975)))


def ratio_to_by_pairs(
    top: Sequence[float], by: Other, bases: Sequence[Any], sources: Sequence[Any]
) -> tuple[float, float, float]:
    """A mean over that of another sample; the interval ends where mean - ratio * other begins to differ from 0."""
    mean, low, _ = mean_by_pairs(top, bases, sources)
    t, value = t_of_both(by, bases, sources), mean / by.mean
    if math.isnan(low) or abs(by.mean) <= t * by.error:
        return value, math.nan, math.nan
    error = error_by_pairs(top, bases, sources)

    def holds(theta: float) -> bool:
        return abs(mean - theta * by.mean) <= t * math.sqrt(error**2 + theta**2 * by.error**2)

    return value, *ends_of(holds, value)


def mean_to_by_pairs(
    values: Callable[[float], Sequence[float]], by: Other, bases: Sequence[Any], sources: Sequence[Any]
) -> tuple[float, float, float]:
    """The mean of values that depend on that of another sample: how much, is tried a little above it and below."""
    mean, low, _ = mean_by_pairs(values(by.mean), bases, sources)
    t, step = t_of_both(by, bases, sources), 1e-5 * abs(by.mean)
    if math.isnan(low) or abs(by.mean) <= t * by.error:
        return mean, math.nan, math.nan
    above, below = (sum(values(by.mean + way * step)) / len(bases) for way in (1, -1))
    error = error_by_pairs(values(by.mean), bases, sources)
    reach = t * math.sqrt(error**2 + (by.error * (above - below) / (2 * step)) ** 2)
    return mean, mean - reach, mean + reach


@dataclass(frozen=True)
class Design:
    """Units of articles, each a base with a source drawn from all in a ring, twice.

    The value of a unit is the sum of what its base's article does as a base, what its source's does as a source, the
    same of the two units, and noise; all normal around 0.

    Attributes:
        articles, each: how many, and units in each.
        effect: standard deviation of what articles do in each role.
        alike: correlation of what an article does in one role with what it does in the other.
    """

    articles: int = 60
    each: int = 4
    effect: float = 1.0
    alike: float = 0.0

    @property
    def spread(self) -> float:
        """The standard deviation of a unit's value."""
        return math.sqrt(2 * self.effect**2 + 2 * 0.5**2 + 1)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Values, and the articles of bases and of sources."""
        n, article = self.articles * self.each, np.repeat(np.arange(self.articles), self.each)
        first, other = self.effect * rng.normal(size=(2, self.articles))
        second = self.alike * first + math.sqrt(1 - self.alike**2) * other
        as_base, as_source = 0.5 * rng.normal(size=(2, n))
        base, source = np.tile(np.arange(n), 2), np.empty((2, n), int)
        for one in source:
            ring = rng.permutation(n)
            one[ring] = np.roll(ring, 1)
        source = source.ravel()
        values = first[article[base]] + second[article[source]] + as_base[base] + as_source[source]
        return values + rng.normal(size=2 * n), article[base], article[source]
