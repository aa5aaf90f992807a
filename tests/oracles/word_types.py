"""Oracle of statistics of word types, by loops over pairs of types, left-out types and signs of articles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats


def means_by_word(words: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    by_word: dict[int, list[float]] = {}
    for word, value in zip(words, values, strict=True):
        by_word.setdefault(word, []).append(value)
    return {word: sum(values_of_word) / len(values_of_word) for word, values_of_word in sorted(by_word.items())}


def partial_by_residuals(x: Sequence[float], y: Sequence[float], given: Sequence[Sequence[float]] = ()) -> float:
    """Return Pearson's r of the residuals of x and y after least squares on the given variables."""
    design = np.stack([np.ones(len(x)), *given], axis=1)
    rest = [np.array(column) - design @ np.linalg.lstsq(design, np.array(column), rcond=None)[0] for column in (x, y)]
    return float(stats.pearsonr(*rest).statistic)


def sampled_clusters(
    clusters: Sequence[int], statistic: Callable[[list[int]], float], draws: int, seed: int = 0
) -> list[float]:
    """Return a statistic of the numbers of units in each sample of whole clusters drawn with replacement."""
    names, rng, out = sorted(set(clusters)), np.random.default_rng(seed), []
    for _ in range(draws):
        times = rng.multinomial(len(names), [1 / len(names)] * len(names))
        chosen = [name for name, count in zip(names, times, strict=True) for _ in range(count)]
        out.append(statistic([i for name in chosen for i in range(len(clusters)) if clusters[i] == name]))
    return out


Places = Sequence[Sequence[int]]  # for each word type, the article of each occurrence
Interval = tuple[float, float, float]  # value and ends


def overlap(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the share of pairs of occurrences that come from the same article."""
    return sum(a == b for a in first for b in second) / (len(first) * len(second))


def similarity(first: Sequence[int], second: Sequence[int]) -> float:
    """Return twice the overlap, scaled down for types that would overlap by more than 1 with themselves."""
    scales = [min(2.0, 1 / overlap(places_of, places_of)) for places_of in (first, second)]
    return math.sqrt(scales[0] * scales[1]) * overlap(first, second)


def weights(places: Places, weight: Callable[[Sequence[int], Sequence[int]], float]) -> np.ndarray:
    """Return the weight of each pair of word types in a variance, which is 1 for a type and itself."""
    count = range(len(places))
    return np.array([[1.0 if i == j else weight(places[i], places[j]) for j in count] for i in count])


def effective(matrix: np.ndarray) -> float:
    return len(matrix) ** 2 / sum(value**2 for row in matrix.tolist() for value in row)


def student_t(places: Places, matrix: np.ndarray) -> float:
    """Return t for an interval; NaN with fewer than three articles or effective units."""
    least = min(effective(matrix), len({article for articles in places for article in articles}))
    return float(stats.t.ppf(0.975, least - 1)) if least >= 3 - 1e-9 else math.nan


def covariance_of_means(a: Sequence[float], b: Sequence[float], matrix: np.ndarray) -> float:
    """Return the covariance of two means over word types, pair of types by pair of types."""
    n, units = len(a), effective(matrix)
    x, y = np.array(a) - np.mean(a), np.array(b) - np.mean(b)
    total = sum(matrix[i, j] * x[i] * y[j] for i in range(n) for j in range(n))
    return float(total / n**2 * units / (units - 1))


def variance_of_mean(a: Sequence[float], matrix: np.ndarray) -> float:
    """Return the variance of a mean, at least that of a mean of independent values."""
    return max(float(np.var(a, ddof=1)) / len(a), covariance_of_means(a, a, matrix))


def jackknife(
    columns: np.ndarray, places: Places, statistic: Callable[[np.ndarray], float], *, fisher: bool
) -> Interval:
    """Return a statistic of columns (p, types) with a jackknife interval, in which each word type is left out once.

    Args:
        fisher: True to compute the interval for Fisher's z.
    """
    n, value = columns.shape[1], statistic(columns)
    matrix = weights(places, similarity)
    t = student_t(places, matrix) if n > len(columns) + 1 else math.nan
    if math.isnan(value) or math.isnan(t) or (fisher and abs(value) > 1 - 1e-12):
        return value, math.nan, math.nan
    without = [(n - 1) * statistic(np.delete(columns, j, axis=1)) for j in range(n)]
    reach = t * math.sqrt(variance_of_mean(without, matrix))
    if not fisher:
        return value, value - reach, value + reach
    z, reach = math.atanh(value), reach / (1 - value**2)
    return value, math.tanh(z - reach), math.tanh(z + reach)


def expected_correlation(
    occurrences: Sequence[Sequence[tuple[int, float]]], ratings: Sequence[float]
) -> tuple[int, float, Interval]:
    """Return the number of repeated word types, their reliability, and the disattenuated correlation.

    Args:
        occurrences: article and value of each occurrence of each word type.
        ratings: rating of each type.
    """
    kept = [
        (occurrences_of, rating)
        for occurrences_of, rating in zip(occurrences, ratings, strict=True)
        if len({article for article, _ in occurrences_of}) > 1 and not math.isnan(rating)
    ]
    nothing = (math.nan, math.nan, math.nan)
    if len(kept) < 10:
        return len(kept), math.nan, nothing
    places = [[article for article, _ in occurrences_of] for occurrences_of, _ in kept]
    matrix = weights(places, overlap)
    means = [float(np.mean([value for _, value in occurrences_of])) for occurrences_of, _ in kept]
    noise = [_noise(occurrences_of) for occurrences_of, _ in kept]
    d, g = np.array(means) - np.mean(means), np.array([rating for _, rating in kept])
    g = g - g.mean()
    c, y, x = (float(np.mean(a * b)) + covariance_of_means(a, b, matrix) for a, b in ((d, g), (d, d), (g, g)))
    v, t = y - float(np.mean(noise)), student_t(places, matrix)
    if v <= 0:
        return len(kept), v / y, nothing
    root = math.sqrt(v * x)
    parts = d * g, root / 2 * ((d * d - np.array(noise)) / v + g * g / x)
    ends = []
    for each in (np.eye(len(kept)), matrix):
        v11, v12, v22 = (
            covariance_of_means(a, b, each) for a, b in ((parts[0], parts[0]), (parts[0], parts[1]), (parts[1],) * 2)
        )
        roots = np.roots([root**2 - t**2 * v22, -2 * (c * root - t**2 * v12), c**2 - t**2 * v11])
        if root**2 <= t**2 * v22:
            return len(kept), v / y, nothing
        ends += sorted(roots.real.tolist())
    low, high = min(ends), max(ends)
    if low > 1 or high < -1:
        return len(kept), v / y, nothing
    value = c / root
    return len(kept), v / y, (math.nan if abs(value) > 1 else value, max(low, -1.0), min(high, 1.0))


def _noise(occurrences: Sequence[tuple[int, float]]) -> float:
    """Return the variance of a type's mean, from the means of its articles."""
    mean, shares, away = np.mean([value for _, value in occurrences]), [], []
    for name in sorted({article for article, _ in occurrences}):
        values_here = [value for article, value in occurrences if article == name]
        shares.append(len(values_here) / len(occurrences))
        away.append(float(np.mean(values_here) - mean))
    k, k3 = sum(p**2 for p in shares), sum(p**3 for p in shares)
    return k / (k - 2 * k3 + k**2) * sum((p * e) ** 2 for p, e in zip(shares, away, strict=True))


def step_down_by_signs(
    cells: np.ndarray, norms: np.ndarray, places: Places, signs: Sequence[tuple[Sequence[float], Sequence[float]]]
) -> np.ndarray:
    """Return the adjusted p of every correlation, by loops over draws of signs and over word types.

    Args:
        places: articles by number.
        signs: for each draw, the signs of the articles and the signs of the word types.
    """
    matrix = weights(places, similarity)

    def multiplier(word: int, of_articles: Sequence[float], of_types: Sequence[float]) -> float:
        articles = places[word]
        same = overlap(articles, articles)
        common = min(2 * same, 1.0)
        article = sum(of_articles[name] for name in articles) / len(articles) * math.sqrt(common / same)
        return article + math.sqrt(1 - common) * of_types[word]

    def statistic(cell: np.ndarray, norm: np.ndarray, sign: tuple[Sequence[float], Sequence[float]] | None) -> float:
        """Return |r| over its error. With signs, deviations of the attributions are multiplied first."""
        rated = [word for word in range(len(norm)) if not math.isnan(norm[word])]
        x, y = (each[rated] - each[rated].mean() for each in (cell, norm))
        a, b = x / np.linalg.norm(x), y / np.linalg.norm(y)
        new, mean = a, 0.0
        if sign is not None:
            new = np.array([value * multiplier(word, *sign) for word, value in zip(rated, a, strict=True)])
            mean = float(new.mean())
        r = float(sum(new * b))
        influences = np.array([(u - mean) * v - r * (w**2 + v**2) / 2 for u, v, w in zip(new, b, a, strict=True)])
        return abs(r) / math.sqrt(influences @ matrix[np.ix_(rated, rated)] @ influences)

    tests = [(cell, norm) for cell in cells for norm in norms]
    statistics = [statistic(*test, None) for test in tests]
    order = sorted(range(len(statistics)), key=lambda i: -statistics[i])
    beyond = [0] * len(statistics)
    for sign in signs:
        drawn = [statistic(*test, sign) for test in tests]
        for place, i in enumerate(order):
            beyond[i] += max(drawn[j] for j in order[place:]) >= statistics[i] * (1 - 1e-9)
    p, last = [0.0] * len(statistics), 0.0
    for i in order:
        last = p[i] = max(last, (beyond[i] + 1) / (len(signs) + 1))
    return np.array(p).reshape(len(cells), len(norms))


def p_by_permutation(cell: np.ndarray, norm: np.ndarray, draws: int, rng: np.random.Generator) -> float:
    """Return p of a correlation under the assumption that word types are exchangeable, which is false in general."""
    a, b = cell - cell.mean(), norm - norm.mean()
    drawn = rng.permuted(np.tile(b, (draws, 1)), axis=1) @ a
    return float((1 + (np.abs(drawn) >= abs(a @ b)).sum()) / (draws + 1))
