"""Plain, partial, paired and averaged correlations with bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.estimate import Estimate, percentiles, resamples
from interp.stats.moments import covariances, partial

CorrelationMethod = Literal["pearson", "spearman"]


def pearson(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Return Pearson's r, optionally weighted; NaN if x or y does not vary.

    >>> pearson([1, 2, 3], [1, 2, 3])
    1.0
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    if len(a) < 2 or w.sum() <= 0:
        return math.nan
    w = w / w.sum()
    least = 1e-24 * (w @ (a * a)), 1e-24 * (w @ (b * b))  # rounding errors of equal values
    a, b = a - w @ a, b - w @ b
    va, vb = w @ (a * a), w @ (b * b)
    if va <= least[0] or vb <= least[1]:
        return math.nan
    return float(np.clip(w @ (a * b) / math.sqrt(va * vb), -1.0, 1.0))


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return a correlation with a bootstrap interval that resamples whole clusters.

    Args:
        x: values, length n; units with a NaN in any variable are omitted.
        y: other values, length n.
        clusters: cluster of each unit, length n; by default, each unit is a cluster.
        given: one further variable, length n, or several, shape (k, n). The result is then the partial correlation: the
            correlation of the residuals of x and y after a linear regression on the further variables. Every sample has
            a new regression.
        method: ``pearson``, or ``spearman`` for ranks that are taken before resampling.
        draws: number of bootstrap samples.
        seed: seed of the samples.

    Returns:
        r, the number of units, and percentiles of r over the samples with a defined r. With fewer clusters, the
        percentiles are further out (`interp.stats.estimate.percentiles`). The interval is missing (NaN) if clusters are
        too few or of too uneven size (`too_few`).

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    (a, b, *rest), groups = _units({"x": x, "y": y} | _covariates(given), clusters, method)
    r = once(a, b, rest)
    times = resamples(groups, draws, seed)
    if times is None or math.isnan(r):
        return Estimate(r, len(a))
    return Estimate(r, len(a), *percentiles(weighted(a, b, rest, times), groups))


def difference(
    x: ArrayLike,
    other: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
    draws: int = 2000,
) -> Estimate:
    """Return r(x, y) - r(other, y) with a paired bootstrap interval: each sample of clusters yields both.

    Args:
        x, other: two rivals, length n.
        y: variable with which both rivals are correlated, length n.
        clusters, given, method, draws: as in `correlate`. Units with a NaN in any variable are omitted from both
            correlations.

    Returns:
        The difference, the number of units, and percentiles over the samples that define both correlations, as in
        `correlate`. The interval is missing (NaN) if clusters are too few or of too uneven size (`too_few`).

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    (a, o, b, *rest), groups = _units({"x": x, "other": other, "y": y} | _covariates(given), clusters, method)
    value = once(a, b, rest) - once(o, b, rest)
    times = resamples(groups, draws, 0)
    if times is None or math.isnan(value):
        return Estimate(value, len(a))
    return Estimate(value, len(a), *percentiles(weighted(a, b, rest, times) - weighted(o, b, rest, times), groups))


def mean_correlation(xs: Sequence[ArrayLike], y: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """Return the mean of Pearson's r(x, y) over several x, for example results of models with different seeds.

    Args:
        xs: variables, each of length n; units with a NaN in any variable are omitted.
        y: variable with which each x is correlated, length n.
        draws: number of bootstrap samples; all variables share the units of a sample.

    Returns:
        The mean, the number of units, and a bootstrap interval as in `correlate`.
    """
    (b, *rest), groups = _units({"y": y} | {f"x{i}": x for i, x in enumerate(xs)}, None, "pearson")
    mean, times = float(np.mean([pearson(a, b) for a in rest])), resamples(groups, draws, seed)
    if times is None or math.isnan(mean):
        return Estimate(mean, len(b))
    return Estimate(mean, len(b), *percentiles(np.mean([weighted(a, b, [], times) for a in rest], axis=0), groups))


def _units(
    columns: dict[str, ArrayLike], clusters: ArrayLike | None, method: str
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """Return the units without NaN, as ranks for ``spearman``, and the number of each unit's cluster."""
    values = [np.asarray(column, np.float64) for column in columns.values()]
    if values[0].ndim != 1 or any(value.shape != values[0].shape for value in values):
        names, shapes = " and ".join(columns), " and ".join(str(value.shape) for value in values)
        raise ValueError(f"{names} must be one-dimensional and of equal length, got {shapes}")
    n = len(values[0])
    groups = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(groups) != n:
        raise ValueError(f"clusters must be as long as x, got {len(groups)} clusters for {n} values")
    if method not in ("pearson", "spearman"):
        raise ValueError(f"unknown method '{method}'; known: pearson, spearman")
    kept = np.logical_and.reduce([np.isfinite(value) for value in values])
    values = [_ranks(value[kept]) if method == "spearman" else value[kept] for value in values]
    return values, np.unique(groups[kept], return_inverse=True)[1]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # slow to import

    return rankdata(values).astype(np.float64)


def once(a: NDArray[np.float64], b: NDArray[np.float64], given: list[NDArray[np.float64]]) -> float:
    """Return the correlation of a and b with equal weights, partial if other variables are given."""
    if not given or len(a) < 2:
        return pearson(a, b)
    return float(weighted(a, b, given, np.ones((1, len(a))))[0])


def weighted(
    a: NDArray[np.float64], b: NDArray[np.float64], given: list[NDArray[np.float64]], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the correlation of a and b, partial if other variables are given, for each row of weights; or NaN."""
    return partial(covariances(np.stack([a, b, *given]), weights))


def _covariates(given: ArrayLike | None) -> dict[str, ArrayLike]:
    """Return covariates by name: none, one of length n, or several of shape (k, n)."""
    if given is None:
        return {}
    values = np.asarray(given, np.float64)
    if values.ndim < 2:
        return {"given": values}
    return {f"given {number}": row for number, row in enumerate(values)}
