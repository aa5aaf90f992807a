"""Means, shares and differences of units that come in clusters: one for each unit, or one for its base and one for its
source (`interp.stats.dyads`)."""

from __future__ import annotations

import math

from numpy.typing import ArrayLike

from interp.stats.dyads import LEAST_CLUSTERS, constant, student, units
from interp.stats.estimate import Estimate


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
    (x,), dyads = units({"values": values}, clusters, sources)
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
    (x,), dyads = units({"values": values}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    mean = float(x.mean())
    if dyads.least < LEAST_CLUSTERS or constant(x):
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
    (x,), dyads = units({"hits": hits}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    if (x < 0).any() or (x > 1).any():
        raise ValueError(f"hits must be from 0 to 1, got {x.min():g} to {x.max():g}")
    share, n = float(x.mean()), len(x)
    if dyads.least < LEAST_CLUSTERS:
        return Estimate(share, n)
    if constant(x):
        return Estimate(share, n, *score_interval(float(x[0]), dyads.least))
    trials = n / (n - 1) * share * (1 - share) / dyads.variance(x) * (student(n - 1) / dyads.t) ** 2
    return Estimate(share, n, *score_interval(share, trials))


def paired_difference(a: ArrayLike, b: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """The mean of a minus that of b, measured on the same units: `clustered_mean` of the differences.

    Args:
        a, b: of the same units in the same order, length n.
        clusters, sources: as for `standard_error`.

    Raises:
        ValueError: lengths differ.
    """
    (x, y), _ = units({"a": a, "b": b}, clusters, sources)
    return clustered_mean(x - y, clusters, sources)


def score_interval(share: float, trials: float) -> tuple[float, float]:
    """The 95 % interval of Wilson (1927) for a share of some trials, whose number need not be whole."""
    from scipy.special import ndtri  # slow to import

    z2 = float(ndtri(0.975)) ** 2 / trials
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
    low, high = (share + z2 / 2 - reach) / (1 + z2), (share + z2 / 2 + reach) / (1 + z2)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # what rounding would put beyond
