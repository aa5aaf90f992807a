"""A number with its interval, and how samples are drawn anew to find one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Estimate:
    """A number computed from a sample, with a 95 % interval; NaN where it, or its interval, is undefined.

    Attributes:
        value: a correlation, a difference, or a share from 0 to 1.
        n: units that it was computed from.
        low, high: ends of the interval.
    """

    value: float
    n: int
    low: float = math.nan
    high: float = math.nan

    def columns(self, key: str) -> dict[str, float]:
        """The value and the ends of its interval, under the names of their columns."""
        return {key: self.value, f"{key}_low": self.low, f"{key}_high": self.high}

    def complement(self) -> Estimate:
        """1 minus it, with the ends of its interval changed over."""
        return Estimate(1 - self.value, self.n, 1 - self.high, 1 - self.low)


def resamples(groups: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float64] | None:
    """How often each unit is in each sample, shape (draws, n); None with fewer than three clusters."""
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 3:
        return None
    return _times(count, draws, seed)[:, groups].astype(np.float64)


@lru_cache(maxsize=4)  # the statistics of a cell take the same samples again and again
def _times(count: int, draws: int, seed: int) -> NDArray[np.int64]:
    """How often each cluster is in each sample, shape (draws, clusters)."""
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)


def percentiles(sampled: NDArray[np.float64]) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of what is finite; NaN if nothing is."""
    sampled = sampled[np.isfinite(sampled)]
    low, high = np.percentile(sampled, [2.5, 97.5]) if len(sampled) else (math.nan, math.nan)
    return float(low), float(high)
