"""Sortable tables of all cells, and of the words of the chosen cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.drawing.markup import signed
from interp.measures import EDIT, MEASURED, TRAINED, Model
from interp.report.sweep_run import SweepRun, models_of
from interp.report.tables import CellColumn, cell_columns, is_cell
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd

_NAMES: Mapping[Model, str] = {"tuned": "trained", "edited": "edited"}
_WORDS_SHOWN = 15  # number of words at each end of the list
_MOVED_SHOWN, _OFTEN = 8, 2  # number of words at each end of the list of changes, and least number of occurrences


@dataclass(frozen=True)
class Entry:
    """Entry of a table: its text, and the number that it is sorted by, as text; None if it is sorted by its text."""

    text: str
    sort: str | None


@dataclass(frozen=True)
class _Sortable:
    """Table whose rows are sorted by a press on a column's title.

    Attributes:
        name: name for screen readers, unique on the page.
        titles: titles of the columns.
        rows: for each row, True for the chosen cell, and the entries, of which the first is the row's head.
        words: True if the first column holds words.
    """

    name: str
    titles: Sequence[str]
    rows: Sequence[tuple[bool, Sequence[Entry]]]
    words: bool = False


@dataclass(frozen=True)
class Words:
    """Word types that act most through Z in the chosen cell, at both ends.

    Attributes:
        table: table of the words.
        each_end: number of words at each end.
        shown, total: number of words in the table, and number of all words.
    """

    table: _Sortable
    each_end: int
    shown: int
    total: int


@dataclass(frozen=True)
class _MovedWords:
    """Word types whose attribution a training has raised and lowered most.

    Attributes:
        table: table of the words.
        each_end: number of the largest rises, and of the largest falls, in the table.
        place: cell of the trained model.
        trained: objective of the training, in words.
        least: least number of occurrences of a listed word.
    """

    table: _Sortable
    each_end: int
    place: Place
    trained: str
    least: int


def cells(sweep: SweepRun) -> _Sortable:
    """Return the table of all cells."""
    return _sortable(sweep.frame, cell_columns(sweep.layout, where="page"), sweep.best, "Table of all cells")


def trained_cells(sweep: SweepRun, model: Model) -> _Sortable | None:
    """Return the table of the models of one name that were trained at each cell; None if there are none."""
    if model not in models_of(sweep.trained):
        return None
    columns = cell_columns(sweep.layout, model=model, where="page")
    return _sortable(sweep.frame, columns, sweep.best, f"Table of {_NAMES[model]} models")


def _sortable(frame: pd.DataFrame, columns: Sequence[CellColumn], best: pd.Series, name: str) -> _Sortable:
    rows = [
        (is_cell(row, best), [Entry(column.text(row), f"{column.value(row):.9g}") for column in columns])
        for _, row in frame.iterrows()
    ]
    return _Sortable(name, [column.title for column in columns], rows)


def words(sweep: SweepRun) -> Words:
    """Return the word types of the chosen cell, sorted by their attribution through Z."""
    table_of_route = sweep.words(Place.of(sweep.best))
    means = {route: {word: float(value[0]) for word, value in table_of_route[route].items()} for route in MEASURED}
    counts = {word: str(int(value[1])) for word, value in table_of_route["full"].items()}
    order = sorted(means["through"], key=means["through"].__getitem__, reverse=True)
    shown = _both_ends(order, _WORDS_SHOWN)
    rows = [
        (
            False,
            [
                Entry(word, None),
                Entry(counts[word], counts[word]),
                *(Entry(signed(means[route][word], 4), f"{means[route][word]:.9g}") for route in MEASURED),
            ],
        )
        for word in shown
    ]
    table = _Sortable("Table of words", ["word", "occurrences", *MEASURED], rows, words=True)
    return Words(table, _WORDS_SHOWN, len(shown), len(order))


def _both_ends(words: Sequence[str], count: int) -> Sequence[str]:
    """Return the first and the last `count` words; all words if there are no more."""
    return words if len(words) <= 2 * count else [*words[:count], *words[-count:]]


def moved(sweep: SweepRun) -> list[_MovedWords]:
    """Return the largest rises and falls of attributions against the base, for each training pass of a sweep."""
    places = dict.fromkeys(sweep.trained, Place.of(sweep.best))
    if sweep.chosen_edit is not None:
        places[EDIT] = sweep.chosen_edit.place
    return [_moved(sweep, objective, place) for objective, place in places.items()]


def _moved(sweep: SweepRun, objective: str, place: Place) -> _MovedWords:
    before, after = sweep.cells[place]["words"]["full"], sweep.trained[objective][place]["words"]["full"]
    often = {word: count for word, (_, count) in before.items() if count >= _OFTEN and word in after}
    means = {word: (float(before[word][0]), float(after[word][0])) for word in often}
    order = sorted(often, key=lambda word: means[word][0] - means[word][1])
    shown = _both_ends(order, _MOVED_SHOWN)
    rows = [(False, [Entry(word, None), *_numbers(int(often[word]), *means[word])]) for word in shown]
    trained = TRAINED[objective]
    titles = ["word", "occurrences", "base", "trained", "change"]
    return _MovedWords(
        _Sortable(f"Words moved by {trained}", titles, rows, words=True), _MOVED_SHOWN, place, trained, _OFTEN
    )


def _numbers(count: int, base: float, trained: float) -> list[Entry]:
    """Return the entries of a word after its name."""
    numbers = (base, trained, trained - base)
    return [Entry(str(count), str(count)), *(Entry(signed(number, 4), f"{number:.9g}") for number in numbers)]
