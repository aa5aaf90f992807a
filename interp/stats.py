"""Numbers about numbers: correlations with intervals, shares with intervals, IIA. Plain functions of arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Method = Literal["pearson", "spearman"]


@dataclass(frozen=True)
class Correlation:
    """A correlation over n units, with a 95 % interval; NaN where it is undefined."""

    r: float
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """A proportion of n, with a 95 % interval."""

    share: float
    n: int
    low: float
    high: float


def ranks(x: ArrayLike) -> NDArray[np.float64]:
    """Ranks from 1; ties share their mean rank."""
    values = np.asarray(x, dtype=np.float64)
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((last - counts + 1 + last) / 2)[inverse]


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
    a, b = a - w @ a, b - w @ b
    va, vb = w @ (a * a), w @ (b * b)
    if va <= 0 or vb <= 0:
        return math.nan
    return float(np.clip(w @ (a * b) / math.sqrt(va * vb), -1.0, 1.0))


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    method: Method = "pearson",
    draws: int = 2000,
    seed: int = 0,
) -> Correlation:
    """A correlation with a percentile bootstrap interval that resamples whole clusters.

    Args:
        x, y: the values, length n; pairs with a NaN on either side are left out.
        clusters: what is resampled, length n; each unit on its own if not given.
        method: ``pearson``, or ``spearman`` (of ranks taken once, before resampling).
        draws: bootstrap samples.

    Returns:
        r, the n that was used, and the 2.5th and 97.5th percentile of r over the samples that define one. With
        fewer than three clusters there is no interval (NaN).

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"x and y must be one-dimensional and of one length, got {a.shape} and {b.shape}")
    groups = np.arange(len(a)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(groups) != len(a):
        raise ValueError(f"clusters must be as long as x, got {len(groups)} for {len(a)}")
    if method not in ("pearson", "spearman"):
        raise ValueError(f"unknown method '{method}'; known: pearson, spearman")
    kept = np.isfinite(a) & np.isfinite(b)
    a, b, groups = a[kept], b[kept], np.unique(groups[kept], return_inverse=True)[1]
    if method == "spearman":
        a, b = ranks(a), ranks(b)
    r = pearson(a, b)
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 3 or math.isnan(r):
        return Correlation(r, len(a), math.nan, math.nan)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(count, np.full(count, 1 / count), size=draws)[:, groups].astype(np.float64)
    sampled = _weighted_pearson((a - a.mean()) / a.std(), (b - b.mean()) / b.std(), times)
    sampled = sampled[np.isfinite(sampled)]
    low, high = np.percentile(sampled, [2.5, 97.5]) if len(sampled) else (math.nan, math.nan)
    return Correlation(r, len(a), float(low), float(high))


def _weighted_pearson(
    a: NDArray[np.float64], b: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pearson's r under each row of weights."""
    total = weights.sum(1)
    ma, mb = weights @ a / total, weights @ b / total
    va, vb = weights @ (a * a) / total - ma**2, weights @ (b * b) / total - mb**2
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ (a * b) / total - ma * mb) / np.sqrt(np.where((va > 1e-12) & (vb > 1e-12), va * vb, np.nan))


def clustered_share(hits: ArrayLike, clusters: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Share:
    """A mean of outcomes (0, 1/2 or 1) with a percentile bootstrap interval that resamples whole clusters.

    Args:
        hits: outcomes, length n.
        clusters: which image or article each one belongs to, length n.
    """
    values = np.asarray(hits, np.float64)
    groups = np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(values) == 0:
        return Share(math.nan, 0, math.nan, math.nan)
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    times = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    low, high = np.percentile((times @ sums) / (times @ counts), [2.5, 97.5])
    return Share(float(values.mean()), len(values), float(low), float(high))


def preference(descriptions: ArrayLike, captions: ArrayLike) -> NDArray[np.float64]:
    """For each pair 1 if the description scores higher than the caption, else 0. Its mean is preference accuracy."""
    return (np.asarray(descriptions) > np.asarray(captions)).astype(np.float64)


def iia_outcomes(
    base: ArrayLike, counterfactual: ArrayLike, *, winner: Literal["base", "counterfactual"]
) -> NDArray[np.float64]:
    """For each counterfactual 1 if the predicted one of the two scores is the higher, 0 if the other one is.

    A tie counts half: an intervention that changes nothing decides nothing. IIA is the mean of these.
    """
    if winner not in ("base", "counterfactual"):
        raise ValueError(f"winner is 'base' or 'counterfactual', not '{winner}'")
    gain = np.asarray(counterfactual, np.float64) - np.asarray(base, np.float64)
    return (np.sign(gain if winner == "counterfactual" else -gain) + 1) / 2
