"""Table of scores of alt texts: scores.csv, and phrases about each row. No torch."""

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
    """Write one row for each row of the table, in its order; return the file."""
    path = folder / FILE
    write_atomic(path, "\ufeff" + csv_text(_frame_of(scored)))  # with the mark by which Excel recognizes UTF-8
    return path


def _frame_of(scored: ScoredTexts) -> pd.DataFrame:
    """Return scores and notes of all rows; undefined values are NaN or empty.

    Columns are ``row``, ``image``, ``text``; ``score``, or with several models ``score NAME`` for each and
    ``difference``, the last minus the first; ``rank`` by the score of the last model, where 1 is the lowest;
    ``tokens``, ``cut``, ``duplicates`` and ``notes``.
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
    """Return for each row the other rows with its text or its image, as phrases."""
    rows = scored.table.rows
    texts = {place: " ".join(row.text.casefold().split()) for place, row in enumerate(rows) if not row.problem}
    images = {place: picture.key for place, picture in enumerate(scored.pictures) if picture and not picture.problem}
    phrases = defaultdict[int, list[str]](list)
    for what, keys in (("text", texts), ("image", images)):
        alike = defaultdict[str, list[int]](list)
        for place, key in keys.items():
            alike[key].append(place)
        for places in alike.values():
            for place in places:
                if others := [rows[other].number for other in places if other != place]:
                    phrases[place].append(f"the {what} of {_rows(others)}")
    return phrases


def notes_of(scored: ScoredTexts) -> Mapping[int, list[str]]:
    """Return for each row its problem, the truncation of its text, and changes to its image, as phrases."""
    phrases = defaultdict[int, list[str]](list)
    for place, (row, picture) in enumerate(zip(scored.table.rows, scored.pictures, strict=True)):
        if row.problem:
            phrases[place].append(row.problem)
        elif scored.cut[place]:
            phrases[place].append(f"{scored.tokens[place]} tokens, of which the first {scored.context} are read")
        if picture is not None:
            phrases[place] += [f"image: {change}" for change in picture.changes]
    return phrases


def _rows(numbers: Iterable[int], most: int = 5) -> str:
    shown = list(map(str, numbers))
    more = len(shown) - most
    some = [*shown[:most], f"{more} more"] if more > 0 else shown
    return f"row{'s' if len(shown) > 1 else ''} {listed(some)}"
