"""Dependence between word types of the same articles, and the errors of means over word types."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

LEAST_ARTICLES = 3  # least number of articles for an interval


@dataclass(frozen=True)
class Dependence:
    """Weights K_jk of the products of deviations of m word types in the variance of a mean over these types.

    The variance of a mean of ψ is estimated by Σ K_jk ψ_j ψ_k / m², as in spatial statistics (Conley 1999). K is
    F Fᵀ + diag(specific) and has a diagonal of 1, so that no estimate is negative.

    Attributes:
        factor: F, a column for each article.
        specific: part of each type's variance that no other type shares.
        articles: number of articles with any of the types.
    """

    factor: Float[np.ndarray, "m g"]
    specific: Float[np.ndarray, " m"]
    articles: int

    @classmethod
    def overlapping(cls, counts: Float[np.ndarray, "m g"], times: float = 1.0) -> Dependence:
        """Return the probabilities that occurrences of two types come from the same article.

        The noise that an article adds to all its words has these covariances in the means of word types.

        Args:
            counts: occurrences of each type in each article; each type occurs.
            times: factor of the probabilities; the product of a type with itself is at most 1.
        """
        shares = counts / counts.sum(1, keepdims=True)
        same = (shares * shares).sum(1)
        common = np.minimum(times * same, 1.0)
        return cls(shares * np.sqrt(common / same)[:, None], 1 - common, int((counts > 0).any(0).sum()))

    @classmethod
    def similar(cls, counts: Float[np.ndarray, "m g"]) -> Dependence:
        """Return twice the probabilities of `overlapping`; the cosine of the counts for types of one or two articles.

        Types of the same one or two articles count as one unit, since the subject of an article may determine all that
        the types have in common. Types of many articles are nearly independent. The factor of two comes from
        simulations. With a factor of one, words that share several articles count as too much evidence. With cosines
        alone, words that occur in all articles count as no evidence.

        Args:
            counts: occurrences of each type in each article; each type occurs.
        """
        return cls.overlapping(counts, 2.0)

    @cached_property
    def units(self) -> float:
        """Effective number of independent types, m² / Σ K_jk² (Satterthwaite 1946)."""
        shared = self.factor.T @ self.factor
        lengths = (self.factor * self.factor).sum(1)
        squares = (shared * shared).sum() + 2 * (self.specific @ lengths) + self.specific @ self.specific
        return float(len(self.specific) ** 2 / squares) if len(self.specific) else 0.0

    @cached_property
    def t(self) -> float:
        """Student's t at the 97.5th percentile.

        The degrees of freedom are one less than the number of units or of articles, whichever is smaller. With fewer
        than three articles or units, t is NaN.
        """
        from scipy.special import stdtrit  # slow to import

        least = min(self.units, self.articles)
        return float(stdtrit(least - 1, 0.975)) if least >= LEAST_ARTICLES - 1e-9 else math.nan

    def covariance(self, a: Float[np.ndarray, " m"], b: Float[np.ndarray, " m"]) -> float:
        """Return the covariance of two means over types, given the deviations of the types from both means."""
        product = (a @ self.factor) @ (b @ self.factor) + (self.specific * a) @ b
        return float(product / len(a) ** 2 * self.units / (self.units - 1))

    def covariances(self, *columns: Float[np.ndarray, " m"]) -> list[NDArray[np.float64]]:
        """Return two covariance matrices of means over types: for independent types, and for types that share articles.

        An interval respects both matrices, since the sum over shared articles can be too low by chance.

        Args:
            columns: values of the types, one array for each mean.
        """
        rows = np.stack(columns)
        rows = rows - rows.mean(1, keepdims=True)
        n = rows.shape[1]
        alone = rows @ rows.T / (n * (n - 1))
        return [alone, np.array([[self.covariance(a, b) for b in rows] for a in rows])]


def fieller(top: float, bottom: float, variances: ArrayLike, t: float) -> tuple[float, float]:
    """Return the interval of Fieller (1954) for the ratio of two estimates: θ with (top − θ bottom)² ≤ t² variance(θ).

    Args:
        variances: covariance matrix of top and bottom.

    Returns:
        The ends; infinite if the bottom may be 0.
    """
    v = np.asarray(variances, np.float64)
    square, half, rest = bottom**2 - t**2 * v[1, 1], top * bottom - t**2 * v[0, 1], top**2 - t**2 * v[0, 0]
    if not square > 0:
        return -math.inf, math.inf
    reach = math.sqrt(max(half**2 - square * rest, 0.0))  # below 0 only by rounding
    return (half - reach) / square, (half + reach) / square
