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

EMPTY = "no text: right for a decorative image, and nothing to score"


@dataclass(frozen=True)
class _AltText:
    """Row of the table.

    Attributes:
        number: number of the row as a spreadsheet shows it; the header is row 1.
        image: path of the image, as the table has it.
        text: text in the composed form of Unicode (NFC), without surrounding spaces.
        path: file of the image, if it exists.
        problem: reason why the row cannot be scored; empty if it can.
    """

    number: int
    image: str
    text: str
    path: Path | None = None
    problem: str = ""

    @property
    def decorative(self) -> bool:
        """True for a row with an image and no text."""
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
        """Numbers of the rows that can be scored, counted from 0."""
        return [place for place, row in enumerate(self.rows) if not row.problem]


def read_alt_texts(path: Path | str, image: str | None = None, text: str | None = None) -> AltTexts:
    """Read a table, and find the image of each row.

    Paths are absolute or relative to the folder of the table. They may contain backslashes, and may be in either form
    of Unicode.

    Args:
        path: file of the table.
        image, text: names of the columns; by default guessed, see `interp.scoring.columns`.

    Raises:
        DataError: the table cannot be read, has no such columns, or has no row that can be scored.
    """
    table = read_table(path, guess=True)
    images, texts, guess = find_columns(table, image, text)
    if not table.rows:
        raise DataError(f"'{table.file}' holds no rows, only the header; write a row for each image")
    files = NamedFiles(Path(path).parent)
    rows = tuple(_row(row, images, texts, files) for row in table.rows)
    found = AltTexts(table.file, rows, (*table.notes, *([guess] if guess else [])))
    if not found.usable:
        raise DataError(_nothing(table, rows, images))
    return found


def _nothing(table: Table, rows: tuple[_AltText, ...], images: str) -> str:
    first = rows[0]
    return (
        f"none of the {len(rows)} rows of '{table.file}' can be scored; row {first.number}: {first.problem} "
        f"('{shown(first.image)}'); images are taken from the column {quoted(images)}, --image names another"
    )


def _row(row: Row, images: str, texts: str, files: NamedFiles) -> _AltText:
    image, text = row[images], unicodedata.normalize("NFC", row[texts])
    if not image:
        return _AltText(row.number, image, text, problem="no image is named")
    if is_address(image):
        return _AltText(row.number, image, text, problem="an address, not a file: download the image first")
    path = files.find(image)
    if path is None:
        near = files.near(image)
        meant = f"; is it '{shown(near)}'?" if near else ""
        return _AltText(row.number, image, text, problem=f"the image is not there{meant}")
    if NO_TEXT.search(text):
        return _AltText(row.number, image, text, path, "the text holds a sign that stands for no letter")
    return _AltText(row.number, image, text, path, "" if text else EMPTY)
