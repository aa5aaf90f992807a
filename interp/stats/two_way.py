"""Statistics of people's answers about images, with intervals that resample both people and images."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.correlation import once, weighted
from interp.stats.estimate import Estimate
from interp.stats.spread import LEAST_CLUSTERS, student

_DRAWS = 2000


def two_way_difference(
    x: ArrayLike,
    other: ArrayLike,
    ratings: Sequence[Sequence[float]],
    people: Sequence[Sequence[str]],
    clusters: Sequence[str],
    *,
    given: ArrayLike | None = None,
    draws: int = _DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return r(x, mean rating) − r(other, mean rating), with an interval for other people and other images.

    A pigeonhole bootstrap (Owen 2007) draws people and clusters of items with replacement, independently of each other.
    Each draw averages the ratings of the drawn people, and computes both correlations over the drawn clusters. The
    interval is the difference ± t · the standard deviation over draws. The degrees of freedom follow from the number of
    people or of clusters, whichever is smaller. The interval counts the noise of single ratings more than once, so it
    is too wide rather than too narrow.

    Args:
        x, other: scores of n items by two metrics.
        ratings: ratings of each item by its readers, NaN without a rating; several ratings by one reader are averaged.
        people: reader of each rating.
        clusters: image of each item.
        given: a third variable, length n, which makes both correlations partial correlations.

    Returns:
        The difference, and the number of items with a rating and both scores. The interval is missing (NaN) with fewer
        than 8 people or clusters.

    Raises:
        ValueError: lengths differ.
    """
    a, b = np.asarray(x, np.float64), np.asarray(other, np.float64)
    rest = [] if given is None else [np.asarray(given, np.float64)]
    if not len(a) == len(b) == len(ratings) == len(people) == len(clusters) == len(rest[0] if rest else a):
        raise ValueError("x, other, ratings, people, clusters and given must be of equal length")
    names = sorted({name for readers in people for name in readers})
    places = {name: column for column, name in enumerate(names)}
    sums, counts = np.zeros((2, len(a), len(names)))
    for row, (values, readers) in enumerate(zip(ratings, people, strict=True)):
        for value, name in zip(values, readers, strict=True):
            if not math.isnan(value):
                sums[row, places[name]] += value
                counts[row, places[name]] += 1
    with np.errstate(invalid="ignore"):
        table = sums / counts
    kept = np.isfinite(table).any(1) & np.logical_and.reduce([np.isfinite(each) for each in (a, b, *rest)])
    table, a, b, rest = table[kept], a[kept], b[kept], [each[kept] for each in rest]
    groups = np.unique(np.asarray(clusters)[kept], return_inverse=True)[1]
    means = np.nanmean(table, axis=1)
    value = once(a, means, rest) - once(b, means, rest)
    present = np.isfinite(table).any(0)
    fewest = min(int(present.sum()), len(np.unique(groups)))
    if fewest < LEAST_CLUSTERS or math.isnan(value):
        return Estimate(value, len(a))
    drawn = _drawn(a, b, rest, table[:, present], groups, draws, np.random.default_rng(seed))
    reach = student(fewest - 1) * float(np.nanstd(drawn, ddof=1))
    return Estimate(value, len(a), max(value - reach, -2.0), min(value + reach, 2.0))


def _drawn(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    rest: list[NDArray[np.float64]],
    table: NDArray[np.float64],
    groups: NDArray[np.int64],
    draws: int,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Return the difference in each draw of people and clusters, shape (draws,)."""
    finite = np.isfinite(table)
    filled, count = np.where(finite, table, 0.0), int(groups.max()) + 1
    readers = rng.multinomial(table.shape[1], np.full(table.shape[1], 1 / table.shape[1]), draws).astype(np.float64)
    images = rng.multinomial(count, np.full(count, 1 / count), draws)[:, groups].astype(np.float64)
    out = np.empty(draws)
    for number, (weights, times) in enumerate(zip(readers, images, strict=True)):
        counts = finite @ weights
        rated = counts > 0
        means = filled[rated] @ weights / counts[rated]
        held, repeats = [each[rated] for each in rest], times[None, rated]
        left, right = (weighted(each[rated], means, held, repeats)[0] for each in (a, b))
        out[number] = left - right
    return out


def two_way_jackknife(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]], people: Sequence[str], clusters: Sequence[str]
) -> list[Estimate]:
    """Return statistics of answers, with intervals for other people and other clusters of items.

    The variance adds the jackknife variances over people and over clusters. It subtracts the jackknife variance over
    answers of a person about a cluster, which both count (Cameron, Gelbach & Miller 2011). The result is at least as
    large as the larger of the two. The interval is ± t standard errors. The degrees of freedom are one less than the
    number of people or of clusters, whichever is smaller.

    Args:
        statistic: (weights of answers, length n) -> statistics, length m.
        people: person of each answer.
        clusters: cluster of items of each answer.

    Returns:
        m estimates. The intervals are missing (NaN) with fewer than 8 people or clusters. The interval of a statistic
        is also missing if the statistic without any person or cluster is NaN.

    Raises:
        ValueError: lengths differ.
    """
    if len(people) != len(clusters):
        raise ValueError(f"people and clusters must be of equal length, got {len(people)} and {len(clusters)}")
    names = [np.unique(each, return_inverse=True)[1] for each in (people, clusters)]
    cells = np.unique(names[0] * (len(people) + 1) + names[1], return_inverse=True)[1]
    values = np.asarray(statistic(np.ones(len(people))), np.float64)
    fewest = min(len(np.unique(codes)) for codes in names) if len(people) else 0
    if fewest < LEAST_CLUSTERS:
        return [Estimate(float(value), len(people)) for value in values]
    of_people, of_clusters, of_cells = (_jackknife(statistic, values, codes) for codes in (*names, cells))
    variances = np.maximum(of_people + of_clusters - of_cells, np.maximum(of_people, of_clusters))
    reaches = student(fewest - 1) * np.sqrt(variances)
    return [
        Estimate(float(value), len(people), float(value - reach), float(value + reach))
        for value, reach in zip(values, reaches, strict=True)
    ]


def _jackknife(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the variance of statistics when each group of answers in turn is left out."""
    count = int(codes.max()) + 1
    squares = [(statistic((codes != group).astype(np.float64)) - values) ** 2 for group in range(count)]
    return np.asarray((count - 1) / count * np.sum(squares, axis=0))
