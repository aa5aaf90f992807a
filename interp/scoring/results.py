"""Table of scores of alt texts (scores.csv), and phrases about each row. No torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from interp.drawing.markup import listed
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text

if TYPE_CHECKING:
    import pandas as pd

    from interp.scoring.scores import ScoredTexts

FILE = "scores.csv"


def write_scores(scored: ScoredTexts, folder: Path) -> Path:
    """Write the scores of all rows, in the order of the table, and return the file."""
    path = folder / FILE
    write_atomic(path, "\ufeff" + csv_text(_frame_of(scored)))  # Excel recognizes UTF-8 by the byte order mark
    return path


def _frame_of(scored: ScoredTexts) -> pd.DataFrame:
    """Return scores and notes of all rows; undefined values are NaN or empty.

    Columns are ``row``, ``image``, ``text``, ``score``, ``rank``, ``tokens``, ``cut``, ``duplicates`` and ``notes``.
    With several models, ``score NAME`` for each model replaces ``score``, and ``difference`` is the last score minus
    the first. The ranks are ranks of the last model's scores; the lowest score has rank 1.
    """
    import pandas as pd

    rows = scored.table.rows
    ranks = {place: rank for rank, place in enumerate(scored.worst_first, start=1)}
    twins, notes = duplicates(scored), notes_of(scored)
    several = len(scored.models) > 1
    columns: dict[str, Sequence[object]] = {
        "row": [row.number for row in rows],
        "image": [row.image for row in rows],
        "text": [row.text for row in rows],
    }
    for name, values in zip(scored.models, scored.scores, strict=True):
        columns[f"score {name}" if several else "score"] = values
    if several:
        columns["difference"] = scored.scores[-1] - scored.scores[0]
    columns["rank"] = pd.array([ranks.get(place) for place in range(len(rows))], dtype="Int64")
    columns["tokens"] = pd.array([int(count) or None for count in scored.tokens], dtype="Int64")
    columns["cut"] = [bool(cut) for cut in scored.cut]
    columns["duplicates"] = ["; ".join(twins[place]) for place in range(len(rows))]
    columns["notes"] = ["; ".join(notes[place]) for place in range(len(rows))]
    return pd.DataFrame(columns)


def duplicates(scored: ScoredTexts) -> Mapping[int, list[str]]:
    """Return phrases about the other rows with the text or the image of a row, by the place of the row."""
    rows = scored.table.rows
    texts = {place: " ".join(row.text.casefold().split()) for place, row in enumerate(rows) if not row.problem}
    images = {place: picture.key for place, picture in enumerate(scored.pictures) if picture and not picture.problem}
    phrases = defaultdict[int, list[str]](list)
    for kind, keys in (("text", texts), ("image", images)):
        alike = defaultdict[str, list[int]](list)
        for place, key in keys.items():
            alike[key].append(place)
        for places in alike.values():
            for place in places:
                if others := [rows[other].number for other in places if other != place]:
                    phrases[place].append(f"same {kind} as {_rows(others)}")
    return phrases


def notes_of(scored: ScoredTexts) -> Mapping[int, list[str]]:
    """Return phrases about the problem of a row, its cut text and its changed image, by the place of the row."""
    phrases = defaultdict[int, list[str]](list)
    for place, (row, picture) in enumerate(zip(scored.table.rows, scored.pictures, strict=True)):
        if row.problem:
            phrases[place].append(row.problem)
        elif scored.cut[place]:
            phrases[place].append(f"cut: the model reads {scored.context} of {scored.tokens[place]} tokens")
        if picture is not None:
            phrases[place] += [f"image: {change}" for change in picture.changes]
    return phrases


def _rows(numbers: Iterable[int], most: int = 5) -> str:
    """Return a list of row numbers as a phrase.

    >>> _rows([3]), _rows([3, 4]), _rows([3, 4, 5], most=1)
    ('row 3', 'rows 3 and 4', 'rows 3 and 2 more')
    """
    shown = list(map(str, numbers))
    more = len(shown) - most
    parts = [*shown[:most], f"{more} more"] if more > 0 else shown
    return f"row{'s' if len(shown) > 1 else ''} {listed(parts)}"
