"""Outcomes and what they come to: IIA, preference, shares of independent trials, means of means, F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.clusters import score_interval
from interp.stats.estimate import Estimate, percentiles, resamples


def wilson(hits: int, n: int) -> Estimate:
    """The share of hits among n independent trials, with the 95 % score interval of Wilson (1927).

    Unlike a bootstrap it has a width even where every trial is a hit, or none is. Of no trials, all is NaN.

    Raises:
        ValueError: more hits than trials, or less than none.

    >>> wilson(10, 10).high, round(wilson(10, 10).low, 3)
    (1.0, 0.722)
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be from 0 to n, got {hits} of {n}")
    if n == 0:
        return Estimate(math.nan, 0)
    return Estimate(hits / n, n, *score_interval(hits / n, n))


def mean_of_means(
    samples: Sequence[tuple[ArrayLike, ArrayLike]], weights: Sequence[float] | None = None, *, draws: int = 2000,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """The weighted mean of the means of samples; the clusters of each are resampled on their own.

    Args:
        samples: values, and which cluster each belongs to, both of length n.
        weights: of the samples; by default all count the same.

    Returns:
        The mean, the number of values, and a percentile bootstrap interval; none (NaN) with fewer than three clusters
        in a sample.
    """
    share = np.ones(len(samples)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    value, n, drawn = 0.0, 0, np.zeros(draws)
    for number, ((given, clusters), part) in enumerate(zip(samples, share, strict=True)):
        values = np.asarray(given, np.float64)
        groups = np.unique(np.asarray(clusters), return_inverse=True)[1]
        sums, counts = np.bincount(groups, values), np.bincount(groups)
        times = resamples(np.arange(len(sums)), draws, seed + number)  # of clusters: there are fewer than values
        value, n = value + part * float(values.mean()), n + len(values)
        drawn += part * (np.nan if times is None else (times @ sums) / (times @ counts))
    return Estimate(value, n, *(percentiles(drawn) if np.isfinite(drawn).all() else ()))


def preference(positive: ArrayLike, negative: ArrayLike) -> NDArray[np.float64]:
    """For each pair 1 if the positive text scores higher than the negative one, else 0; its mean is the accuracy."""
    return (np.asarray(positive) > np.asarray(negative)).astype(np.float64)


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


def placement(values: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """For each value the share of the others that it exceeds, ties counting half; its mean is the area under the curve.

    >>> placement([0, 2, 5], [1, 2]).tolist()
    [0.0, 0.75, 1.0]
    """
    own, ordered = np.asarray(values), np.sort(np.asarray(others))
    return (np.searchsorted(ordered, own, "left") + np.searchsorted(ordered, own, "right")) / (2 * len(ordered))


def macro_f1(truth: ArrayLike, guess: ArrayLike, classes: int) -> float:
    """The unweighted mean of F1 over the classes that occur in `truth` or in `guess`; NaN without any.

    Args:
        truth, guess: class numbers from 0, length n.
        classes: how many classes there are.

    Raises:
        ValueError: lengths differ, or a number is not one of a class.

    >>> macro_f1([0, 1, 2], [0, 1, 3], classes=9)
    0.5
    """
    t, g = np.asarray(truth, np.int64), np.asarray(guess, np.int64)
    if t.shape != g.shape or t.ndim != 1:
        raise ValueError(f"truth and guess must be one-dimensional and of one length, got {t.shape} and {g.shape}")
    if len(t) == 0:
        return math.nan
    if min(t.min(), g.min()) < 0 or max(t.max(), g.max()) >= classes:
        raise ValueError(f"with {classes} classes, truth and guess are numbers from 0 to {classes - 1}")
    met = np.bincount(t, minlength=classes) + np.bincount(g, minlength=classes)
    right = np.bincount(t[t == g], minlength=classes)
    return float(np.mean(2 * right[met > 0] / met[met > 0]))
