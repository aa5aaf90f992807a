"""Test of many correlations at once: the largest of a whole grid, with random signs of articles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from interp.stats.correlation import CorrelationMethod
from interp.stats.sharing import Dependence


@dataclass(frozen=True)
class GridTests:
    """Correlations of a grid with two-sided p values, each of shape (cells, norms); NaN where undefined.

    Attributes:
        r: correlation.
        p: p value of each correlation alone.
        adjusted: p value adjusted for all correlations.
    """

    r: Float[np.ndarray, "cells norms"]
    p: Float[np.ndarray, "cells norms"]
    adjusted: Float[np.ndarray, "cells norms"]


def max_statistic(
    attributions: Float[np.ndarray, "cells words"],
    norms: Float[np.ndarray, "norms words"],
    counts: Float[np.ndarray, "words articles"],
    *,
    method: CorrelationMethod = "pearson",
    draws: int = 5000,
    seed: int = 0,
) -> GridTests:
    """Test all correlations of a grid, with p values adjusted by the step-down method of the largest statistic.

    The hypothesis is that attribution and rating are uncorrelated over word types. They may depend on each other
    otherwise: the variance of attributions may differ with the rating, and words of one article may be similar in both.
    Then word types are not exchangeable, and no permutation of ratings is valid. The test draws random signs instead
    (a wild bootstrap of scores: Hemerik, Goeman & Finos 2020; Cameron, Gelbach & Miller 2008):

    - The score of a word type is the product of the deviations of its attribution and its rating from their means. Its
      expectation is 0 under the hypothesis, and its variance may be anything.
    - The statistic is the absolute sum of scores, r, over its standard error √Σ_a (Σ_j q_ja ψ_j)². q_j are the counts
      of word type j in the articles, scaled to length 1 (`Dependence.similar`), and ψ_j is the influence of type j on
      r, which is its score less r · (a_j² + b_j²) / 2 for standardized attributions a and ratings b.
    - In each draw each article has a random sign z_a, and each score is multiplied by Σ_a q_ja z_a. Words of one
      article alone change their signs together; words of many articles move nearly independently of words of one.
      The standard error is computed from the new scores. All cells, routes and norms take the same signs, so that
      their dependence is kept.
    - Adjusted p compare each statistic with the largest of all statistics that are not larger than itself (Westfall &
      Young 1993, algorithm 2.8).

    Args:
        attributions: of word types, for each cell (or cell and route); no NaN.
        norms: ratings of word types, NaN where there is none.
        counts: occurrences of each word type in each article; each type occurs.
        method: ``spearman`` takes the ranks, once, of the types that a norm rates.
        draws: number of draws; no p is less than 1 / (draws + 1). Few articles have few signs: G articles give
            2^(G − 1) different statistics, and p is hardly less than the inverse of this number.

    Raises:
        ValueError: an attribution is not finite, a type does not occur, or word types differ in number.
    """
    cells, ratings, occurrences = (np.asarray(one, np.float64) for one in (attributions, norms, counts))
    if not cells.ndim == ratings.ndim == occurrences.ndim == 2 or not (
        cells.shape[1] == ratings.shape[1] == len(occurrences)
    ):
        shapes = f"{cells.shape}, {ratings.shape} and {occurrences.shape}"
        raise ValueError(f"attributions, norms and counts must be of as many words, got {shapes}")
    if not np.isfinite(cells).all():
        raise ValueError("attributions must be finite")
    if not (occurrences.sum(1) > 0).all():
        raise ValueError("each word must occur in an article")
    factor = Dependence.similar(occurrences).factor
    signs = np.random.default_rng(seed).integers(0, 2, (draws, factor.shape[1])) * 2.0 - 1
    shape = len(cells), len(ratings)
    r, found = np.full((2, *shape), np.nan)
    drawn = np.full((*shape, draws), np.nan)
    for j, one in enumerate(ratings):
        rated = np.isfinite(one)
        rows, b = _standard(cells[:, rated], method), _standard(one[None, rated], method)[0]
        for i, a in enumerate(rows):
            if rated.any() and np.isfinite(a @ b):
                r[i, j] = np.clip(a @ b, -1.0, 1.0)
                found[i, j], drawn[i, j] = _statistics(a, b, factor[rated], signs)
    flat = found.ravel(), drawn.reshape(r.size, draws)
    return GridTests(r, *(each.reshape(shape) for each in _step_down(*flat)))


def _statistics(
    a: NDArray[np.float64], b: NDArray[np.float64], factor: NDArray[np.float64], signs: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """Return the statistic of one correlation and those of its draws.

    Args:
        a, b: standardized attributions and ratings of word types.
        factor: of these types, by article.
        signs: of each draw, by article.
    """
    scores = a * b
    by_article, squares = scores @ factor, (a * a + b * b) / 2 @ factor
    shared = factor.T @ (scores[:, None] * factor)
    sums = signs @ by_article
    rest = signs @ shared - sums[:, None] * squares
    with np.errstate(divide="ignore", invalid="ignore"):
        drawn = np.abs(sums) / np.sqrt((rest * rest).sum(1))
        own = by_article - scores.sum() * squares
        found = abs(scores.sum()) / np.sqrt((own * own).sum())
    return float(np.nan_to_num(found, nan=0.0)), np.nan_to_num(drawn, nan=0.0)  # 0 / 0: a sum of 0


def _step_down(
    found: NDArray[np.float64], drawn: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p of statistics, shape (tests,), given those of each draw, shape (tests, draws), and p adjusted for all of
    them; NaN where a statistic is NaN."""
    p, adjusted = np.full((2, len(found)), np.nan)
    order = np.argsort(-found, kind="stable")[: (~np.isnan(found)).sum()]  # NaN comes last
    if len(order):
        rows, least = drawn[order], found[order][:, None] * (1 - 1e-9)
        p[order] = (1 + (rows >= least).sum(1)) / (drawn.shape[1] + 1)
        most = np.maximum.accumulate(rows[::-1])[::-1]  # of each test and all with a smaller statistic
        adjusted[order] = np.maximum.accumulate((1 + (most >= least).sum(1)) / (drawn.shape[1] + 1))
    return p, adjusted


def _standard(rows: NDArray[np.float64], method: CorrelationMethod) -> NDArray[np.float64]:
    """Return each row with mean 0 and length 1, of ranks if the method wants them; NaN where it does not vary."""
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
