"""Correlations over word types whose values are means over occurrences, with intervals that resample articles.

A sample of texts is a sample of articles: a word that one article repeats has a mean that another sample would not. In
each sample of whole articles the mean of every word type is taken anew, of the occurrences that it then has.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from interp.stats.correlation import CorrelationMethod
from interp.stats.estimate import Estimate, percentiles, resamples
from interp.stats.moments import coefficients, covariances, partial

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]  # covariances (draws, p, p) -> (draws, q)


@dataclass(frozen=True)
class Occurrences:
    """Where words occur.

    Attributes:
        words: word type of each of n occurrences, numbered from 0.
        articles: the article of each.
        types: how many word types there are, m.
    """

    words: NDArray[np.int64]
    articles: NDArray[np.generic]
    types: int

    def __post_init__(self) -> None:
        if self.words.shape != self.articles.shape or self.words.ndim != 1:
            shapes = f"{self.words.shape} and {self.articles.shape}"
            raise ValueError(f"words and articles must be one-dimensional and of one length, got {shapes}")
        if len(self.words) and not 0 <= self.words.min() <= self.words.max() < self.types:
            raise ValueError(f"with {self.types} word types, words are numbers from 0 to {self.types - 1}")

    def means(self, values: ArrayLike) -> Float[np.ndarray, " m"]:
        """The mean of each word type's values; NaN for one that does not occur.

        Args:
            values: of each occurrence, length n.
        """
        count = np.bincount(self.words, minlength=self.types)
        total = np.bincount(self.words, np.asarray(values, np.float64), minlength=self.types)
        return np.divide(total, count, out=np.full(self.types, np.nan), where=count > 0)

    def sampled_means(self, values: ArrayLike, times: Float[np.ndarray, "draws g"]) -> Float[np.ndarray, "draws m"]:
        """The same in samples of articles; NaN for a word type that does not occur in a sample.

        Args:
            times: how often each of g articles, in the order of their names, is in each sample.
        """
        article = np.unique(self.articles, return_inverse=True)[1]
        counts, totals = np.zeros((2, times.shape[1], self.types))
        np.add.at(counts, (article, self.words), 1)
        np.add.at(totals, (article, self.words), np.asarray(values, np.float64))
        count = times @ counts
        return np.divide(times @ totals, count, out=np.full(count.shape, np.nan), where=count > 0)


def correlate_words(
    values: ArrayLike,
    ratings: ArrayLike,
    at: Occurrences,
    *,
    given: ArrayLike | None = None,
    given_means: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
    draws: int = 2000,
) -> Estimate:
    """The correlation over word types of mean value with a rating, with an interval that resamples articles.

    Args:
        values: of each occurrence, length n.
        ratings: of each word type, length m; types with a NaN anywhere are left out.
        at: the occurrences.
        given: what is held constant, of each word type, shape (k, m): its frequency, its length.
        given_means: what is held constant in the mean over a type's occurrences, shape (j, n): whether it is in a
            description.
        method: with ``spearman`` ranks are taken, in each sample anew, of the types that occur in it.

    Returns:
        The correlation, the word types that it was computed from, and the 2.5th and 97.5th percentile of it over
        samples that define one; no interval (NaN) with fewer than three articles.

    Raises:
        ValueError: lengths differ.
    """
    own, fixed = [np.asarray(values, np.float64), *_rows(given_means)], [np.asarray(ratings, np.float64), *_rows(given)]
    rest = [i for i in range(len(own) + len(fixed)) if i not in (0, len(own))]
    order = [0, len(own), *rest]  # value, rating, and what is held constant
    (found,) = _sampled(own, fixed, at, lambda cov: partial(cov[:, order][:, :, order])[:, None], method, draws)
    return found


def regress_words(values: ArrayLike, predictors: ArrayLike, at: Occurrences, *, draws: int = 2000) -> list[Estimate]:
    """The standardized coefficients of a regression, over word types, of mean value on several ratings together.

    Args:
        values: of each occurrence, length n.
        predictors: of each word type, shape (k, m); types with a NaN anywhere are left out.
        at: the occurrences.

    Returns:
        A coefficient for each predictor, with an interval that resamples articles, as that of `correlate_words`.

    Raises:
        ValueError: lengths differ.
    """
    fixed = _rows(predictors)
    return _sampled([np.asarray(values, np.float64)], fixed, at, coefficients, "pearson", draws, len(fixed))


def _rows(values: ArrayLike | None) -> list[NDArray[np.float64]]:
    return [] if values is None else list(np.asarray(values, np.float64))


def _sampled(
    own: list[NDArray[np.float64]],
    fixed: list[NDArray[np.float64]],
    at: Occurrences,
    statistic: Statistic,
    method: CorrelationMethod,
    draws: int,
    count: int = 1,
) -> list[Estimate]:
    """A statistic of the means of what occurrences have and of what types have, and its intervals."""
    for name, some, length in (("values", own, len(at.words)), ("ratings", fixed, at.types)):
        if any(one.shape != (length,) for one in some):
            raise ValueError(f"{name} must be of shape ({length},), got {' and '.join(str(one.shape) for one in some)}")
    means = [at.means(one) for one in own]
    kept = np.logical_and.reduce([np.isfinite(one) for one in (*means, *fixed)])
    n, articles = int(kept.sum()), len(np.unique(at.articles))
    if n < len(means) + len(fixed) + (count > 1):
        return [Estimate(math.nan, n)] * count
    fixed, whole = [one[kept] for one in fixed], [one[None, kept] for one in means]
    values = _statistic(whole, fixed, statistic, method, count)[0]
    times = resamples(np.arange(articles), draws, 0)
    if times is None:
        return [Estimate(float(value), n) for value in values]
    drawn = [at.sampled_means(one, times)[:, kept] for one in own]
    sampled = _statistic(drawn, fixed, statistic, method, count).T
    ends = [percentiles(some) if np.isfinite(value) else () for value, some in zip(values, sampled, strict=True)]
    return [Estimate(float(value), n, *each) for value, each in zip(values, ends, strict=True)]


def _statistic(
    own: list[NDArray[np.float64]],
    fixed: list[NDArray[np.float64]],
    statistic: Statistic,
    method: CorrelationMethod,
    count: int,
) -> NDArray[np.float64]:
    """It in each sample, of the types that occur there: own (draws, m) with NaN, fixed (m,)."""
    present = np.isfinite(own[0])
    columns = [*own, *(np.broadcast_to(one, present.shape) for one in fixed)]
    if method == "spearman":
        columns = [_ranks(one, present) for one in columns]
    filled = np.stack([np.where(present, one, 0.0) for one in columns], axis=1)
    enough = present.sum(1) > len(columns)
    out = np.full((len(present), count), np.nan)
    out[enough] = statistic(covariances(filled[enough], present[enough].astype(np.float64)))
    return out


def _ranks(values: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # slow to import

    return rankdata(np.where(present, values, np.inf), axis=1).astype(np.float64)  # what is absent comes last
