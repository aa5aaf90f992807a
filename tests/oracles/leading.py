"""Oracle of the leading directions of a subspace: projections of whole streams, and loops over texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score


@dataclass(frozen=True)
class KindText:
    """Text with its kind, its words, its pair and its article."""

    kind: str
    text: str
    words: Sequence[str]
    pair: str
    article: str


def projected(streams: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Return the part of each stream in the subspace, relative to the mean of all streams, shape (n, d)."""
    inside = streams @ basis @ basis.T
    return inside - inside.mean(0)


def directions(streams: np.ndarray, basis: np.ndarray, most: int) -> list[np.ndarray]:
    """Return unit vectors in the whole stream: the difference of means, then right singular vectors of the rest."""
    inside = projected(streams, basis)
    half, scale = len(inside) // 2, np.sqrt((inside**2).sum() / len(inside))
    difference = inside[:half].mean(0) - inside[half:].mean(0)
    axes = []
    if np.linalg.norm(difference) > 1e-5 * scale:
        axes.append(difference / np.linalg.norm(difference))
        inside = np.array([row - (row @ axes[0]) * axes[0] for row in inside])
    _, sizes, vectors = np.linalg.svd(inside, full_matrices=False)
    least = 1e-10 * scale**2
    axes += [vector for size, vector in zip(sizes, vectors, strict=True) if size**2 / len(inside) > least]
    return axes[:most]


def above(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return how often a positive value lies above a negative value, by scikit-learn; ties count half."""
    labels = [True] * len(positive) + [False] * len(negative)
    return float(roc_auc_score(labels, [*positive, *negative]))


def cross_fitted(streams: np.ndarray, basis: np.ndarray, articles: Sequence[str], folds: int) -> float:
    """Return how often the positive text lies above within a fold, along the difference of the other folds' means."""
    inside, half, names = projected(streams, basis), len(articles), sorted(set(articles))
    fold = [names.index(article) % folds for article in articles]
    hits = []
    for number in range(folds):
        held, rest = ([i for i in range(half) if (fold[i] == number) == inside_fold] for inside_fold in (True, False))
        if held and rest:
            difference = np.mean([inside[i] - inside[half + i] for i in rest], axis=0)
            for i in held:
                for j in held:
                    a, b = inside[i] @ difference, inside[half + j] @ difference
                    hits.append((a > b) + (a == b) / 2)
    return float(np.mean(hits)) if hits else math.nan


def texts_at(values: np.ndarray, texts: Sequence[KindText], sign: int, most: int) -> list[int]:
    """Return the rows of the texts furthest out on one side of 0, with no article and no text twice."""
    rows: list[int] = []
    for row in sorted(range(len(values)), key=lambda row: -sign * values[row]):
        fresh = all(
            texts[row].article != texts[other].article and texts[row].text.lower() != texts[other].text.lower()
            for other in rows
        )
        if fresh and sign * values[row] > 0 and len(rows) < most:
            rows.append(row)
    return rows


def word_differences(
    values: np.ndarray, texts: Sequence[KindText], least_texts: int, least_articles: int
) -> dict[str, tuple[float, int]]:
    """Return word -> mean of the texts with the word minus mean of the other texts, and number of texts with it."""
    out = {}
    for word in {word for text in texts for word in text.words}:
        with_it = [i for i, text in enumerate(texts) if word in text.words]
        without = [i for i, text in enumerate(texts) if word not in text.words]
        articles = {texts[i].article for i in with_it}
        if len(with_it) >= least_texts and len(articles) >= least_articles and without:
            out[word] = (float(np.mean(values[with_it]) - np.mean(values[without])), len(with_it))
    return out
