"""Means, shares, differences and ratios of units that come in clusters: one for each unit, or one for its base and one
for its source.

An intervention has a base and a source text, each of an article, and the articles are a sample. Two units depend on
each other if they share an article in any role: as base, as source, or as base of the one and source of the other. The
variance counts all these pairs of units, each once (Aronow, Samii & Assenova 2015). Two-way clustering (Cameron,
Gelbach & Miller 2011) is the same where no article is both a base's and a source's; where some are, it leaves out the
last kind of pairs, and its intervals may be too narrow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.estimate import Estimate

LEAST_CLUSTERS = 3  # of fewer nothing can be said


@dataclass(frozen=True)
class _Dyads:
    """The clusters of n units, numbered alike for bases and sources.

    Attributes:
        base, source: number of the cluster of each unit, length n.
        least: how many clusters the bases come from, or the sources, whichever are fewer.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    least: int

    def covariance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """The covariance of the means of a and b: sum of (a_i - mean)(b_j - mean) over units i, j that share a cluster,
        over n², times G/(G - 1). Of one variable it can come out negative, as any such sum of a part of all pairs."""
        a, b, count = a - a.mean(), b - b.mean(), int(max(self.base.max(), self.source.max())) + 1
        apart = self.base != self.source
        ends = np.concatenate([self.base, self.source[apart]])
        sums = [np.bincount(ends, np.concatenate([one, one[apart]]), count) for one in (a, b)]
        # Units that share two clusters have been counted twice.
        low, high = np.minimum(self.base, self.source)[apart], np.maximum(self.base, self.source)[apart]
        both = np.unique(low * count + high, return_inverse=True)[1]
        twice = [np.bincount(both, one[apart]) for one in (a, b)]
        return float((sums[0] @ sums[1] - twice[0] @ twice[1]) * self.least / (self.least - 1) / len(a) ** 2)

    def variance(self, x: NDArray[np.float64]) -> float:
        """The variance of a mean, never less than if all units were independent, which also keeps it positive."""
        return max(self.covariance(x, x), float(x.var(ddof=1)) / len(x))

    @property
    def t(self) -> float:
        """The 97.5th percentile of t, with one degree of freedom less than clusters."""
        return _t(self.least - 1)


def standard_error(values: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> float:
    """The standard error of a mean of values that come in clusters: by linearization (Cochran 1977, section 11.12).

    √(G/(G − 1) · Σ (x_i − mean)(x_j − mean)) / n, over all i and j that share a cluster; with G clusters of bases or of
    sources, whichever are fewer. Not less than that of independent values, s/√n: a sum over a part of all pairs may by
    chance come out too low, or negative.

    Args:
        values: length n.
        clusters: which image or article each value (or its base) belongs to, length n.
        sources: which one its source belongs to, length n, in the same names; if each value has a source.

    Returns:
        The error; NaN with fewer than two clusters.

    Raises:
        ValueError: lengths differ.

    >>> round(standard_error([1, 0, 1, 1], [0, 1, 2, 3]), 4)
    0.25
    """
    (x,), dyads = _units({"values": values}, clusters, sources)
    return math.nan if dyads.least < 2 else math.sqrt(dyads.variance(x))


def clustered_mean(values: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """A mean with the interval mean ± t · `standard_error`, t of one degree of freedom less than clusters.

    Args:
        values, clusters, sources: as for `standard_error`.

    Returns:
        The mean; no interval (NaN) with fewer than three clusters, or where all values are the same.

    Raises:
        ValueError: lengths differ.
    """
    (x,), dyads = _units({"values": values}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    mean = float(x.mean())
    if dyads.least < LEAST_CLUSTERS or _constant(x):
        return Estimate(mean, len(x))
    reach = dyads.t * math.sqrt(dyads.variance(x))
    return Estimate(mean, len(x), mean - reach, mean + reach)


def clustered_share(hits: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """A share with the score interval of Wilson (1927) for an effective number of trials (Korn & Graubard 1998; Franco
    et al. 2019), which stays within 0 and 1 and has a width even where every trial is a hit.

    n_eff = n / deff · (t_{n−1} / t_{G−1})², where deff = V / (p(1 − p)/(n − 1)), V is the square of `standard_error`,
    and t are 97.5th percentiles; of units that are clusters of their own this is n, and the interval that of `wilson`.
    The design effect can be below 1: ties, and hits that are means over subspaces, vary less than a coin. Where all
    hits are the same, no design effect can be estimated: each cluster then counts as one trial, n_eff = G.

    Args:
        hits: outcomes from 0 to 1 (1/2 is a tie), length n.
        clusters, sources: as for `standard_error`.

    Returns:
        The share, and n; no interval (NaN) with fewer than three clusters.

    Raises:
        ValueError: lengths differ, or a hit is not from 0 to 1.

    >>> from interp.stats import wilson
    >>> clustered_share([1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 2, 2]) == Estimate(1.0, 6, wilson(3, 3).low, 1.0)
    True
    """
    (x,), dyads = _units({"hits": hits}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    if (x < 0).any() or (x > 1).any():
        raise ValueError(f"hits must be from 0 to 1, got {x.min():g} to {x.max():g}")
    share, n = float(x.mean()), len(x)
    if dyads.least < LEAST_CLUSTERS:
        return Estimate(share, n)
    if _constant(x):
        return Estimate(share, n, *score_interval(float(x[0]), dyads.least))
    trials = n / (n - 1) * share * (1 - share) / dyads.variance(x) * (_t(n - 1) / dyads.t) ** 2
    return Estimate(share, n, *score_interval(share, trials))


def paired_difference(a: ArrayLike, b: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """The mean of a minus that of b, measured on the same units: `clustered_mean` of the differences.

    Args:
        a, b: of the same units in the same order, length n.
        clusters, sources: as for `standard_error`.

    Raises:
        ValueError: lengths differ.
    """
    (x, y), _ = _units({"a": a, "b": b}, clusters, sources)
    return clustered_mean(x - y, clusters, sources)


def ratio(
    numerator: ArrayLike, denominator: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None
) -> Estimate:
    """The mean of one variable over the mean of another of the same units, with the interval of Fieller (1954).

    The interval holds each θ for which the mean of numerator − θ · denominator is within t · `standard_error` of 0. It
    has two ends only if the denominator's mean is further than that from 0.

    Args:
        numerator, denominator: length n.
        clusters, sources: as for `standard_error`.

    Returns:
        The ratio, NaN if the denominator's mean is 0. No interval (NaN) with fewer than three clusters, where one
        variable is a multiple of the other, or where the denominator may be 0 and the ratio anything.

    Raises:
        ValueError: lengths differ.
    """
    (x, y), dyads = _units({"numerator": numerator, "denominator": denominator}, clusters, sources)
    if not len(x) or not y.mean():
        return Estimate(math.nan, len(x))
    value = float(x.mean() / y.mean())
    if dyads.least < LEAST_CLUSTERS or _constant(x - value * y, np.abs(x) + np.abs(value * y)):
        return Estimate(value, len(x))
    n = len(x)
    alone = np.cov(x, y) / n
    shared = np.array([[dyads.covariance(a, b) for b in (x, y)] for a in (x, y)])
    # A θ belongs to the interval if it does so under either variance, since the larger one counts.
    ends = [_fieller(x.mean(), y.mean(), each, dyads.t) for each in (alone, shared)]
    found = [each for each in ends if each is not None]
    low, high = np.min([low for low, _ in found]), np.max([high for _, high in found])
    bounded = math.isfinite(low) and math.isfinite(high)
    return Estimate(value, n, float(low), float(high)) if bounded else Estimate(value, n)


def score_interval(share: float, trials: float) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) for a share of some trials, whose number need not be whole."""
    from scipy.special import ndtri  # slow to import

    z2 = float(ndtri(0.975)) ** 2 / trials
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
    low, high = (share + z2 / 2 - reach) / (1 + z2), (share + z2 / 2 + reach) / (1 + z2)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # what rounding would put beyond


def _fieller(top: float, bottom: float, v: NDArray[np.float64], t: float) -> tuple[float, float] | None:
    """The θ with (top − θ bottom)² ≤ t² · variance(θ) around top / bottom; infinite ends if there are none, and None if
    not even top / bottom is one of them, which a sum over a part of all pairs may make of its variance."""
    square, half, rest = bottom**2 - t**2 * v[1, 1], top * bottom - t**2 * v[0, 1], top**2 - t**2 * v[0, 0]
    if square <= 0:
        return -math.inf, math.inf
    inside = half**2 - square * rest
    value = top / bottom
    if v[0, 0] - 2 * value * v[0, 1] + value**2 * v[1, 1] <= 0 or inside < 0:
        return None
    reach = math.sqrt(inside)
    return (half - reach) / square, (half + reach) / square


def _units(
    columns: dict[str, ArrayLike], clusters: ArrayLike, sources: ArrayLike | None
) -> tuple[list[NDArray[np.float64]], _Dyads]:
    values = [np.asarray(column, np.float64) for column in columns.values()]
    base = np.asarray(clusters)
    source = base if sources is None else np.asarray(sources)
    shapes = [each.shape for each in (*values, base, source)]
    if values[0].ndim != 1 or len(set(shapes)) > 1:
        names = " and ".join([*columns, "clusters", *([] if sources is None else ["sources"])])
        found = " and ".join(map(str, shapes[: len(shapes) - (sources is None)]))
        raise ValueError(f"{names} must be one-dimensional and of one length, got {found}")
    number = np.unique(np.concatenate([base, source]), return_inverse=True)[1].astype(np.int64)
    base, source = number[: len(base)], number[len(base) :]
    return values, _Dyads(base, source, min(len(np.unique(base)), len(np.unique(source))))


def _constant(x: NDArray[np.float64], size: NDArray[np.float64] | None = None) -> bool:
    """Whether values differ by no more than rounding, given the size of what they were computed from."""
    return bool(np.ptp(x) <= 1e-12 * np.abs(x if size is None else size).max())


def _t(freedom: int) -> float:
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(freedom, 0.975))
