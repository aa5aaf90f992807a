"""Numbers with intervals, and the resampling of clusters behind the intervals."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from interp.stats.spread import effective, enough, student


@dataclass(frozen=True)
class Estimate:
    """Number computed from a sample, with a 95 % interval; NaN where the number or its interval is undefined.

    Attributes:
        value: a correlation, a difference, or a share from 0 to 1.
        n: number of units behind the value.
        low, high: ends of the interval.
    """

    value: float
    n: int
    low: float = math.nan
    high: float = math.nan

    def complement(self) -> Estimate:
        """Return 1 minus the estimate, with the ends of its interval exchanged."""
        return Estimate(1 - self.value, self.n, 1 - self.high, 1 - self.low)


def resamples(groups: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float64] | None:
    """Return how often each unit is in each sample of whole clusters, shape (draws, n).

    Args:
        groups: cluster of each unit, numbered from 0.
        draws: number of samples.
        seed: seed of the draws.

    Returns:
        The counts; None if clusters are too few or of too uneven size for an interval (`interp.stats.too_few`).
    """
    if not len(groups) or not enough(np.bincount(groups)):
        return None
    return _times(int(groups.max()) + 1, draws, seed)[:, groups].astype(np.float64)


@lru_cache(maxsize=4)  # all statistics of a cell use the same samples
def _times(count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Return how often each cluster is in each sample, shape (draws, clusters)."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)


def percentiles(sampled: NDArray[np.float64], groups: NDArray[np.int64] | None = None) -> tuple[float, float]:
    """Return the ends of a 95 % interval as percentiles of bootstrap samples; NaN if no sample is finite.

    With few clusters, the bootstrap distribution is too narrow: its variance lacks the factor G / (G - 1), and its
    tails are normal instead of those of t. The percentiles are therefore the shares of a normal distribution below
    ± t √(G / (G - 1)), where t has G - 1 degrees of freedom (Hesterberg 2015, "expanded percentiles"). G is the
    geometric mean of the number of clusters and of the equivalent number of clusters of even size (`effective`). The
    first number is right if units are independent, and the second if units of a cluster are alike.

    Args:
        sampled: value of a statistic in each sample.
        groups: cluster of each unit, numbered from 0; None for plain 2.5th and 97.5th percentiles.
    """
    sampled = sampled[np.isfinite(sampled)]
    if not len(sampled):
        return math.nan, math.nan
    low, high = np.percentile(sampled, [100 * share for share in _tails(groups)])
    return float(low), float(high)


def _tails(groups: NDArray[np.int64] | None) -> tuple[float, float]:
    """Return the shares of samples below each end of an interval."""
    if groups is None:
        return 0.025, 0.975
    from scipy.special import ndtr  # slow to import

    sizes = np.bincount(groups)
    count = math.sqrt(len(sizes) * effective(sizes))
    tail = float(ndtr(-student(count - 1) * math.sqrt(count / (count - 1))))
    return tail, 1 - tail
