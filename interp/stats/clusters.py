"""Means, shares and differences of clustered units.

A unit has one cluster, or one cluster for its base and one for its source (`interp.stats.dyads`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from interp.stats.dyads import constant, units
from interp.stats.estimate import Estimate
from interp.stats.spread import LEAST_CLUSTERS, LEAST_EFFECTIVE, Spread, Values, student


def too_few(clusters: ArrayLike, sources: ArrayLike | None = None, *, what: str = "values") -> str:
    """Return the reason why estimates from given clusters have no intervals; an empty string if they have intervals.

    Args:
        clusters, sources: as in `standard_error`.
        what: noun for the values; the message calls clusters articles.

    >>> too_few(["a", "b", "b"])
    'values come from 2 articles; at least 8 are needed'
    >>> too_few(range(8))
    ''
    """
    base = np.asarray(clusters)
    _, dyads = units({"clusters": np.zeros(base.shape)}, base, sources)
    if dyads.least < LEAST_CLUSTERS:
        return f"{what} come from {dyads.least} article{'s' * (dyads.least != 1)}; at least {LEAST_CLUSTERS} are needed"
    if not dyads.enough:
        return (
            f"{what} come from {dyads.least} articles, equivalent to {dyads.effective:.1f} of even size; "
            f"at least {LEAST_EFFECTIVE:g} are needed"
        )
    return ""


def standard_error(values: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> float:
    """Return the standard error of a mean of clustered values: the largest of three estimates (`interp.stats.dyads`).

    Args:
        values: values, length n.
        clusters: image or article of each value (or of its base), length n.
        sources: image or article of each value's source, length n, with the names of `clusters`; None without sources.

    Returns:
        The error; NaN with fewer than two clusters.

    Raises:
        ValueError: lengths differ.

    >>> round(standard_error([1, 0, 1, 1], [0, 1, 2, 3]), 4)
    0.25
    """
    (x,), dyads = units({"values": values}, clusters, sources)
    return math.nan if not len(x) or dyads.least < 2 else dyads.spread(x).error


def clustered_mean(
    values: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None, weights: ArrayLike | None = None
) -> Estimate:
    """Return a mean with the interval mean ± t · `standard_error`, wider on the side of a long tail.

    `interp.stats.spread.Spread.reaches` defines the widths.

    Args:
        values, clusters, sources: as in `standard_error`.
        weights: positive weights of the units; equal by default. The interval is that of the linearized ratio
            Σ w x / Σ w.

    Returns:
        The mean. The interval is missing (NaN) if clusters are too few or of too uneven size (`too_few`), or if all
        values are equal.

    Raises:
        ValueError: lengths differ.
    """
    (x,), dyads = units({"values": values}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    if weights is None:
        mean = float(x.mean())
        if not dyads.enough or constant(x):
            return Estimate(mean, len(x))
        return Estimate(mean, len(x), *dyads.spread(x).interval(mean))
    weighted = _Weighted.of(x, weights, clusters, sources)
    if not dyads.enough or not weighted.enough or constant(x):
        return Estimate(weighted.mean, len(x))
    return Estimate(weighted.mean, len(x), *weighted.spread(dyads.spread).interval(weighted.mean))


@dataclass(frozen=True)
class _Weighted:
    """Weighted mean in the form of a plain mean.

    Attributes:
        mean: Σ w x / Σ w.
        values: values whose plain mean has the variance of the weighted mean: w / w̄ times the residual. A residual is
            too small because its own cluster pulls the mean. Division by √(1 − 2 s + Σ s²) corrects that, where s is
            the share of the cluster in the weights. The correction for clusters of even weight is left to `dyads`.
        effective: equivalent number of clusters of even weight, for clusters or for sources, whichever is smaller.
    """

    mean: float
    values: Values
    effective: float

    @classmethod
    def of(cls, x: Values, weights: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None) -> _Weighted:
        """Return the linearized form of a weighted mean.

        Raises:
            ValueError: lengths differ, or a weight is not positive.
        """
        w = np.asarray(weights, np.float64)
        if w.shape != x.shape or not (w > 0).all():
            raise ValueError(f"weights must be positive and of shape {x.shape}, got shape {w.shape}")
        mean = float(w @ x / w.sum())
        larger, fewest = np.ones(len(x)), math.inf
        for names in [clusters] if sources is None else [clusters, sources]:
            codes = np.unique(np.asarray(names), return_inverse=True)[1]
            shares = np.bincount(codes, w) / w.sum()
            square = float(shares @ shares)
            fewest = min(fewest, 1 / square)
            pulled = np.maximum(1 - 2 * shares + square, 0.1)
            larger = np.maximum(larger, np.sqrt((1 - 1 / len(shares)) / pulled)[codes])
        return cls(mean, mean + w / w.mean() * larger * (x - mean), fewest)

    @property
    def enough(self) -> bool:
        """True if the weights of clusters are even enough for intervals of estimates."""
        return self.effective >= LEAST_EFFECTIVE - 1e-9

    def spread(self, spread_of: Callable[[Values], Spread]) -> Spread:
        """Return the error of the mean; its degrees of freedom are at most those of clusters of even weight."""
        plain = spread_of(self.values)
        return replace(plain, freedom=min(plain.freedom, max(1.0, self.effective - 1)))


def clustered_share(
    hits: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None, weights: ArrayLike | None = None
) -> Estimate:
    """Return a share with the score interval of Wilson (1927) for an effective number of trials.

    The effective number follows Korn & Graubard (1998) and Franco et al. (2019). The interval stays within 0 and 1, and
    its width is positive even if every trial is a hit.

    n_eff = n / deff · (t_{n−1} / t)², where deff = V / (p(1 − p)/(n − 1)), V is the square of `standard_error`, and
    t_{n−1} and t are 97.5th percentiles of t distributions; t has the degrees of freedom of V. If every unit is a
    cluster, n_eff is n and the interval is that of `wilson`. The design effect can be below 1, since ties and means of
    hits over subspaces vary less than a coin. If all hits are equal, the design effect cannot be estimated, and
    n_eff is the equivalent number of clusters of even size, (Σ n_a)² / Σ n_a².

    Args:
        hits: outcomes from 0 to 1 (1/2 is a tie), length n.
        clusters, sources: as in `standard_error`.
        weights: as in `clustered_mean`.

    Returns:
        The share and n. The interval is missing (NaN) if clusters are too few or of too uneven size (`too_few`).

    Raises:
        ValueError: lengths differ, or a hit is not between 0 and 1.

    >>> from interp.stats import wilson
    >>> eight = [0, 1, 2, 3, 4, 5, 6, 7]
    >>> clustered_share([1] * 16, eight * 2) == Estimate(1.0, 16, wilson(8, 8).low, 1.0)
    True
    """
    (x,), dyads = units({"hits": hits}, clusters, sources)
    if not len(x):
        return Estimate(math.nan, 0)
    if (x < 0).any() or (x > 1).any():
        raise ValueError(f"hits must be from 0 to 1, got {x.min():g} to {x.max():g}")
    weighted = None if weights is None else _Weighted.of(x, weights, clusters, sources)
    share, n = float(x.mean()) if weighted is None else weighted.mean, len(x)
    if not dyads.enough or not (weighted is None or weighted.enough):
        return Estimate(share, n)
    if constant(x):
        effective = dyads.effective if weighted is None else min(dyads.effective, weighted.effective)
        return Estimate(share, n, *score_interval(float(x[0]), effective))
    spread = dyads.spread(x) if weighted is None else weighted.spread(dyads.spread)
    trials = n / (n - 1) * share * (1 - share) / spread.variance * (student(n - 1) / spread.t) ** 2
    return Estimate(share, n, *score_interval(share, trials))


def paired_difference(a: ArrayLike, b: ArrayLike, clusters: ArrayLike, sources: ArrayLike | None = None) -> Estimate:
    """Return the mean of a minus the mean of b on common units: `clustered_mean` of the differences.

    Args:
        a, b: values of common units in equal order, length n.
        clusters, sources: as in `standard_error`.

    Raises:
        ValueError: lengths differ.
    """
    (x, y), _ = units({"a": a, "b": b}, clusters, sources)
    return clustered_mean(x - y, clusters, sources)


def independent_difference(a: Estimate, b: Estimate) -> Estimate:
    """Return a minus b for two independent samples, with the interval that follows from both intervals.

    The interval reaches √((a − a_low)² + (b_high − b)²) below the difference and √((a_high − a)² + (b − b_low)²) above
    it (Newcombe 1998, method 10; Zou & Donner 2008).

    Returns:
        The difference and the smaller n. The interval is missing (NaN) if a or b has no interval.

    >>> from interp.stats import wilson
    >>> round(independent_difference(wilson(56, 70), wilson(48, 80)).low, 4)
    0.0524
    """
    value, n = a.value - b.value, min(a.n, b.n)
    low = value - math.hypot(a.value - a.low, b.high - b.value)
    return Estimate(value, n, low, value + math.hypot(a.high - a.value, b.value - b.low))


def score_interval(share: float, trials: float) -> tuple[float, float]:
    """Return the 95 % interval of Wilson (1927) for a share of trials; the number of trials may be a fraction."""
    from scipy.special import ndtri  # slow to import

    z2 = float(ndtri(0.975)) ** 2 / trials
    reach = math.sqrt(z2 * (share * (1 - share) + z2 / 4))
    low, high = (share + z2 / 2 - reach) / (1 + z2), (share + z2 / 2 + reach) / (1 + z2)
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # corrects rounding errors
