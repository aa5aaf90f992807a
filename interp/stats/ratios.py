"""Ratios of means, and means of what is measured by another mean: numbers whose denominator is in error as well."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.clusters import clustered_mean, standard_error
from interp.stats.dyads import LEAST_CLUSTERS, Dyads, constant, student, units
from interp.stats.estimate import Estimate


@dataclass(frozen=True)
class Yardstick(Estimate):
    """A mean of one sample that numbers of another, independent sample are measured by; both samples are in error.

    Attributes:
        error: its `standard_error`.
        clusters: how many its values come from.
    """

    error: float = math.nan
    clusters: int = 0


def yardstick(values: ArrayLike, clusters: ArrayLike) -> Yardstick:
    """`clustered_mean` of what another sample is measured by, with its error.

    Raises:
        ValueError: lengths differ.
    """
    of, count = clustered_mean(values, clusters), len(np.unique(np.asarray(clusters)))
    return Yardstick(of.value, of.n, of.low, of.high, standard_error(values, clusters), count)


def measured_mean(
    values: ArrayLike, slopes: ArrayLike, by: Yardstick, clusters: ArrayLike, sources: ArrayLike | None = None
) -> Estimate:
    """A mean of values that each depend on a yardstick, with an interval by the delta method (Oehlert 1992) for two
    independent samples: mean ± t · √(V + (mean slope)² · V_y), V and V_y the squares of their `standard_error`, and t
    that of the sample of fewer clusters.

    Args:
        values: length n.
        slopes: the derivative of each value by the yardstick, length n.
        clusters, sources: as for `standard_error`.

    Returns:
        The mean; no interval (NaN) where `clustered_mean` has none, or where the yardstick may be 0.

    Raises:
        ValueError: lengths differ.
    """
    (x, slope), dyads = units({"values": values, "slopes": slopes}, clusters, sources)
    plain = clustered_mean(values, clusters, sources)
    if math.isnan(plain.low):
        return plain
    reach = _t(dyads, by) * math.hypot(math.sqrt(dyads.variance(x)), float(slope.mean()) * by.error)
    return Estimate(plain.value, plain.n, plain.value - reach, plain.value + reach)


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
    (x, y), dyads = units({"numerator": numerator, "denominator": denominator}, clusters, sources)
    if not len(x) or not y.mean():
        return Estimate(math.nan, len(x))
    value = float(x.mean() / y.mean())
    if dyads.least < LEAST_CLUSTERS or constant(x - value * y, np.abs(x) + np.abs(value * y)):
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


def ratio_to(values: ArrayLike, by: Yardstick, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """A mean over a yardstick, with the interval of Fieller (1954) for two independent means: it holds each θ with
    abs(mean − θ · yardstick) ≤ t · √(V + θ² · V_y), as in `measured_mean`.

    Args:
        values: length n.
        clusters, sources: as for `standard_error`.

    Returns:
        The ratio, NaN if the yardstick is 0. No interval (NaN) where `clustered_mean` has none, or where the yardstick
        may be 0 and the ratio anything.

    Raises:
        ValueError: lengths differ.
    """
    (x,), dyads = units({"values": values}, clusters, sources)
    plain = clustered_mean(values, clusters, sources)
    value = plain.value / by.value if by.value else math.nan
    if math.isnan(plain.low) or math.isnan(value):
        return Estimate(value, plain.n)
    ends = _fieller(plain.value, by.value, np.diag([dyads.variance(x), by.error**2]), _t(dyads, by))
    return Estimate(value, plain.n, *map(float, ends or ()))


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


def _t(dyads: Dyads, by: Yardstick) -> float:
    """t of the sample of fewer clusters; NaN where the yardstick has no interval, or may be 0 by this t."""
    t = max(dyads.t, student(by.clusters - 1))
    return t if math.isfinite(by.low) and abs(by.value) > t * by.error else math.nan
