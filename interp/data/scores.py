"""Published scores of texts, for comparison with our own: one row per pair, or one row per text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from interp.data.blv import RatedTexts
from interp.data.errors import DataError
from interp.data.tables import read_table
from interp.errors import quoted


@dataclass(frozen=True)
class _Format:
    """Format of a score file.

    Attributes:
        what: noun for the scored items.
        forms: name of the column that identifies an item, and names of the columns of scores; the first form that a
            file has is read.
    """

    what: str
    forms: tuple[tuple[str, ...], ...]

    def form(self, header: Sequence[str]) -> tuple[str, ...] | None:
        """Return the first form whose columns all exist, or None."""
        return next((form for form in self.forms if set(form) <= set(header)), None)

    def __str__(self) -> str:
        return ", ".join(self.forms[0])


_PAIRS = _Format(
    "pairs",
    (
        ("filename", "description_clipscore", "caption_clipscore"),
        ("filename", "description_score", "caption_score"),
    ),
)
_TEXTS = _Format(
    "single texts",
    (
        ("description", "clipscore"),
        ("description", "score"),
        ("texts", "clipscore"),  # these two forms as Kreiss et al. 2022 publish them
        ("texts", "spurts_score"),
    ),
)


def read_pair_scores(path: Path | str) -> dict[str, tuple[float, float]]:
    """Read a CSV with the columns ``filename``, ``description_clipscore`` and ``caption_clipscore``.

    The last two columns may be ``description_score`` and ``caption_score`` instead. Other columns are ignored.

    Returns:
        File name of the image -> scores of its description and of its caption, on the scale of the file.

    Raises:
        DataError: the file is missing, damaged or of another format, a score is not a number, or an image has two
            scores.
    """
    return {name: (description, caption) for name, (description, caption) in _read(path, _PAIRS, _TEXTS).items()}


def read_text_scores(path: Path | str) -> dict[str, float]:
    """Read a CSV with the columns ``description`` and ``clipscore``, or ``score``; other columns are ignored.

    The files of Kreiss et al. 2022, with the columns ``texts`` and ``clipscore`` or ``SPURTS_score``, are accepted
    unchanged.

    Returns:
        Description -> score, on the scale of the file.

    Raises:
        DataError: the file is missing, damaged or of another format, a score is not a number, or a text has two scores.
    """
    return {text: score for text, (score,) in _read(path, _TEXTS, _PAIRS).items()}


def _read(path: Path | str, wanted: _Format, other: _Format) -> dict[str, tuple[float, ...]]:
    table = read_table(path)
    form = wanted.form(table.columns)
    if form is None:
        kind = f" (scores of {other.what}, not of {wanted.what})" if other.form(table.columns) else ""
        raise DataError(f"'{path}' needs the columns {wanted}; its columns: {table.listed}{kind}")
    scores: dict[str, tuple[float, ...]] = {}
    for row in table.rows:
        key = row.filled(form[0])
        values = tuple(row.number_in(column) for column in form[1:])
        if scores.setdefault(key, values) != values:
            raise row.error(form[0], f"{quoted(key)} has other scores in a row above; keep one row")
    if not scores:
        raise DataError(f"'{path}' holds no scores, only the header; write a row for each score")
    return scores


def text_scores(path: Path, rated: RatedTexts) -> np.ndarray:
    """Return the scores of rated texts from a file, which may hold more texts; raise `DataError` if one is missing."""
    table = read_text_scores(path)
    if absent := [text.description for text in rated.texts if text.description not in table]:
        raise DataError(
            f"'{path}' has no scores for {len(absent)} of the {len(rated)} rated texts, first: {absent[0]:.60}"
        )
    return np.array([table[text.description] for text in rated.texts])
