"""Ratios of means, and means in units of another mean, where the denominator also has an error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.clusters import clustered_mean
from interp.stats.dyads import constant, units
from interp.stats.estimate import Estimate
from interp.stats.spread import Spread


@dataclass(frozen=True)
class Yardstick(Estimate):
    """Mean of a sample that serves as the unit for numbers of another, independent sample; both have errors.

    Attributes:
        error: standard error of the mean.
        freedom: degrees of freedom of the error.
        skewness: skewness of the mean.
    """

    error: float = math.nan
    freedom: float = math.inf
    skewness: float = 0.0

    @property
    def may_be_zero(self) -> bool:
        """True if 0 is within the interval, or if there is no interval."""
        return not (self.low > 0 or self.high < 0)

    @property
    def spread(self) -> Spread:
        """Error of the mean as a `Spread`."""
        return Spread(self.error**2, self.freedom, self.skewness)


def yardstick(values: ArrayLike, clusters: ArrayLike) -> Yardstick:
    """Return `clustered_mean` of the values that serve as a unit, with the error of the mean.

    Raises:
        ValueError: lengths differ.
    """
    (x,), dyads = units({"values": values}, clusters, None)
    mean = clustered_mean(x, clusters)
    if not len(x) or dyads.least < 2:
        return Yardstick(mean.value, mean.n)
    spread = dyads.spread(x)
    return Yardstick(mean.value, mean.n, mean.low, mean.high, spread.error, spread.freedom, spread.skewness)


def measured_mean(
    values: ArrayLike, slopes: ArrayLike, by: Yardstick, clusters: ArrayLike, sources: ArrayLike | None = None
) -> Estimate:
    """Return a mean of values in units of a yardstick, for example of squared errors.

    The interval combines two independent errors: the error of the mean for an exact yardstick, and the error of the
    yardstick. The distance of each end from the mean is the root of the sum of both squared distances (Zou & Donner
    2008). The distances for the yardstick follow from the means at the ends of the yardstick's interval, with the mean
    as a linear function of 1 / yardstick. A linear function of the yardstick itself (the delta method) would make the
    interval too short on the side of small yardsticks.

    Args:
        values: values, length n.
        slopes: derivative of each value by the yardstick, length n.
        by: yardstick.
        clusters, sources: as in `standard_error`.

    Returns:
        The mean. The interval is missing (NaN) if `clustered_mean` has no interval, or if the yardstick may be 0.

    Raises:
        ValueError: lengths differ.
    """
    (_, slope), _ = units({"values": values, "slopes": slopes}, clusters, sources)
    plain = clustered_mean(values, clusters, sources)
    if math.isnan(plain.low) or by.may_be_zero:
        return Estimate(plain.value, plain.n)
    by_inverse = -float(slope.mean()) * by.value**2  # derivative of the mean by 1 / yardstick
    moved = sorted(by_inverse * (1 / end - 1 / by.value) for end in (by.low, by.high))
    below = math.hypot(plain.value - plain.low, moved[0])
    above = math.hypot(plain.high - plain.value, moved[1])
    return Estimate(plain.value, plain.n, plain.value - below, plain.value + above)


def ratio(
    numerator: ArrayLike, denominator: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None
) -> Estimate:
    """Return the ratio of the means of two variables of common units, with the interval of Fieller (1954).

    The interval holds each θ for which the mean of numerator − θ · denominator is within the reach of an interval
    around 0 (`interp.stats.spread.Spread.reaches`). The interval uses the largest of the three estimates of the error
    at the estimated ratio.

    Args:
        numerator, denominator: values of common units, length n.
        clusters, sources: as in `standard_error`.

    Returns:
        The ratio; NaN if the mean of the denominator is 0. The interval is missing (NaN) if clusters are too few or of
        too uneven size (`too_few`), if one variable is a multiple of the other, or if the denominator may be 0, which
        leaves the ratio unbounded.

    Raises:
        ValueError: lengths differ.
    """
    (x, y), dyads = units({"numerator": numerator, "denominator": denominator}, clusters, sources)
    if not len(x) or not y.mean():
        return Estimate(math.nan, len(x))
    top, bottom = float(x.mean()), float(y.mean())
    value = top / bottom
    left = x - value * y
    if (
        not dyads.enough
        or constant(left, np.abs(x) + np.abs(value * y))
        or _may_be_zero(clustered_mean(y, clusters, sources), y)
    ):
        return Estimate(value, len(x))
    form = dyads.form(left)
    variances = np.array([[dyads.covariance(a, b, form) for b in (x, y)] for a in (x, y)])
    return Estimate(value, len(x), *_fieller(top, bottom, variances, dyads.spread(left).reaches))


def ratio_to(values: ArrayLike, by: Yardstick, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """Return a mean over a yardstick, with the interval of Fieller (1954) for two independent means.

    The interval holds each θ for which mean − θ · yardstick is within the reach of an interval around 0 with the error
    √(V + θ² · V_y). The degrees of freedom follow Welch (1947) at the estimated ratio.

    Args:
        values: values, length n.
        by: yardstick.
        clusters, sources: as in `standard_error`.

    Returns:
        The ratio; NaN if the yardstick is 0. The interval is missing (NaN) if `clustered_mean` has no interval, or if
        the yardstick may be 0, which leaves the ratio unbounded.

    Raises:
        ValueError: lengths differ.
    """
    (x,), dyads = units({"values": values}, clusters, sources)
    plain = clustered_mean(values, clusters, sources)
    value = plain.value / by.value if by.value else math.nan
    if math.isnan(plain.low) or math.isnan(value) or by.may_be_zero:
        return Estimate(value, plain.n)
    spread = dyads.spread(x)
    variances = np.diag([spread.variance, by.error**2])
    return Estimate(value, plain.n, *_fieller(plain.value, by.value, variances, spread.plus(by.spread, -value).reaches))


def _may_be_zero(denominator: Estimate, values: NDArray[np.float64]) -> bool:
    """Return whether the mean of a denominator may be 0; the mean of constant values is exact and has no interval."""
    return not constant(values) and not (denominator.low > 0 or denominator.high < 0)


def _fieller(top: float, bottom: float, v: NDArray[np.float64], reaches: tuple[float, float]) -> tuple[float, float]:
    """Return the ends of the interval of θ around top / bottom with (top − θ bottom)² ≤ t² · variance(θ).

    Each side of the difference has a separate t. The ends are NaN if the bottom may be 0 under either t.
    """
    below, above = reaches if bottom > 0 else reaches[::-1]
    ends = []
    for t, side in ((below, -1), (above, 1)):
        square, half, rest = bottom**2 - t**2 * v[1, 1], top * bottom - t**2 * v[0, 1], top**2 - t**2 * v[0, 0]
        inside = half**2 - square * rest
        ends.append((half + side * math.sqrt(max(inside, 0.0))) / square if square > 0 else math.nan)
    return (ends[0], ends[1]) if math.isfinite(sum(ends)) else (math.nan, math.nan)
