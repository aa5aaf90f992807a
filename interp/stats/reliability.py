"""Correlations of word types' expected values, corrected for the noise of means over few occurrences."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.estimate import Estimate
from interp.stats.sharing import Dependence, fieller
from interp.stats.words import Occurrences

LEAST_TYPES = 10  # least number of types that occur in two articles
FEW = f"fewer than {LEAST_TYPES} word types in two articles"
CONSTANT = "the ratings do not vary"
UNRELIABLE = "the reliability is not surely above 0"
BEYOND = "the estimate is beyond 1"


@dataclass(frozen=True)
class Disattenuated:
    """Disattenuated correlation, and the reliability behind the correction.

    Attributes:
        r: correlation over `n` word types with its interval; NaN if undefined.
        reliability: share of the variance of mean values that is variance of expected values; NaN if types are too few.
        reason: reason why `r` is NaN, or an empty string.
    """

    r: Estimate
    reliability: float
    reason: str


def disattenuate(values: ArrayLike, ratings: ArrayLike, at: Occurrences) -> Disattenuated:
    """Correlate the expected values of word types with ratings.

    The population quantity is the correlation between the expected value over articles and the rating, over the
    population of word types. Both word types and articles are sampled. The estimate is C / √(V X):

    - Only word types that occur in at least two articles are used. The other types do not show how much their means
      differ between articles, and types of other frequencies cannot replace them.
    - C and X are the covariance of mean value and rating, and the variance of the rating.
    - V is the variance of the mean values minus the noise, the mean over types of the variance of a type's mean. The
      noise is estimated from the differences between the type's articles. V / (V + noise) is the reliability. A
      split-half coefficient over articles, with the correction of Spearman & Brown, converges to the reliability.
    - All three allow for the covariance of the means of types that occur in the same articles
      (`Dependence.overlapping`).

    Args:
        values: value of each occurrence, length n.
        ratings: rating of each word type, length m; types without a finite rating are ignored.
        at: occurrences.

    Returns:
        The correlation with the interval of Fieller (1954) for C over √(V X), whose ends are clipped to −1 and 1.
        An estimate beyond ±1 is NaN, but has an interval. Estimate and interval are NaN with fewer than
        `LEAST_TYPES` word types or three articles, or if √(V X) is not significantly above 0.

    Raises:
        ValueError: lengths differ.
    """
    y, x = np.asarray(values, np.float64), np.asarray(ratings, np.float64)
    if y.shape != at.words.shape or x.shape != (at.types,):
        raise ValueError(
            f"values and ratings must be of shapes {at.words.shape} and ({at.types},), got {y.shape} and {x.shape}"
        )
    means = at.means(y)
    kept = ((at.counts > 0).sum(1) > 1) & np.isfinite(x) & np.isfinite(means)
    n, counts = int(kept.sum()), at.counts[kept]
    nothing = Estimate(math.nan, n)
    if n < LEAST_TYPES:
        return Disattenuated(nothing, math.nan, FEW)
    dependence = Dependence.overlapping(counts)
    if math.isnan(dependence.t):
        return Disattenuated(nothing, math.nan, FEW)
    noise = variances_of_means(counts, at.totals(y)[kept])
    d, g = (values[kept] - values[kept].mean() for values in (means, x))
    c, variance, square = (np.mean(a * b) + dependence.covariance(a, b) for a, b in ((d, g), (d, d), (g, g)))
    if not square > 1e-24 * np.mean(x[kept] ** 2):
        return Disattenuated(nothing, math.nan, CONSTANT)
    expected = variance - noise.mean()
    reliability = float(expected / variance) if variance > 0 else math.nan
    if not expected > 1e-12 * variance:
        return Disattenuated(nothing, reliability, UNRELIABLE)
    root = math.sqrt(expected * square)
    slopes = root / 2 * ((d * d - noise) / expected + g * g / square)  # slopes of √(V X) in the averages
    ends = [fieller(c, root, each, dependence.t) for each in dependence.covariances(d * g, slopes)]
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    value = float(c / root)
    if not math.isfinite(low + high):
        return Disattenuated(nothing, reliability, UNRELIABLE)
    if low > 1 or high < -1:
        return Disattenuated(nothing, reliability, BEYOND)
    beyond = abs(value) > 1
    r = Estimate(math.nan if beyond else value, n, max(low, -1.0), min(high, 1.0))
    return Disattenuated(r, reliability, BEYOND if beyond else "")


def variances_of_means(counts: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate the variance over articles of each word type's mean: k / (k − 2k₃ + k²) · Σ p_a² (mean_a − mean)².

    p_a is the share of the type's occurrences in article a, k is Σ p_a² and k₃ is Σ p_a³. The factor makes the estimate
    unbiased if the means of all articles have equal variances. For equal shares of G articles, the factor is
    G / (G − 1).

    Args:
        counts: occurrences of each type in each article; every type occurs in at least two articles.
        totals: sum of the values of each type in each article.
    """
    shares = counts / counts.sum(1, keepdims=True)
    mean = totals.sum(1) / counts.sum(1)
    away = np.divide(totals, counts, out=np.zeros_like(totals), where=counts > 0) - mean[:, None]
    k, k3 = (shares**2).sum(1), (shares**3).sum(1)
    return k / (k - 2 * k3 + k * k) * ((shares * away) ** 2).sum(1)
