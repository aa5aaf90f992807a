"""Metrics that are compared: texts alone, scores from a file, and CLIP with and without context and subspace."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from interp.data.errors import DataError
from interp.data.norms import load_norm
from interp.data.pairs import digest
from interp.data.tables import read_table
from interp.errors import quoted
from training.metrics.items import Item

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        name: for tables.
        key: changes whenever a score would.
        score: items -> scores, shape (n,); NaN where a metric has none.
        reads: parts of an item that a score depends on: ``text``, ``image``, ``context``.
        versus: name of the metric that it is compared with, beside the first one.
    """

    name: str
    key: str
    score: Callable[[Sequence[Item]], np.ndarray]
    reads: frozenset[str] = field(default_factory=lambda: frozenset({"text"}))
    versus: str | None = None


def length_metric() -> Metric:
    """Return the number of characters of a text."""
    return Metric("length", "characters", lambda items: np.array([float(len(item.text)) for item in items]))


def concreteness_metric() -> Metric:
    """Return the mean concreteness of the words of a text (Brysbaert, Warriner & Kuperman 2014); a text without rated
    words has the mean of all rated words."""
    norm = load_norm("concreteness")
    usual = float(np.mean(list(norm.ratings.values())))

    def score(items: Sequence[Item]) -> np.ndarray:
        return np.array([_mean(norm.of(sorted(_WORD.findall(item.text))), usual) for item in items])

    return Metric("concreteness", norm.fingerprint, score)


def _mean(ratings: np.ndarray, usual: float) -> float:
    rated = ratings[np.isfinite(ratings)]
    return float(rated.mean()) if len(rated) else usual


def file_metric(path: Path | str) -> Metric:
    """Return the metric whose scores a file holds: a CSV with the columns ``item`` and ``score``.

    Names of items are those of ``items.csv``, which the benchmark writes.

    Raises:
        DataError: the file is missing or damaged, lacks a column, or has two scores for an item.
    """
    table = read_table(path)
    table.require("item", "score")
    known: dict[str, float] = {}
    for row in table.rows:
        name, score = row.filled("item"), row.number_in("score")
        if known.setdefault(name, score) != score:
            raise row.error("item", f"{quoted(name)} has another score before; keep one of the rows")
    if not known:
        raise DataError(f"'{path}' holds no scores, only the header")

    def scores(items: Sequence[Item]) -> np.ndarray:
        return np.array([known.get(item.name, np.nan) for item in items])

    reads = frozenset({"text", "image", "context"})
    return Metric(Path(path).stem, digest(f"{name}={score!r}" for name, score in sorted(known.items())), scores, reads)


def text_only(scores: Mapping[str, float], name: str) -> Metric:
    """Return the metric that a table of texts gives, for rated texts alone."""
    key = digest(f"{text}={score!r}" for text, score in sorted(scores.items()))
    return Metric(name, key, lambda items: np.array([scores.get(item.text, np.nan) for item in items]))
