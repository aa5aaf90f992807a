"""Straight line through points, with a pointwise interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats import resamples


@dataclass(frozen=True, eq=False)
class _Line:
    """Least-squares line at a grid of places, with a pointwise 95 % interval."""

    at: NDArray[np.float64]
    fit: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def line(x: ArrayLike, y: ArrayLike, *, places: int = 41, draws: int = 2000, seed: int = 0) -> _Line | None:
    """Fit y by x, with a band between the 2.5th and 97.5th percentile of a bootstrap over points.

    Args:
        x, y: coordinates, length n; points with a NaN are left out.
        places: number of places of the line, from the lowest to the highest x.
        draws: number of resamples.
        seed: seed of the bootstrap.

    Returns:
        The line; None with fewer than eight points, or if x does not vary.
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    kept = np.isfinite(a) & np.isfinite(b)
    a, b = a[kept], b[kept]
    times = resamples(np.arange(len(a)), draws, seed)
    if times is None or np.ptp(a) == 0:
        return None
    at = np.linspace(a.min(), a.max(), places)
    lines = _lines(a, b, np.vstack([np.ones(len(a)), times]), at)
    sampled = lines[1:][np.isfinite(lines[1:]).all(1)]
    low, high = np.percentile(sampled, [2.5, 97.5], axis=0)
    return _Line(at, lines[0], low, high)


def _lines(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the fitted line for each row of weights, shape (rows, places); NaN if x does not vary."""
    total = weights.sum(1)
    mx, my = weights @ x / total, weights @ y / total
    var, cov = weights @ (x * x) / total - mx**2, weights @ (x * y) / total - mx * my
    slope = np.divide(cov, var, out=np.full(len(total), math.nan), where=var > 1e-12 * (x.std() or 1.0) ** 2)
    return my[:, None] + slope[:, None] * (at[None] - mx[:, None])
