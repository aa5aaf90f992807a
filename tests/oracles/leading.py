"""Leading directions of a subspace by the most obvious means: projections of whole streams, and loops over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True)
class Said:
    """A text: its kind, its words, its pair and its article."""

    kind: str
    text: str
    words: Sequence[str]
    pair: str
    article: str


def projected(streams: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """What of each stream lies in the subspace, from the mean of all: shape (n, d), as the streams."""
    inside = streams @ basis @ basis.T
    return inside - inside.mean(0)


def directions(streams: np.ndarray, basis: np.ndarray, most: int) -> list[np.ndarray]:
    """Unit vectors in the whole stream: the difference of means, then right singular vectors of what is left."""
    inside = projected(streams, basis)
    half, scale = len(inside) // 2, np.sqrt((inside**2).sum() / len(inside))
    difference = inside[:half].mean(0) - inside[half:].mean(0)
    found = []
    if np.linalg.norm(difference) > 1e-5 * scale:
        found.append(difference / np.linalg.norm(difference))
        inside = np.array([row - (row @ found[0]) * found[0] for row in inside])
    _, sizes, vectors = np.linalg.svd(inside, full_matrices=False)
    found += [vector for size, vector in zip(sizes, vectors, strict=True) if size**2 / len(inside) > 1e-10 * scale**2]
    return found[:most]


def above(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often one of the first lies above one of the others, by scikit-learn; a tie counts half."""
    labels = [True] * len(positive) + [False] * len(negative)
    return float(roc_auc_score(labels, [*positive, *negative]))


def cross_fitted(streams: np.ndarray, basis: np.ndarray, articles: Sequence[str], folds: int) -> float:
    """Of all comparisons within a fold, how often the positive text lies above along the other folds' difference."""
    inside, half, names = projected(streams, basis), len(articles), sorted(set(articles))
    fold = [names.index(article) % folds for article in articles]
    hits = []
    for number in range(folds):
        held, rest = ([i for i in range(half) if (fold[i] == number) == own] for own in (True, False))
        if held and rest:
            difference = np.mean([inside[i] - inside[half + i] for i in rest], axis=0)
            for i in held:
                for j in held:
                    a, b = inside[i] @ difference, inside[half + j] @ difference
                    hits.append((a > b) + (a == b) / 2)
    return float(np.mean(hits)) if hits else math.nan


def texts_at(values: np.ndarray, texts: Sequence[Said], sign: int, most: int) -> list[int]:
    """Rows of the texts furthest out on one side of 0, none of an article or with a text that was there before."""
    found: list[int] = []
    for row in sorted(range(len(values)), key=lambda row: -sign * values[row]):
        fresh = all(
            texts[row].article != texts[other].article and texts[row].text.lower() != texts[other].text.lower()
            for other in found
        )
        if fresh and sign * values[row] > 0 and len(found) < most:
            found.append(row)
    return found


def word_differences(
    values: np.ndarray, texts: Sequence[Said], least_texts: int, least_articles: int
) -> dict[str, tuple[float, int]]:
    """Word -> mean of the texts with it minus mean of those without, and how many have it."""
    out = {}
    for word in {word for text in texts for word in text.words}:
        with_it = [i for i, text in enumerate(texts) if word in text.words]
        without = [i for i, text in enumerate(texts) if word not in text.words]
        articles = {texts[i].article for i in with_it}
        if len(with_it) >= least_texts and len(articles) >= least_articles and without:
            out[word] = (float(np.mean(values[with_it]) - np.mean(values[without])), len(with_it))
    return out
