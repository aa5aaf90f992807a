"""Common reader of tables with named columns. Errors are one line and name the wrong cell.

A table is a CSV file with commas, semicolons or tabs between its cells, or the first sheet of a spreadsheet.

Rows are numbered as a spreadsheet shows them. The header is row 1, and blank rows count although they are skipped. A
text with line breaks inside its quotes is part of one row, even if it takes several lines of the file.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from interp.data.decoding import DELIMITERS, NOT_UTF8, decode, delimiter_of
from interp.data.errors import DataError
from interp.data.files import MOST_TEXT, read_file
from interp.data.workbooks import is_workbook, read_workbook
from interp.errors import quoted, shown

csv.field_size_limit(MOST_TEXT // 2)  # a cell may be long; the default limit is 131,072 letters
_MOST = 1e50  # largest number; its fourth power is still finite
_MARKED = re.compile(r'"?sep=(.)"?\r?\n')  # first line of a CSV file for Excel


@dataclass(frozen=True, slots=True)
class Row:
    """Row of a table; ``row["word"]`` is one of its cells.

    Attributes:
        file: name of the file in messages.
        number: number of the row as a spreadsheet shows it; the header is row 1.
        cells: cells as the file has them, spaces included.
        places: column, in lower case -> index of its cell; all rows share this mapping.
    """

    file: str
    number: int
    cells: Sequence[str]
    places: Mapping[str, int]

    def __getitem__(self, column: str) -> str:
        """Return a cell without surrounding spaces and line breaks; spaces and line breaks inside the cell are kept."""
        return self.cells[self.places[column]].strip()

    def filled(self, column: str) -> str:
        """Return a cell that must not be empty.

        Raises:
            DataError: the cell is empty, or holds nothing but spaces.
        """
        if not (cell := self[column]):
            raise self.error(column, "is empty; fill it in, or leave the row out")
        return cell

    def number_in(self, column: str) -> float:
        """Return a cell as a number.

        Raises:
            DataError: the cell is empty, is not a number, or holds a number that is too large for computations.
        """
        try:
            value = float(self[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(column, f"{quoted(self[column])} is not a number; correct it, or leave the row out")
        if abs(value) > _MOST:
            raise self.error(column, f"{quoted(self[column])} is beyond the limit of {_MOST:.0e}; correct it")
        return value

    def error(self, column: str, what: str) -> DataError:
        """Return an error that names file, row and column, for the caller to raise."""
        return DataError(f"'{self.file}', row {self.number}, {shown(column)}: {what}")


@dataclass(frozen=True)
class Table:
    """Content of a table file.

    Attributes:
        file: name of the file in messages.
        columns: names of the columns, in lower case and without surrounding spaces, in the order of the file.
        rows: all rows except the header and blank rows.
        notes: assumptions about the file, as sentences.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def require(self, *columns: str) -> None:
        """Check that the table has these columns.

        Raises:
            DataError: a column is missing; the message lists the existing columns.
        """
        if missing := [column for column in columns if column not in self.columns]:
            raise DataError(
                f"'{self.file}' has no column {missing[0]} (needed: {', '.join(columns)}); its columns: {self.listed}"
            )

    @property
    def listed(self) -> str:
        """Names of the columns for a message, shortened to one line."""
        return shown(", ".join(filter(None, self.columns)), 300)


def read_table(path: Path | str, *, header_rows: int = 1, guess: bool = False) -> Table:
    """Read a table whose first rows name the columns.

    CSV files are in UTF-8 or UTF-16, with commas, semicolons or tabs between the cells. A first line such as ``sep=;``,
    which tells Excel the delimiter, is not a row.

    Args:
        path: the file.
        header_rows: 2 if a name in the first row, as in ``IMAG,,``, spans names in the second, as in ``M,SD,N``; the
            columns then have the names ``imag m``, ``imag sd`` and ``imag n``.
        guess: guess the encoding of a file that is not in Unicode, such as Windows-1252; a note reports the encoding.

    Raises:
        DataError: the file is missing, empty or damaged, has a column twice, or a row with more or fewer cells than
            columns.
    """
    file = shown(path, 300)
    try:
        content = read_file(path, MOST_TEXT)
    except OSError as error:
        raise DataError(f"cannot read '{file}': {error.strerror or error}") from error
    notes: list[str] = []
    if is_workbook(content):
        rows, notes = read_workbook(content, file)
        lines: Iterator[tuple[int, list[str]]] = _numbered(rows)
    else:
        text, encoding = _text(content, file, guess=guess)
        marked = _MARKED.match(text)
        delimiter = marked[1] if marked else delimiter_of(text)
        if encoding is not None:
            notes.append(f"'{file}' is read as {encoding}, with {DELIMITERS.get(delimiter, delimiter)} between cells")
        lines = _lines(text[marked.end() :] if marked else text, file, delimiter, 2 if marked else 1)
    header = [[cell.strip().lower() for cell in cells] for _, cells in islice(lines, header_rows)]
    if not header:
        raise DataError(f"'{file}' is empty; its first row must name the columns")
    columns = _join_headers(*header) if len(header) > 1 else tuple(header[0])
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise DataError(f"'{file}' has the column {quoted(twice[0])} twice; keep one of them")
    places = {column: place for place, column in enumerate(columns)}
    return Table(file, columns, tuple(Row(file, number, tuple(cells), places) for number, cells in lines), tuple(notes))


def _text(content: bytes, file: str, *, guess: bool) -> tuple[str, str | None]:
    """Return the text of a CSV file, and its encoding if the encoding is not UTF-8."""
    try:
        text, encoding = decode(content, guess=guess)
    except UnicodeDecodeError as error:
        raise _encoding_error(content.decode("utf-8-sig", errors="surrogateescape"), file) from error
    if "\0" in text:
        raise _encoding_error(text, file)
    return text, encoding


def _numbered(rows: Sequence[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with their numbers."""
    return ((number, cells) for number, cells in enumerate(rows, start=1) if "".join(cells).strip())


def _lines(text: str, file: str, delimiter: str, start: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows of a CSV file that are not blank, with their numbers; raise an error for rows of unequal width.

    Args:
        start: number of the first row.
    """
    number, first = start - 1, list[str]()
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for number, cells in enumerate(rows, start=start):
            if not "".join(cells).strip():
                continue
            first = first or cells
            if len(cells) != len(first):
                raise _wrong_width(file, number, cells, first, delimiter)
            yield number, cells
    except csv.Error as error:
        raise DataError(
            f"'{file}', row {number + 1}: its quotes are damaged ({error}); put quotes around a text that contains "
            "quotes, and double its inner quotes"
        ) from error


def _wrong_width(file: str, number: int, cells: Sequence[str], first: Sequence[str], delimiter: str) -> DataError:
    count = f"{len(cells)} cell{'s' * (len(cells) != 1)}, expected {len(first)}"
    signs = DELIMITERS.get(delimiter, f"'{delimiter}'")
    if len(cells) > len(first):
        remedy = f"there are cells after {_name(first, len(first) - 1)}; put quotes around texts that contain {signs}"
    else:
        remedy = f"{_name(first, len(cells))} is missing; write its {signs.removesuffix('s')} even if the cell is empty"
    return DataError(f"'{file}', row {number}, has {count}: {remedy}")


def _encoding_error(text: str, file: str) -> DataError:
    """Return an error that names the first cell with a byte that is not UTF-8 text."""
    names: Sequence[str] = ()
    with suppress(csv.Error):
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
            for place, cell in enumerate(cells):
                if "\0" in cell or NOT_UTF8.search(cell):
                    what = "is not text in UTF-8" if NOT_UTF8.search(cell) else "holds a NUL byte"
                    return DataError(
                        f"'{file}', row {number}, {_name(names, place)}: {what}; save the file again, as CSV in UTF-8"
                    )
            names = names or cells
    return DataError(f"'{file}' is not text in UTF-8; save it again, as CSV in UTF-8")


def _name(names: Sequence[str], place: int) -> str:
    """Return a column's name for a message, or its number if it has no name."""
    return (shown(names[place]) if place < len(names) else "") or f"column {place + 1}"


def _join_headers(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Return names from two header rows; a name in the first row spans the blanks after it if the second has names."""
    names, span = [], ""
    for above, below in zip(first, second, strict=True):
        span = above or span
        names.append(f"{span} {below}".strip() if below else above)
    return tuple(names)
