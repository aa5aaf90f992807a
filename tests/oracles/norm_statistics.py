"""Oracle of relations between attributions and norms, word by word and without code of the package."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import rankdata
from wordfreq import word_frequency

from tests.oracles.word_types import Interval, expected_correlation, jackknife

Columns = Sequence[np.ndarray]  # attributions, and the variables that they are compared with, by word type


def relations(
    texts: Sequence[Sequence[str]],
    values: Mapping[str, Sequence[Sequence[float]]],
    articles: Sequence[str],
    ratings: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return the measures of `interp.attribution.norm_relations`, `correlations` and `relations`.

    Args:
        texts: words of the positive texts of pairs, then of the negative texts.
        values: route -> attribution of each word of each text.
        articles: articles of the pairs.
        ratings: norm -> word -> rating.
    """
    spoken = [word for text in texts for word in text]
    text_of = [number for number, text in enumerate(texts) for _ in text]
    names = sorted(set(articles))
    place = [names.index(articles[number % len(articles)]) for number in text_of]
    kind = [float(number < len(articles)) for number in text_of]
    here: dict[str, list[int]] = {}
    for row, word in enumerate(spoken):
        here.setdefault(word, []).append(row)
    out: dict[str, float] = {}
    for route, of_texts in values.items():
        flat = [value for text in of_texts for value in text]
        means = {word: sum(flat[row] for row in rows) / len(rows) for word, rows in here.items()}
        for norm, rating in ratings.items():
            words, key = sorted(word for word in here if word in rating), f"_{norm}_{route}"
            places = [[place[row] for row in here[word]] for word in words]
            held = [[zipf(word), len(word), sum(kind[row] for row in here[word]) / len(here[word])] for word in words]
            plain = np.array([[means[word], rating[word]] for word in words]).reshape(-1, 2).T
            ranks = np.array([rankdata(column) for column in plain])
            every = np.concatenate([plain, np.array(held).reshape(-1, 3).T])
            for stem, columns in (("r", plain), ("rho", ranks), ("partial", every)):
                out |= with_ends(f"{stem}{key}", jackknife(columns, places, partial, fisher=True))
            occurrences = [[(place[row], flat[row]) for row in here[word]] for word in words]
            many, reliability, interval = expected_correlation(occurrences, [rating[word] for word in words])
            out |= {f"n_{norm}": len(words), f"n_repeated_{norm}": many, f"reliability{key}": reliability}
            out |= with_ends(f"disattenuated{key}", interval)
        if len(ratings) > 1:
            words = sorted(word for word in here if all(word in rating for rating in ratings.values()))
            columns = np.array([[means[word], *(by_word[word] for by_word in ratings.values())] for word in words])
            columns, places = columns.reshape(len(words), -1).T, [[place[row] for row in here[word]] for word in words]
            out["n_every_norm"] = len(words)
            for number, norm in enumerate(ratings):
                interval = jackknife(columns, places, lambda sample, i=number: betas(sample)[i], fisher=False)
                out |= with_ends(f"beta_{norm}_{route}", interval)
    return out


def zipf(word: str) -> float:
    """Return the Zipf frequency of a word, rounded as in wordfreq; 0 for an unknown word."""
    often = word_frequency(word, "en")
    return round(math.log10(1e9 * often), 2) if often > 0 else 0.0


def with_ends(key: str, interval: Interval) -> dict[str, float]:
    return dict(zip((key, f"{key}_low", f"{key}_high"), interval, strict=True))


def partial(columns: Columns) -> float:
    """Return Pearson's r of the residuals of the first two columns after least squares on all other columns."""
    if len(columns[0]) <= len(columns):
        return math.nan
    design = np.stack([np.ones(len(columns[0])), *columns[2:]], axis=1)
    left = []
    for column in columns[:2]:
        rest = column - design @ np.linalg.lstsq(design, column, rcond=None)[0]
        if rest.std() <= 1e-6 * max(column.std(), 1e-300):
            return math.nan
        left.append(rest)
    return float(np.corrcoef(left)[0, 1])


def betas(columns: Columns) -> list[float]:
    """Return the standardized coefficients of a regression of the first column on the others."""
    if len(columns[0]) <= len(columns) or min(column.std() for column in columns) <= 1e-9:
        return [math.nan] * (len(columns) - 1)
    y, *x = [(column - column.mean()) / column.std() for column in columns]
    if np.linalg.svd(np.stack(x), compute_uv=False)[-1] < 1e-4:
        return [math.nan] * len(x)
    return np.linalg.lstsq(np.stack(x, axis=1), y, rcond=None)[0].tolist()
