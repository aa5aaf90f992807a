"""Metrics without a model: the length of a text, its concreteness, and scores from a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from interp.data.errors import DataError
from interp.data.norms import load_norm
from interp.data.pairs import digest
from interp.data.scores import read_text_scores
from interp.data.tables import Table, read_table
from interp.data.words import concreteness
from interp.errors import quoted
from training.metrics.items import Item, item_key

_ALL_PARTS = frozenset({"text", "image", "context"})
RATED = "rated"  # part of the rated texts
_KEY, _SCORE = "item", "score"  # columns of a file with scores

Score = Callable[[str, Sequence[Item]], np.ndarray]  # part and its items -> scores


@dataclass(frozen=True)
class Metric:
    """Metric of alt text.

    Attributes:
        name: name in tables.
        key: identifier that changes whenever a score would.
        score: function from the name of a part (a check) and its items to scores, shape (n,); NaN for a missing score.
        reads: parts of an item on which a score depends: ``text``, ``image``, ``context``.
        versus: name of the metric to compare with, in addition to the first metric.
        cut: function from items to marks of truncated texts; None if the metric never truncates.
        only_rated: True if the metric has scores of rated texts only.
    """

    name: str
    key: str
    score: Score
    reads: frozenset[str] = field(default_factory=lambda: frozenset({"text"}))
    versus: str | None = None
    cut: Callable[[Sequence[Item]], np.ndarray] | None = None
    only_rated: bool = False


def baselines() -> list[Metric]:
    """Return the metrics without an image, which a useful metric must exceed.

    These are ``length``, the number of characters, and ``concreteness``, the mean concreteness of the content words
    (Brysbaert, Warriner & Kuperman 2014). A text without rated words has the mean of all rated words.
    """
    norm = load_norm("concreteness")
    usual = float(np.mean(list(norm.ratings.values())))

    def length(_part: str, items: Sequence[Item]) -> np.ndarray:
        return np.array([float(len(item.text)) for item in items])

    def concrete(_part: str, items: Sequence[Item]) -> np.ndarray:
        return np.nan_to_num(np.array([concreteness(item.text, norm) for item in items]), nan=usual)

    return [Metric("length", "characters", length), Metric("concreteness", norm.fingerprint, concrete)]


def given_metric(path: str, parts: Mapping[str, Sequence[Item]]) -> Metric:
    """Return the metric whose scores a file holds, for all items or for rated texts only.

    Args:
        path: CSV file with the columns ``item`` and ``score``, whose items come from ``items.jsonl``; or a file that
            `interp.data.scores.read_text_scores` reads.
        parts: items to score, by part.

    Raises:
        DataError: the file is missing or damaged, lacks columns or items, or has two scores for one item.
    """
    table = read_table(path)
    if _KEY not in table.columns:
        return _of_texts(path, parts.get(RATED, ()))
    given = _read_items(table)
    every = {item_key(part, item): item for part, items in parts.items() for item in items}
    if absent := [item for key, item in every.items() if key not in given]:
        raise DataError(
            f"'{path}' has no scores for {len(absent)} of the {len(every)} items; the first missing item is of "
            f"{quoted(absent[0].name)}; score the items.jsonl of the same --data, --limit and --seed"
        )

    def score(part: str, items: Sequence[Item]) -> np.ndarray:
        return np.array([given[item_key(part, item)] for item in items])

    return Metric(Path(path).stem, digest(f"{key}={given[key]!r}" for key in sorted(every)), score, _ALL_PARTS)


def _read_items(table: Table) -> dict[str, float]:
    table.require(_KEY, _SCORE)
    by_item: dict[str, float] = {}
    for row in table.rows:
        key, score = row.filled(_KEY), row.number_in(_SCORE)
        if by_item.setdefault(key, score) != score:
            raise row.error(_KEY, f"{quoted(key)} has two different scores; keep one of the rows")
    return by_item


def _of_texts(path: str, rated: Sequence[Item]) -> Metric:
    """Return the metric of a table of scores of rated texts."""
    by_text = read_text_scores(path)
    if not rated:
        raise DataError(f"'{path}' has scores of rated texts, but there are no ratings; add --blv FOLDER")
    if absent := [item for item in rated if item.text not in by_text]:
        raise DataError(
            f"'{path}' has no scores for {len(absent)} of the {len(rated)} rated texts; "
            f"the first missing text is: {absent[0].text:.60}"
        )

    def score(_part: str, items: Sequence[Item]) -> np.ndarray:
        return np.array([by_text[item.text] for item in items])

    key = digest(f"{item.text}={by_text[item.text]!r}" for item in rated)
    return Metric(Path(path).stem, key, score, only_rated=True)
