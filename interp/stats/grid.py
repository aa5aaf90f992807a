"""Joint test of the correlations of a grid, with random signs of articles and word types."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from interp.stats.correlation import CorrelationMethod
from interp.stats.sharing import Dependence

ROUNDING = 1e-5  # relative rounding error of the statistics of draws
FEW = 16  # number of articles below which draws are computed in float64


@dataclass(frozen=True)
class GridTests:
    """Correlations of a grid with two-sided p values, all of shape (cells, norms); undefined values are NaN.

    Attributes:
        r: correlation.
        p: p value of each single correlation.
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
    draws: int = 2000,
    seed: int = 0,
) -> GridTests:
    """Test all correlations of a grid, with p values adjusted by the step-down method of the largest statistic.

    The hypothesis is that attribution and rating are uncorrelated over word types. Other kinds of dependence are
    allowed: the variance of attributions may change with the rating, and words of an article may have similar
    attributions and ratings. Word types are then not exchangeable, and permutations of ratings are not valid. The test
    draws random signs instead (a studentized wild bootstrap of scores: Cameron, Gelbach & Miller 2008; Hemerik,
    Goeman & Finos 2020):

    - The score of a word type is the product of the deviations of its attribution and its rating from their means. Its
      expectation is 0 under the hypothesis, and its variance is arbitrary.
    - The statistic is the absolute sum of scores, r, over its standard error √(Σ K_jk ψ_j ψ_k). K_jk is the dependence
      of two word types through shared articles (`Dependence.similar`). ψ_j is the influence of type j on
      r: its score minus r · (a_j² + b_j²) / 2, with standardized attributions a and ratings b.
    - In each draw, each article and each word type has a random sign, and each score is multiplied by a sum of these
      signs. The sums have the covariances K_jk. Words of a single article change their signs together, whereas words of
      many articles mostly have independent signs. The standard error is computed from the new scores, with the mean of
      the new attributions and the new r. All cells, routes and norms share the signs, which preserves the dependence
      between tests.
    - Adjusted p values compare each statistic with the maximum, in each draw, over its own test and all tests with
      smaller statistics (Westfall & Young 1993, algorithm 2.8).

    Args:
        attributions: attributions of word types, for each cell (or cell and route); no NaN.
        norms: ratings of word types, NaN for unrated types.
        counts: occurrences of each word type in each article; every type occurs.
        method: ``pearson``, or ``spearman`` for ranks over the types that a norm rates.
        draws: number of draws; no p is less than 1 / (draws + 1). Few articles have few combinations of signs: G
            articles give 2^(G − 1) different statistics, and p is hardly less than the inverse of this number.
        seed: seed of the signs.

    Raises:
        ValueError: an attribution is not finite, a type does not occur, or the numbers of word types differ.
    """
    cells, ratings, occurrences = (np.asarray(each, np.float64) for each in (attributions, norms, counts))
    if not cells.ndim == ratings.ndim == occurrences.ndim == 2 or not (
        cells.shape[1] == ratings.shape[1] == len(occurrences)
    ):
        shapes = f"{cells.shape}, {ratings.shape} and {occurrences.shape}"
        raise ValueError(f"attributions, norms and counts must have equal numbers of words, got shapes {shapes}")
    if not np.isfinite(cells).all():
        raise ValueError("attributions must be finite, got NaN or infinity")
    if not (occurrences.sum(1) > 0).all():
        raise ValueError("every word must occur in an article: counts has a row of zeros")
    dependence, rng = Dependence.similar(occurrences), np.random.default_rng(seed)
    article_signs, type_signs = (rng.choice(np.array([-1.0, 1.0]), (draws, size)) for size in occurrences.shape[::-1])
    shape = len(cells), len(ratings)
    r, statistics = np.full((2, *shape), np.nan)
    drawn = np.full((*shape, draws), np.nan)
    for j, rating in enumerate(ratings):
        rated = np.isfinite(rating)
        rows, b = _standard(cells[:, rated], method), _standard(rating[None, rated], method)[0]
        defined = np.flatnonzero(np.isfinite(rows @ b) & rated.any())
        if defined.size:
            signs = _Signs.combine(
                dependence.factor[rated], dependence.specific[rated], article_signs, type_signs[:, rated]
            )
            r[defined, j] = np.clip(rows[defined] @ b, -1.0, 1.0)
            statistics[defined, j] = [signs.statistic(a, b) for a in rows[defined]]
            drawn[defined, j] = signs.drawn(rows[defined], b)
    return GridTests(r, *(each.reshape(shape) for each in _step_down(statistics.ravel(), drawn.reshape(r.size, draws))))


@dataclass(frozen=True)
class _Signs:
    """Random signs of the word types that a norm rates.

    Attributes:
        factor, unshared: `factor` and `own` of the `Dependence` of the types.
        articles: signs of articles, shape (draws, articles).
        types: multiplier of each type's score, shape (draws, types).
        apart: numbers of the types with an unshared part.
        signs: signs of the types in `apart`, times the root of the unshared part, shape (draws, apart).
    """

    factor: NDArray[np.float64]
    unshared: NDArray[np.float64]
    articles: NDArray[np.float64]
    types: NDArray[np.float64]
    apart: NDArray[np.int64]
    signs: NDArray[np.float64]

    @classmethod
    def combine(
        cls,
        factor: NDArray[np.float64],
        unshared: NDArray[np.float64],
        articles: NDArray[np.float64],
        types: NDArray[np.float64],
    ) -> _Signs:
        """Combine the signs of articles and of types."""
        apart = np.flatnonzero(unshared > 0)
        signs = types[:, apart] * np.sqrt(unshared[apart])
        multipliers = articles @ factor.T
        multipliers[:, apart] += signs
        return cls(factor, unshared, articles, multipliers, apart, signs)

    def statistic(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """Return |r| over its standard error; 0 if r is 0.

        Args:
            a, b: standardized attributions and ratings.
        """
        r = float(a @ b)
        influences = a * b - r * (a * a + b * b) / 2
        variance = ((influences @ self.factor) ** 2).sum() + self.unshared @ influences**2
        return 0.0 if r == 0 else float(np.divide(abs(r), np.sqrt(variance), where=variance > 0, out=np.array(np.inf)))

    def drawn(self, rows: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return `statistic` of the new scores of each row of attributions in each draw, shape (rows, draws)."""
        sums, means = (self.types @ (rows * b).T).T, (self.types @ rows.T).T / len(b)
        unshared, types = self.unshared[self.apart], self.types[:, self.apart]
        first, second = types * unshared, types * types * unshared
        # Draws of few articles often repeat the signs. Rounding must not make equal statistics unequal.
        kind = np.float64 if self.articles.shape[1] < FEW else np.float32
        out, articles, signs = np.empty_like(sums), self.articles.astype(kind), self.signs.astype(kind)
        for number, (a, r, m) in enumerate(zip(rows, sums, means, strict=True)):
            scores, half = a * b, (a * a + b * b) / 2
            weighted = scores[:, None] * self.factor
            shared = (articles @ (self.factor.T @ weighted).astype(kind)).astype(np.float64)
            shared += signs @ weighted[self.apart].astype(kind)  # the slowest step
            shared -= r[:, None] * (half @ self.factor) + m[:, None] * (b @ self.factor)
            s, h, c = scores[self.apart], half[self.apart], b[self.apart]
            alone = second @ (s * s) - 2 * r * (first @ (s * h)) - 2 * m * (first @ (s * c))
            alone += r * r * (unshared @ (h * h)) + 2 * r * m * (unshared @ (h * c)) + m * m * (unshared @ (c * c))
            variance = np.einsum("da,da->d", shared, shared) + np.maximum(alone, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                out[number] = np.nan_to_num(np.abs(r) / np.sqrt(variance), nan=0.0, posinf=np.inf)
        return out


def _step_down(
    statistics: NDArray[np.float64], drawn: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return p values, and p values adjusted for all tests; NaN for a statistic that is NaN.

    Args:
        statistics: statistic of each test, shape (tests,).
        drawn: statistic of each test in each draw, shape (tests, draws).
    """
    p, adjusted = np.full((2, len(statistics)), np.nan)
    order = np.argsort(-statistics, kind="stable")[: (~np.isnan(statistics)).sum()]  # NaN comes last
    if len(order):
        rows, least = drawn[order], statistics[order][:, None] * (1 - ROUNDING)
        p[order] = (1 + (rows >= least).sum(1)) / (drawn.shape[1] + 1)
        most = np.maximum.accumulate(rows[::-1])[::-1]  # over each test and all tests with smaller statistics
        adjusted[order] = np.maximum.accumulate((1 + (most >= least).sum(1)) / (drawn.shape[1] + 1))
    return p, adjusted


def _standard(rows: NDArray[np.float64], method: CorrelationMethod) -> NDArray[np.float64]:
    """Return rows, or their ranks for ``spearman``, with mean 0 and length 1; a constant row becomes NaN."""
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
