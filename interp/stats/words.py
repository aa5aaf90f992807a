"""Correlations and regressions over word types whose values are means over occurrences.

The intervals refer to the population of word types. Word types of the same articles are not independent units: an
article can shift the attributions of all its words, and its subject determines similar words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from interp.stats.correlation import CorrelationMethod
from interp.stats.estimate import Estimate
from interp.stats.moments import coefficients, covariances, covariances_without_each, partial
from interp.stats.sharing import Dependence

_Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # covariances (draws, p, p) -> (draws, q)


@dataclass(frozen=True)
class Occurrences:
    """Occurrences of words in articles.

    Attributes:
        words: word type of each of n occurrences, numbered from 0.
        articles: article of each occurrence.
        types: number of word types, m.
    """

    words: NDArray[np.int64]
    articles: NDArray[np.generic]
    types: int

    def __post_init__(self) -> None:
        if self.words.shape != self.articles.shape or self.words.ndim != 1:
            shapes = f"{self.words.shape} and {self.articles.shape}"
            raise ValueError(f"words and articles must be one-dimensional and of equal length, got {shapes}")
        if len(self.words) and not 0 <= self.words.min() <= self.words.max() < self.types:
            raise ValueError(f"with {self.types} word types, words must be numbers from 0 to {self.types - 1}")

    @cached_property
    def counts(self) -> Float[np.ndarray, "m g"]:
        """Occurrences of each word type in each of g articles, in the order of the articles' names."""
        return self._per_article(np.ones(len(self.words)))

    def totals(self, values: ArrayLike) -> Float[np.ndarray, "m g"]:
        """Return the sum of each word type's values in each article.

        Args:
            values: value of each occurrence, length n.
        """
        return self._per_article(np.asarray(values, np.float64))

    def means(self, values: ArrayLike) -> Float[np.ndarray, " m"]:
        """Return the mean of each word type's values; NaN for a type that does not occur.

        Args:
            values: value of each occurrence, length n.
        """
        count = np.bincount(self.words, minlength=self.types)
        total = np.bincount(self.words, np.asarray(values, np.float64), minlength=self.types)
        return np.divide(total, count, out=np.full(self.types, np.nan), where=count > 0)

    def _per_article(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum values of occurrences over each word type and article."""
        names, article = np.unique(self.articles, return_inverse=True)
        size = len(names) * self.types
        out = np.zeros((self.types, len(names)))
        if size:
            out[:] = np.bincount(self.words * len(names) + article, values, minlength=size).reshape(out.shape)
        return out


def correlate_words(
    values: ArrayLike,
    ratings: ArrayLike,
    at: Occurrences,
    *,
    given: ArrayLike | None = None,
    given_means: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
) -> Estimate:
    """Correlate the mean value of each word type with its rating.

    The population quantity is the correlation over the population of word types, each with its mean over as many
    occurrences as in the sample. The noise of these means biases the correlation toward 0; `disattenuate` estimates the
    correlation of expected values.

    Args:
        values: value of each occurrence, length n.
        ratings: rating of each word type, length m; types with a NaN in any variable are omitted.
        at: occurrences.
        given: variables of each word type that are held constant, shape (k, m), for example frequency or length.
        given_means: variables of each occurrence whose means per type are held constant, shape (j, n), for
            example membership of a description.
        method: ``pearson``, or ``spearman`` for the correlation of ranks. The jackknife does not rank the types again.

    Returns:
        The correlation, the number of word types behind the correlation, and a 95 % interval: Fisher's z ± t ·
        error. The error comes from the jackknife over word types, in which types of the same articles depend on each
        other (`Dependence.similar`). The interval is missing (NaN) with fewer than three articles.

    Raises:
        ValueError: lengths differ.
    """
    averaged, fixed = [np.asarray(values, np.float64), *_rows(given_means)], [np.asarray(ratings, float), *_rows(given)]
    rest = [i for i in range(len(averaged) + len(fixed)) if i not in (0, len(averaged))]
    order = [0, len(averaged), *rest]  # value, rating, and variables that are held constant
    columns, counts = _columns(averaged, fixed, at)
    if method == "spearman":
        columns = _ranks(columns)
    (value,), errors, t = _jackknife(columns, counts, lambda cov: partial(cov[:, order][:, :, order])[:, None], 1)
    n, room = columns.shape[1], 1 - value * value
    if not room > 1e-12 or not np.isfinite(errors[0]):
        return Estimate(float(value), n)
    z, reach = math.atanh(value), t * errors[0] / room
    return Estimate(float(value), n, math.tanh(z - reach), math.tanh(z + reach))


def regress_words(values: ArrayLike, predictors: ArrayLike, at: Occurrences) -> list[Estimate]:
    """Regress the mean value of word types on several ratings together.

    Args:
        values: value of each occurrence, length n.
        predictors: predictors of each word type, shape (k, m); types with a NaN in any variable are omitted.
        at: occurrences.

    Returns:
        The standardized coefficient of each predictor with the interval ± t · error. The error is computed as in
        `correlate_words`.

    Raises:
        ValueError: lengths differ.
    """
    fixed = _rows(predictors)
    columns, counts = _columns([np.asarray(values, np.float64)], fixed, at)
    betas, errors, t = _jackknife(columns, counts, coefficients, len(fixed))
    n = columns.shape[1]
    return [
        Estimate(float(value), n, float(value - t * error), float(value + t * error))
        for value, error in zip(betas, errors, strict=True)
    ]


def _rows(values: ArrayLike | None) -> list[NDArray[np.float64]]:
    """Return the rows of an array; no rows for None."""
    return [] if values is None else list(np.asarray(values, np.float64))


def _columns(
    averaged: list[NDArray[np.float64]], fixed: list[NDArray[np.float64]], at: Occurrences
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return all variables for the word types without missing values, and the article counts of these types.

    Args:
        averaged: variables of occurrences, whose means per word type are taken.
        fixed: variables of word types.
        at: occurrences.
    """
    for name, rows, length in (("values", averaged, len(at.words)), ("ratings", fixed, at.types)):
        if any(row.shape != (length,) for row in rows):
            raise ValueError(f"{name} must be of shape ({length},), got {' and '.join(str(row.shape) for row in rows)}")
    columns = np.stack([*(at.means(row) for row in averaged), *fixed])
    kept = np.isfinite(columns).all(0)
    return columns[:, kept], at.counts[kept]


def _jackknife(
    columns: NDArray[np.float64], counts: NDArray[np.float64], statistic: _Statistic, count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Return a statistic of the columns' covariances, its jackknife errors over word types, and t.

    Args:
        columns: variables, shape (p, types).
        counts: occurrences of each type in each article.
        count: number of values of the statistic.
    """
    nothing, n = np.full(count, np.nan), columns.shape[1]
    if n <= len(columns):
        return nothing, nothing, math.nan
    values = statistic(covariances(columns, np.ones((1, n))))[0]
    dependence = Dependence.similar(counts)
    if n <= len(columns) + 1 or math.isnan(dependence.t):
        return values, nothing, math.nan
    without = statistic(covariances_without_each(columns))
    matrices = dependence.covariances(*((1 - n) * without.T))
    return values, np.sqrt(np.max([np.diag(each) for each in matrices], axis=0)), dependence.t


def _ranks(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # slow to import

    return rankdata(columns, axis=1).astype(np.float64)
