"""Tests of many correlations at once: p values, Holm's adjustment, the largest of a whole grid under permutation."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from interp.stats.correlation import CorrelationMethod


def p_value(r: float, n: int, given: int = 0) -> float:
    """The two-sided p of a correlation of normal variables under the hypothesis that there is none: by Student's t.

    Args:
        r: Pearson's, or approximately Spearman's.
        n: units.
        given: how many variables are held constant, if r is a partial correlation.

    Returns:
        p; NaN without a degree of freedom.
    """
    freedom = n - 2 - given
    if freedom < 1 or not np.isfinite(r):
        return float("nan")
    from scipy.special import stdtr  # slow to import

    if abs(r) >= 1:
        return 0.0
    return float(2 * stdtr(freedom, -abs(r) * np.sqrt(freedom / (1 - r * r))))


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """p values adjusted so that the chance of any false discovery among them is kept (Holm 1979), in the same shape.

    Args:
        p: of any shape; NaN, where there is no test, stays NaN and does not count.
    """
    values = np.asarray(p, np.float64)
    out, flat = np.full(values.size, np.nan), values.ravel()
    order = np.argsort(flat, kind="stable")[: np.isfinite(flat).sum()]  # NaN comes last
    left = np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(left * flat[order]), 1.0)
    return out.reshape(values.shape)


def max_statistic(
    attributions: Float[np.ndarray, "cells words"],
    norms: Float[np.ndarray, "norms words"],
    *,
    method: CorrelationMethod = "pearson",
    draws: int = 5000,
    seed: int = 0,
) -> tuple[Float[np.ndarray, "cells norms"], Float[np.ndarray, "cells norms"]]:
    """Correlations of a whole grid, with p values adjusted for all of them: by the step-down method of the largest
    statistic (Westfall & Young 1993, algorithm 4.1).

    In each draw the word types change their ratings, those by all norms together and in all cells alike, so that what
    depends on each other does so under the hypothesis too; between types that the same norms rate. The statistic is
    |r| √(n − 1), n being the types that a norm rates: under permutation r has the variance 1/(n − 1).

    Args:
        attributions: of word types, for each cell (or cell and route); no NaN.
        norms: ratings of word types, NaN where there is none.
        method: ``spearman`` takes the ranks, once, of the types that a norm rates.
        draws: of permutations; no p is less than 1 / (draws + 1).

    Returns:
        r, and its two-sided adjusted p; both NaN where attributions or ratings do not vary.

    Raises:
        ValueError: an attribution is not finite, or word types differ in number.
    """
    cells, ratings = np.asarray(attributions, np.float64), np.asarray(norms, np.float64)
    if cells.ndim != 2 or ratings.ndim != 2 or cells.shape[1] != ratings.shape[1]:
        raise ValueError(f"attributions and norms must be of as many words, got {cells.shape} and {ratings.shape}")
    if not np.isfinite(cells).all():
        raise ValueError("attributions must be finite")
    places = _permutations(np.isfinite(ratings), draws, seed)
    found, drawn = [], []
    for one in ratings:
        rated = np.isfinite(one)
        a, b = _standard(cells[:, rated], method), np.zeros(len(one))
        b[rated] = _standard(one[None, rated], method)[0]
        defined = 0.0 if rated.any() else np.nan
        found.append(a @ b[rated] + defined)
        drawn.append(a @ b[places[:, rated]].T + defined)
    r = np.clip(np.stack(found, axis=1), -1.0, 1.0)
    size = np.sqrt(np.maximum(np.isfinite(ratings).sum(1) - 1, 0))
    statistic, largest = np.abs(r) * size, np.abs(np.stack(drawn, axis=1)) * size[:, None]
    return r, _step_down(statistic.ravel(), largest.reshape(r.size, draws)).reshape(r.shape)


def _step_down(found: NDArray[np.float64], drawn: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p of statistics, shape (tests,), given those of each draw, shape (tests, draws); NaN where NaN."""
    out = np.full(len(found), np.nan)
    order = np.argsort(-found, kind="stable")[: np.isfinite(found).sum()]  # NaN comes last
    if len(order):
        # of each test and all with a smaller statistic, in each draw
        most = np.maximum.accumulate(drawn[order][::-1])[::-1]
        beyond = (most >= found[order][:, None] - 1e-9).sum(1)
        out[order] = np.maximum.accumulate((beyond + 1) / (drawn.shape[1] + 1))
    return out


def _permutations(rated: NDArray[np.bool_], draws: int, seed: int) -> NDArray[np.int64]:
    """For each draw the word type whose ratings each one gets: one that the same norms rate. Shape (draws, words)."""
    rng, places = np.random.default_rng(seed), np.tile(np.arange(rated.shape[1]), (draws, 1))
    for kind in np.unique(rated, axis=1).T:
        same = np.flatnonzero((rated == kind[:, None]).all(0))
        places[:, same] = rng.permuted(np.tile(same, (draws, 1)), axis=1)
    return places


def _standard(rows: NDArray[np.float64], method: CorrelationMethod) -> NDArray[np.float64]:
    """Each row with mean 0 and length 1, of ranks if the method wants them; NaN where it does not vary."""
    if not rows.shape[1]:
        return rows
    if method == "spearman":
        from scipy.stats import rankdata  # slow to import

        rows = rankdata(rows, axis=1).astype(np.float64)
    scale = np.abs(rows).max(1, keepdims=True)
    rows = rows - rows.mean(1, keepdims=True)
    length = np.sqrt((rows * rows).sum(1, keepdims=True))
    varies = length > 1e-12 * scale
    return np.where(varies, rows / np.where(varies, length, 1.0), np.nan)
