"""Rows of a table of alt texts, checked before anything slow begins. No torch."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from interp.data.errors import DataError
from interp.data.tables import Row, Table, read_table
from interp.data.words import NO_TEXT
from interp.errors import shown
from interp.scoring.columns import find_columns, is_address

EMPTY = "no text: right for a decorative image, and nothing to score"


@dataclass(frozen=True)
class AltText:
    """A row of the table.

    Attributes:
        number: number of the row as a spreadsheet shows it; the header is row 1.
        image: path of the image, as the table has it.
        text: in the composed form of Unicode (NFC), without spaces around it.
        path: file of the image, if it is there.
        problem: reason why the row cannot be scored; empty if it can.
    """

    number: int
    image: str
    text: str
    path: Path | None = None
    problem: str = ""

    @property
    def decorative(self) -> bool:
        """Whether the row has an image and no text."""
        return self.problem == EMPTY


@dataclass(frozen=True)
class AltTexts:
    """A table of alt texts.

    Attributes:
        file: the table, as messages name it.
        rows: all rows, in the order of the table.
        notes: assumptions about the table, as sentences.
    """

    file: str
    rows: tuple[AltText, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> list[int]:
        """Numbers of the rows that can be scored, counted from 0."""
        return [place for place, row in enumerate(self.rows) if not row.problem]


def read_alt_texts(path: Path | str, image: str | None = None, text: str | None = None) -> AltTexts:
    """Read a table, and look for the image of each row.

    Paths are relative to the folder of the table, or absolute. They may be written with backslashes, and in either form
    of Unicode.

    Args:
        image, text: columns; by default guessed, see `interp.scoring.columns`.

    Raises:
        DataError: the table cannot be read, has no such columns, or has no row that can be scored.
    """
    table = read_table(path, guess=True)
    images, texts, guess = find_columns(table, image, text)
    if not table.rows:
        raise DataError(f"'{table.file}' holds no rows, only the header; write a row for each image")
    files = _Files(Path(path).parent)
    rows = tuple(_row(row, images, texts, files) for row in table.rows)
    found = AltTexts(table.file, rows, (*table.notes, *([guess] if guess else [])))
    if not found.usable:
        raise DataError(_nothing(table, rows))
    return found


def _nothing(table: Table, rows: tuple[AltText, ...]) -> str:
    first = rows[0]
    return (
        f"none of the {len(rows)} rows of '{table.file}' can be scored; row {first.number}: {first.problem} "
        f"('{shown(first.image)}')"
    )


def _row(row: Row, images: str, texts: str, files: _Files) -> AltText:
    image, text = row[images], unicodedata.normalize("NFC", row[texts])
    if not image:
        return AltText(row.number, image, text, problem="no image is named")
    if is_address(image):
        return AltText(row.number, image, text, problem="an address, not a file: download the image first")
    path = files.find(image)
    if path is None:
        return AltText(row.number, image, text, problem=f"the image is not there{files.near(image)}")
    if NO_TEXT.search(text):
        return AltText(row.number, image, text, path, "the text holds a sign that stands for no letter")
    return AltText(row.number, image, text, path, "" if text else EMPTY)


class _Files:
    """Files in and below a folder, found by names in any form of Unicode; folders are listed once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[Path, dict[str, str]] = {}

    def find(self, name: str) -> Path | None:
        """Return the file of a name, or None if there is none."""
        try:
            for written in (name, name.replace("\\", "/")):
                path = self.folder / written
                if path.is_file():
                    return path
                found = self._by_letters(path)
                if found is not None and found.is_file():
                    return found
        except (OSError, ValueError):  # a name that no file can have
            pass
        return None

    def near(self, name: str) -> str:
        """Return a question after a file of this name in other case, or in the folder of the table, if there is one."""
        last = PureWindowsPath(name).name
        return next((f"; is it '{shown(other)}'?" for other in self._others(last)), "")

    def _others(self, last: str) -> Iterator[str]:
        names = self._names(self.folder)
        if _same(last) in names:
            yield names[_same(last)]
        yield from (name for name in names.values() if _same(name).casefold() == _same(last).casefold())

    def _by_letters(self, path: Path) -> Path | None:
        """Return a path whose parts have the same letters, composed or not."""
        found = Path(path.anchor)
        for part in path.parts[bool(path.anchor) :]:
            if part == os.pardir or (found / part).exists():
                found /= part
            elif (other := self._names(found).get(_same(part))) is not None:
                found /= other
            else:
                return None
        return found

    def _names(self, folder: Path) -> dict[str, str]:
        if folder not in self._listed:
            try:
                self._listed[folder] = {_same(name): name for name in sorted(os.listdir(folder))}
            except OSError:
                self._listed[folder] = {}
        return self._listed[folder]


def _same(name: str) -> str:
    """Return one spelling for all forms of Unicode in which a name can be written."""
    return unicodedata.normalize("NFC", name)
