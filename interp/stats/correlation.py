"""Correlations with bootstrap intervals, plain, partial, paired and averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.estimate import Estimate, percentiles, resamples

CorrelationMethod = Literal["pearson", "spearman"]


def pearson(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Pearson's r, weighted if asked; NaN if either side does not vary.

    >>> pearson([1, 2, 3], [1, 2, 3])
    1.0
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    if len(a) < 2 or w.sum() <= 0:
        return math.nan
    w = w / w.sum()
    least = 1e-24 * (w @ (a * a)), 1e-24 * (w @ (b * b))  # what rounding makes of values that are all the same
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
    """A correlation with a percentile bootstrap interval that resamples whole clusters.

    Args:
        x, y: the values, length n; units with a NaN anywhere are left out.
        clusters: what is resampled, length n; each unit on its own if not given.
        given: a third variable, length n. The correlation is then the partial one: of what remains of x and y
            once a straight line in this variable is taken off both, fitted anew in every sample.
        method: ``pearson``, or ``spearman`` (of ranks taken once, before resampling).
        draws: bootstrap samples.

    Returns:
        r, the n that was used, and the 2.5th and 97.5th percentile of r over the samples that define one. With
        fewer than three clusters there is no interval (NaN).

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    columns = {"x": x, "y": y} if given is None else {"x": x, "y": y, "given": given}
    (a, b, *rest), groups = _units(columns, clusters, method)
    c = rest[0] if rest else None
    r = _once(a, b, c)
    times = resamples(groups, draws, seed)
    if times is None or math.isnan(r):
        return Estimate(r, len(a))
    return Estimate(r, len(a), *percentiles(_weighted(a, b, c, times)))


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
    """r(x, y) - r(other, y) with a paired bootstrap interval: both are taken in the same resampled clusters.

    Args:
        x, other: the two rivals, length n.
        y: what both are correlated with, length n.
        clusters, given, method, draws: as for `correlate`; units with a NaN anywhere are left out of both.

    Returns:
        The difference, the n that was used, and the 2.5th and 97.5th percentile over the samples that define both
        correlations; no interval (NaN) with fewer than three clusters.

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    columns = {"x": x, "other": other, "y": y} | ({} if given is None else {"given": given})
    (a, o, b, *rest), groups = _units(columns, clusters, method)
    c = rest[0] if rest else None
    value = _once(a, b, c) - _once(o, b, c)
    times = resamples(groups, draws, 0)
    if times is None or math.isnan(value):
        return Estimate(value, len(a))
    return Estimate(value, len(a), *percentiles(_weighted(a, b, c, times) - _weighted(o, b, c, times)))


def mean_correlation(xs: Sequence[ArrayLike], y: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of Pearson's r(x, y) over several x, as of models that differ in their seed.

    Args:
        xs: the variables, each of length n; units with a NaN anywhere are left out.
        y: what each is correlated with, length n.
        draws: bootstrap samples; each resamples the units of all variables alike.

    Returns:
        The mean, the n that was used, and a percentile bootstrap interval.
    """
    (b, *rest), groups = _units({"y": y} | {f"x{i}": x for i, x in enumerate(xs)}, None, "pearson")
    mean, times = float(np.mean([pearson(a, b) for a in rest])), resamples(groups, draws, seed)
    if times is None or math.isnan(mean):
        return Estimate(mean, len(b))
    return Estimate(mean, len(b), *percentiles(np.mean([_weighted(a, b, None, times) for a in rest], axis=0)))


def _units(
    columns: dict[str, ArrayLike], clusters: ArrayLike | None, method: str
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """The units that have every value, as ranks if the method wants them, and the number of each one's cluster."""
    values = [np.asarray(column, np.float64) for column in columns.values()]
    if values[0].ndim != 1 or any(value.shape != values[0].shape for value in values):
        names, shapes = " and ".join(columns), " and ".join(str(value.shape) for value in values)
        raise ValueError(f"{names} must be one-dimensional and of one length, got {shapes}")
    n = len(values[0])
    groups = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(groups) != n:
        raise ValueError(f"clusters must be as long as x, got {len(groups)} for {n}")
    if method not in ("pearson", "spearman"):
        raise ValueError(f"unknown method '{method}'; known: pearson, spearman")
    kept = np.logical_and.reduce([np.isfinite(value) for value in values])
    values = [_ranks(value[kept]) if method == "spearman" else value[kept] for value in values]
    return values, np.unique(groups[kept], return_inverse=True)[1]


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # slow to import

    return rankdata(values).astype(np.float64)


def _once(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64] | None) -> float:
    """The correlation of a and b, given c if there is one, each unit counted once."""
    if c is None or len(a) < 2:
        return pearson(a, b)
    return float(_weighted(a, b, c, np.ones((1, len(a))))[0])


def _weighted(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64] | None, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The correlation of a and b, given c if there is one, under each row of weights; NaN where it is undefined."""
    total = weights.sum(1)
    a, b = _standard(a), _standard(b)
    ma, mb = weights @ a / total, weights @ b / total
    va, vb = weights @ (a * a) / total - ma**2, weights @ (b * b) / total - mb**2
    vab = weights @ (a * b) / total - ma * mb
    if c is not None:
        c = _standard(c)
        mc = weights @ c / total
        vc = weights @ (c * c) / total - mc**2
        vc = np.where(vc > 1e-12, vc, np.inf)  # what does not vary explains nothing
        vac, vbc = weights @ (a * c) / total - ma * mc, weights @ (b * c) / total - mb * mc
        va, vb, vab = va - vac**2 / vc, vb - vbc**2 / vc, vab - vac * vbc / vc
    with np.errstate(invalid="ignore", divide="ignore"):
        r = vab / np.sqrt(np.where((va > 1e-12) & (vb > 1e-12), va * vb, np.nan))
    return r if c is None else np.clip(r, -1.0, 1.0)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean()) / (values.std() or 1.0)
