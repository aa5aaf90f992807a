"""Page with the scores of alt texts: one HTML file that needs only a browser. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.drawing.colours import as_hex, shade
from interp.drawing.markup import MINUS, listed, plural
from interp.report.page.rendering import render
from interp.runs.files import write_atomic
from interp.scoring.reliability import PARAGRAPHS
from interp.scoring.results import duplicates, notes_of

if TYPE_CHECKING:
    from interp.scoring.scores import ScoredTexts

FILE = "scores.html"
_BARS, _WIDTH, _HEIGHT, _FOOT = 40, 640, 120, 20
_FILTERS = {"cut": "cut texts", "twin": "duplicates", "changed": "changed images"}


@dataclass(frozen=True)
class _Text:
    """Text on the page.

    Attributes:
        row: number of the row in the table.
        rank: rank of the score; the lowest score has rank 1.
        image: path of the image.
        thumbnail: JPEG in base 64.
        text: part of the text that the model with the smallest context reads.
        unread: rest of the text.
        scores: score of each model, as text.
        difference: score of the last model minus score of the first; None for a single model.
        words: each word with its attribution and its colour; empty if the text was not attributed.
        notes: phrases about the row.
        marks: keys of `_FILTERS`, separated by spaces.
    """

    row: int
    rank: int
    image: str
    thumbnail: str
    text: str
    unread: str
    scores: Sequence[str]
    difference: float | None
    words: Sequence[tuple[str, float, str]]
    notes: Sequence[str]
    marks: str


@dataclass(frozen=True)
class _Bar:
    """Bar of a histogram, in pixels."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class _Tick:
    """Label below a histogram."""

    x: float
    anchor: str
    text: str


@dataclass(frozen=True)
class _Histogram:
    """Histogram of scores; `words` is its text alternative."""

    title: str
    words: str
    bars: Sequence[_Bar]
    ticks: Sequence[_Tick]
    width: int = _WIDTH
    height: int = _HEIGHT
    base: int = _HEIGHT - _FOOT


def write_page(scored: ScoredTexts, folder: Path) -> Path:
    """Write the page and return its path."""
    texts = _texts(scored)
    unscored = [row for row in scored.table.rows if row.problem]
    counts = {key: sum(key in text.marks.split() for text in texts) for key in _FILTERS}
    values = {
        "title": f"Scores of {Path(scored.table.file).name}",
        "summary": _summary(scored),
        "notes": [*scored.table.notes, *scored.notes],
        "belief": PARAGRAPHS,
        "histograms": _histograms(scored),
        "texts": texts,
        "shaded_count": sum(bool(text.words) for text in texts),
        "models": scored.models,
        "filters": {key: f"{words} ({counts[key]})" for key, words in _FILTERS.items() if counts[key]},
        "unscored": unscored,
    }
    path = folder / FILE
    write_atomic(path, render("scores.html.j2", values, "scores.js"))
    return path


def number(score: float) -> str:
    """Return a score as the page shows it.

    >>> number(-0.0312)
    '−0.031'
    """
    return f"{score:.3f}".replace("-", MINUS)


def _summary(scored: ScoredTexts) -> str:
    """Return the number of scored rows and the spread of their scores, as sentences."""
    rows, usable = scored.table.rows, scored.table.usable
    count = f"{len(usable)} of {plural(len(rows), 'row')} {'has' if len(usable) == 1 else 'have'} a score"
    count += f" by {listed(scored.models)}."
    if not usable:
        return count
    last = scored.scores[-1][usable]
    model = f" of {scored.models[-1]}" if len(scored.models) > 1 else ""
    return (
        f"{count} The scores{model} range from {number(last.min())} to {number(last.max())}, "
        f"with median {number(float(np.median(last)))}."
    )


def _texts(scored: ScoredTexts) -> list[_Text]:
    """Return the scored texts for the page, from the lowest score to the highest."""
    twins, notes = duplicates(scored), notes_of(scored)
    sizes = [abs(value) for words in scored.words.values() for _, value in words]
    reach = float(np.quantile(sizes, 0.98)) if sizes else 1.0
    texts = []
    for rank, place in enumerate(scored.worst_first, start=1):
        row, picture, values = scored.table.rows[place], scored.pictures[place], scored.scores[:, place]
        if picture is None:
            raise RuntimeError("a scored row has no picture")
        marks = {"cut": scored.cut[place], "twin": twins[place], "changed": picture.changes}
        texts.append(
            _Text(
                row.number,
                rank,
                row.image,
                picture.thumbnail or "",
                row.text[: scored.letters[place]],
                row.text[scored.letters[place] :],
                [number(score) for score in values],
                float(values[-1] - values[0]) if len(values) > 1 else None,
                [(word, value, as_hex(shade(value, reach))) for word, value in scored.words.get(place, [])],
                [*notes[place], *twins[place]],
                " ".join(key for key, value in marks.items() if value),
            )
        )
    return texts


def _histograms(scored: ScoredTexts) -> list[_Histogram]:
    """Return a histogram for each model, on a common scale; none if all scores are equal."""
    usable = scored.table.usable
    if len(usable) < 2:
        return []
    values = scored.scores[:, usable]
    low, high = float(values.min()), float(values.max())
    if low == high:
        return []
    counted = [np.histogram(each, bins=_BARS, range=(low, high))[0] for each in values]
    most = max(int(counts.max()) for counts in counted)
    step, room = _WIDTH / _BARS, _HEIGHT - _FOOT - 4
    ticks = [_Tick(0, "start", number(low)), _Tick(_WIDTH / 2, "middle", number((low + high) / 2))]
    ticks.append(_Tick(_WIDTH, "end", number(high)))
    out = []
    for name, counts, each in zip(scored.models, counted, values, strict=True):
        bars = [
            _Bar(round(i * step, 2), round(_HEIGHT - _FOOT - room * count / most, 2), step - 1, room * count / most)
            for i, count in enumerate(counts.tolist())
            if count
        ]
        words = (
            f"Histogram of {len(usable)} scores by {name}: lowest {number(each.min())}, highest {number(each.max())}"
        )
        out.append(_Histogram(f"Scores by {name}", words, bars, ticks))
    return out
