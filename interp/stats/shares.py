"""Outcomes and statistics of outcomes: IIA, preference, shares of independent trials, means of means, F1."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.clusters import score_interval
from interp.stats.estimate import Estimate, percentiles, resamples
from interp.stats.spread import effective, enough

ROUNDING = 1e-6  # bound of the rounding error of a cosine in float32, which is about 1e-7


def wilson(hits: float, n: int) -> Estimate:
    """Return the share of hits among n independent trials, with the 95 % score interval of Wilson (1927).

    Unlike a bootstrap interval, this interval has a positive width even if all or no trials are hits. Without trials,
    the share and the interval are NaN.

    Args:
        hits: number of hits; a tie is half a hit.
        n: number of trials.

    Raises:
        ValueError: hits are negative or exceed the trials.

    >>> wilson(10, 10).high, round(wilson(10, 10).low, 3)
    (1.0, 0.722)
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be from 0 to n, got {hits} of {n}")
    if n == 0:
        return Estimate(math.nan, 0)
    return Estimate(hits / n, n, *score_interval(hits / n, n))


def mean_of_means(
    samples: Sequence[tuple[ArrayLike, ArrayLike]],
    weights: Sequence[float] | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return the weighted mean of the means of samples; the clusters of each sample are resampled independently.

    Args:
        samples: values, and the cluster of each value, both of length n.
        weights: weights of the samples; equal by default.
        draws: number of bootstrap samples.
        seed: seed of the draws.

    Returns:
        The mean, the number of values, and a bootstrap interval. The interval is missing (NaN) if the clusters of a
        sample are too few or of too uneven size (`too_few`).
    """
    share = np.ones(len(samples)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    value, n, drawn, every = 0.0, 0, np.zeros(draws), []
    for number, ((given, clusters), part) in enumerate(zip(samples, share, strict=True)):
        values = np.asarray(given, np.float64)
        groups = np.unique(np.asarray(clusters), return_inverse=True)[1]
        sums, counts = np.bincount(groups, values), np.bincount(groups)
        value, n = value + part * float(values.mean()), n + len(values)
        every.append(groups)
        times = resamples(np.arange(len(sums)), draws, seed + number)  # draws clusters, which are fewer than values
        drawn += part * (np.nan if times is None or not enough(counts) else (times @ sums) / (times @ counts))
    if not every or not np.isfinite(drawn).all():
        return Estimate(value, n)
    return Estimate(value, n, *percentiles(drawn, min(every, key=lambda groups: effective(np.bincount(groups)))))


def settled(differences: ArrayLike) -> NDArray[np.float64]:
    """Return differences of scores, with 0 for differences that may be rounding errors.

    Two scores tie if they differ by less than `ROUNDING`, 1e-6. A score is a cosine. In float32, a text that is
    embedded in two batches gets two cosines that differ by up to a few 1e-7. The order of these two cosines carries no
    information. The bound also suits coarser scores: in bfloat16, in float16, or with the few digits of a published
    table, two cosines are either equal or differ by more than 1e-6.
    """
    values = np.asarray(differences, np.float64)
    return np.where(np.abs(values) < ROUNDING, 0.0, values)


def preference(positive: ArrayLike, negative: ArrayLike) -> NDArray[np.float64]:
    """Return 1 for each pair whose positive text has the higher score, 0 for the lower score, and 1/2 for a tie.

    The mean is the preference accuracy. Scores that differ by rounding errors tie (`settled`). A tie counts half,
    so a model that cannot tell texts apart is at chance.

    >>> preference([0.3, 0.3, 0.3], [0.2, 0.3, 0.3000001]).tolist()
    [1.0, 0.5, 0.5]
    """
    gap = settled(np.asarray(positive, np.float64) - np.asarray(negative, np.float64))
    return (np.sign(gap) + 1) / 2


def iia_outcomes(
    base: ArrayLike, counterfactual: ArrayLike, *, winner: Literal["base", "counterfactual"]
) -> NDArray[np.float64]:
    """Return 1 for each counterfactual whose predicted winner has the higher score, and 0 for the lower score.

    IIA is the mean of these outcomes. A tie counts half (`settled`), so an intervention without an effect is at
    chance.

    Raises:
        ValueError: the winner is neither ``base`` nor ``counterfactual``.
    """
    if winner not in ("base", "counterfactual"):
        raise ValueError(f"winner must be 'base' or 'counterfactual', not '{winner}'")
    return preference(counterfactual, base) if winner == "counterfactual" else preference(base, counterfactual)


def placement(values: ArrayLike, others: ArrayLike) -> NDArray[np.float64]:
    """Return for each value the share of smaller values among the others; ties count half.

    The mean of the shares is the area under the ROC curve.

    >>> placement([0, 2, 5], [1, 2]).tolist()
    [0.0, 0.75, 1.0]
    """
    x, ordered = np.asarray(values), np.sort(np.asarray(others))
    return (np.searchsorted(ordered, x, "left") + np.searchsorted(ordered, x, "right")) / (2 * len(ordered))


def macro_f1(truth: ArrayLike, guess: ArrayLike, classes: int) -> float:
    """Return the unweighted mean of F1 over the classes that occur in `truth` or in `guess`; NaN if no class occurs.

    Args:
        truth, guess: class numbers from 0, length n.
        classes: number of classes.

    Raises:
        ValueError: lengths differ, or a number is not the number of a class.

    >>> macro_f1([0, 1, 2], [0, 1, 3], classes=9)
    0.5
    """
    t, g = np.asarray(truth, np.int64), np.asarray(guess, np.int64)
    if t.shape != g.shape or t.ndim != 1:
        raise ValueError(f"truth and guess must be one-dimensional and of equal length, got {t.shape} and {g.shape}")
    if len(t) == 0:
        return math.nan
    if min(t.min(), g.min()) < 0 or max(t.max(), g.max()) >= classes:
        raise ValueError(f"with {classes} classes, truth and guess must be numbers from 0 to {classes - 1}")
    met = np.bincount(t, minlength=classes) + np.bincount(g, minlength=classes)
    right = np.bincount(t[t == g], minlength=classes)
    return float(np.mean(2 * right[met > 0] / met[met > 0]))
