"""Rows of a table of alt texts, checked before any slow computation. No torch."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from pathlib import Path

from interp.data.errors import DataError
from interp.data.named_files import NamedFiles
from interp.data.tables import Row, Table, read_table
from interp.data.words import NO_TEXT
from interp.errors import quoted, shown
from interp.scoring.columns import find_columns, is_address

EMPTY = "no text to score; an empty alt text is right for a decorative image"


@dataclass(frozen=True)
class _AltText:
    """Row of the table.

    Attributes:
        number: number of the row as a spreadsheet shows it; the header is row 1.
        image: path of the image, as written in the table.
        text: text in the composed form of Unicode (NFC), without surrounding spaces.
        path: file of the image; None if it does not exist.
        problem: reason why the row cannot be scored; empty for a usable row.
    """

    number: int
    image: str
    text: str
    path: Path | None = None
    problem: str = ""

    @property
    def decorative(self) -> bool:
        """True for a row with an image but no text."""
        return self.problem == EMPTY


@dataclass(frozen=True)
class AltTexts:
    """Table of alt texts.

    Attributes:
        file: name of the table in messages.
        rows: all rows, in the order of the table.
        notes: assumptions about the table, as sentences.
    """

    file: str
    rows: tuple[_AltText, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> list[int]:
        """Places of the rows that can be scored, counted from 0."""
        return [place for place, row in enumerate(self.rows) if not row.problem]


def read_alt_texts(path: Path | str, image: str | None = None, text: str | None = None) -> AltTexts:
    """Read a table and find the image of each row.

    Paths are absolute or relative to the folder of the table. They may contain backslashes. Their Unicode form may
    be composed or decomposed.

    Args:
        path: file of the table.
        image, text: names of the columns; `interp.scoring.columns` guesses missing names.

    Raises:
        DataError: the table cannot be read, lacks a column, or has no row that can be scored.
    """
    table = read_table(path, guess=True)
    images, texts, guess = find_columns(table, image, text)
    if not table.rows:
        raise DataError(f"'{table.file}' has a header but no rows; add a row for each image")
    files = NamedFiles(Path(path).parent)
    rows = tuple(_row(row, images, texts, files) for row in table.rows)
    alts = AltTexts(table.file, rows, (*table.notes, *([guess] if guess else [])))
    if not alts.usable:
        raise DataError(_no_usable_row(table, rows, images))
    return alts


def _no_usable_row(table: Table, rows: tuple[_AltText, ...], images: str) -> str:
    """Return the error message for a table without a row that can be scored."""
    first, count = rows[0], "the only row" if len(rows) == 1 else f"none of the {len(rows)} rows"
    return (
        f"{count} of '{table.file}' can{'not' if len(rows) == 1 else ''} be scored; row {first.number}: "
        f"{first.problem} ('{shown(first.image)}'); the column of the images is {quoted(images)}: "
        "choose another with --image"
    )


def _row(row: Row, images: str, texts: str, files: NamedFiles) -> _AltText:
    """Return a row with the file of its image, or with its problem."""
    image, text = row[images], unicodedata.normalize("NFC", row[texts])
    if not image:
        return _AltText(row.number, image, text, problem="the row has no image")
    if is_address(image):
        return _AltText(row.number, image, text, problem="the image is a web address; download it and give its path")
    path = files.find(image)
    if path is None:
        near = files.near(image)
        hint = f"; did you mean '{shown(near)}'?" if near else ""
        return _AltText(row.number, image, text, problem=f"the image does not exist{hint}")
    if NO_TEXT.search(text):
        return _AltText(row.number, image, text, path, "the text contains an invalid character")
    return _AltText(row.number, image, text, path, "" if text else EMPTY)
