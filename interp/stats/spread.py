"""Error of a mean, and width of its interval for few degrees of freedom and skewed distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEAST_CLUSTERS = 8  # with fewer clusters, no method gives correct and useful intervals
LEAST_EFFECTIVE = 4.0  # number of clusters of even size; below this number, one or two clusters dominate

Values = NDArray[np.float64]


def effective(sizes: NDArray[np.int64]) -> float:
    """Return the equivalent number of clusters of even size: (Σ n_a)² / Σ n_a².

    >>> effective(np.array([3, 3, 3])), effective(np.array([8, 1, 1])) < 1.6
    (3.0, True)
    """
    n = sizes.astype(np.float64)
    return float(n.sum() ** 2 / (n @ n))


def enough(sizes: NDArray[np.int64]) -> bool:
    """Return whether clusters of the given sizes are numerous and even enough for intervals of estimates."""
    return len(sizes) >= LEAST_CLUSTERS and effective(sizes) >= LEAST_EFFECTIVE - 1e-9


@dataclass(frozen=True)
class Spread:
    """Variance of a mean, with degrees of freedom and skewness.

    Attributes:
        variance: variance of the mean.
        freedom: degrees of freedom of the variance.
        skewness: third cumulant of the mean over variance^(3/2).
    """

    variance: float
    freedom: float
    skewness: float = 0.0

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return math.sqrt(self.variance)

    @property
    def t(self) -> float:
        """Student's t at the 97.5th percentile."""
        return student(self.freedom)

    @property
    def reaches(self) -> tuple[float, float]:
        """Lengths of an interval below and above the mean, in standard errors: t, or more if the mean is skewed.

        With a long tail to the right, samples with a low mean also have a low variance. To first order, the interval
        must be shifted by skewness / 6 · (1 + 2 t²) errors (Johnson 1978; Hall 1992). Only the end on the side of the
        tail is shifted. The skewness is itself an estimate and must not make an interval shorter.
        """
        t = self.t
        shift = self.skewness / 6 * (1 + 2 * t**2)
        return t + max(0.0, -shift), t + max(0.0, shift)

    def plus(self, other: Spread, factor: float) -> Spread:
        """Return the error of this mean plus a multiple of an independent mean (Welch 1947)."""
        parts = self.variance, factor**2 * other.variance
        variance = sum(parts)
        if not variance > 0:
            return self
        freedom = variance**2 / (parts[0] ** 2 / self.freedom + parts[1] ** 2 / other.freedom)
        third = (
            self.skewness * parts[0] ** 1.5 + math.copysign(other.skewness, factor * other.skewness) * parts[1] ** 1.5
        )
        return Spread(variance, freedom, third / variance**1.5)

    def interval(self, mean: float) -> tuple[float, float]:
        """Return the ends of the 95 % interval around a mean."""
        below, above = self.reaches
        return mean - below * self.error, mean + above * self.error


def satterthwaite(weights: Values, sizes: Values, variances: Values) -> float:
    """Return the degrees of freedom of Σ w (z - mean)² (Satterthwaite 1946).

    Args:
        weights: w of each z, length G.
        sizes: weight of each z in the mean that is subtracted.
        variances: variance of each z; all z are independent and normal.

    >>> round(satterthwaite(np.ones(5), np.ones(5), np.ones(5)), 9)
    4.0
    """
    p, w, v, total = sizes / sizes.sum(), weights, variances, weights.sum()
    expected = v @ (w - 2 * w * p + total * p * p)
    ww, pp, wp = w * w @ v, p * p @ v, w * p @ v
    square = 2 * ww * pp + 2 * wp**2 + (total * pp) ** 2 - 4 * total * wp * pp
    square += (v * v) @ (w * w + 2 * w * (total * p * p - 2 * w * p))
    return float(expected**2 / square)


@lru_cache(maxsize=1024)
def student(freedom: float) -> float:
    """Return the 97.5th percentile of Student's t."""
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(freedom, 0.975))
