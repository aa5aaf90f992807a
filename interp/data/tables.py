"""The one reader of CSV files with named columns: cells by column, or one line that says which cell is wrong.

Rows are numbered as a spreadsheet shows them. The header is row 1, blank rows count though nobody reads them, and a
text with line breaks inside its quotes is a part of its row, however many lines of the file it takes.
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

from interp.data.errors import DataError
from interp.data.files import MOST_TEXT, read_file
from interp.errors import quoted, shown

_NOT_UTF8 = re.compile("[\ud800-\udfff]")  # what a byte that is not UTF-8 is decoded to


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table; ``row["word"]`` is a cell of it.

    Attributes:
        file: as messages name it.
        number: as a spreadsheet shows it; the header is row 1.
        cells: as the file has them, spaces included.
        places: column, in lower case -> which of the cells it is; all rows share these.
    """

    file: str
    number: int
    cells: Sequence[str]
    places: Mapping[str, int]

    def __getitem__(self, column: str) -> str:
        """A cell without the spaces and line breaks around it; those inside it stay."""
        return self.cells[self.places[column]].strip()

    def filled(self, column: str) -> str:
        """A cell that must not be empty.

        Raises:
            DataError: it is, or it holds nothing but spaces.
        """
        if not (cell := self[column]):
            raise self.error(column, "is empty; fill it in, or leave the row out")
        return cell

    def number_in(self, column: str) -> float:
        """A cell as a number.

        Raises:
            DataError: it is empty, no number, or not a finite one.
        """
        try:
            value = float(self[column])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(column, f"{quoted(self[column])} is not a number; correct it, or leave the row out")
        return value

    def error(self, column: str, what: str) -> DataError:
        """An error that names file, row and column, to be raised by the caller."""
        return DataError(f"'{self.file}', row {self.number}, {shown(column)}: {what}")


@dataclass(frozen=True)
class Table:
    """What a CSV file holds.

    Attributes:
        file: as messages name it.
        columns: their names, in lower case and without spaces around them, in the order of the file.
        rows: all but the header and blank ones.
    """

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def require(self, *columns: str) -> None:
        """Make sure that there are these columns.

        Raises:
            DataError: one is missing; the message lists those that are there.
        """
        if missing := [column for column in columns if column not in self.columns]:
            raise DataError(
                f"'{self.file}' has no column {missing[0]}; it needs {', '.join(columns)}, it has: {self.listed}"
            )

    @property
    def listed(self) -> str:
        """The columns for a message: on one line, and not long."""
        there = shown(", ".join(filter(None, self.columns)), 300)
        other = next(
            (name for sign, name in ((";", "semicolons"), ("\t", "tabs")) if sign in "".join(self.columns)), ""
        )
        return there + f" (are its cells divided by {other}? put commas)" * (len(self.columns) == 1 and bool(other))


def read_table(path: Path | str, *, header_rows: int = 1) -> Table:
    """Read a CSV file in UTF-8, with or without a byte order mark, whose first rows name the columns.

    Args:
        path: the file.
        header_rows: 2 where a name in the first row, as in ``IMAG,,``, spans names in the second, as in ``M,SD,N``;
            the columns are then called ``imag m``, ``imag sd`` and ``imag n``.

    Raises:
        DataError: the file is missing, empty or damaged, has a column twice, or a row with more or fewer cells than
            columns.
    """
    file = shown(path, 300)
    lines = _lines(Path(path), file)
    header = [[cell.strip().lower() for cell in cells] for _, cells in islice(lines, header_rows)]
    if not header:
        raise DataError(f"'{file}' is empty; its first row must name the columns")
    columns = _joined(*header) if len(header) > 1 else tuple(header[0])
    if twice := [name for name in columns if name and columns.count(name) > 1]:
        raise DataError(f"'{file}' has the column {quoted(twice[0])} twice; keep one")
    places = {column: place for place, column in enumerate(columns)}
    return Table(file, columns, tuple(Row(file, number, tuple(cells), places) for number, cells in lines))


def _lines(path: Path, file: str) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not blank, with their numbers; all have as many cells as the first."""
    try:
        text = read_file(path, MOST_TEXT).decode("utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise DataError(f"cannot read '{file}': {error.strerror or error}") from error
    if "\0" in text or _NOT_UTF8.search(text):
        raise _foreign(text, file)
    number, first = 0, list[str]()
    try:
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), strict=True), start=1):
            if not "".join(cells).strip():
                continue
            first = first or cells
            if len(cells) != len(first):
                raise _wrong_width(file, number, cells, first)
            yield number, cells
    except csv.Error as error:
        raise DataError(
            f"'{file}', row {number + 1}: its quotes are damaged ({error}); a text with quotes in it needs quotes "
            "around it, and each of its own twice"
        ) from error


def _wrong_width(file: str, number: int, cells: Sequence[str], first: Sequence[str]) -> DataError:
    count = f"{len(cells)} cell{'s' * (len(cells) != 1)}, expected {len(first)}"
    if len(cells) > len(first):
        mend = f"something comes after {_name(first, len(first) - 1)}; put texts that hold commas in quotes"
    else:
        mend = f"{_name(first, len(cells))} is missing; write its comma even where a cell is empty"
    return DataError(f"'{file}', row {number}, has {count}: {mend}")


def _foreign(text: str, file: str) -> DataError:
    """An error that names the first cell with a byte that is not of a text in UTF-8."""
    names: Sequence[str] = ()
    with suppress(csv.Error):
        for number, cells in enumerate(csv.reader(io.StringIO(text, newline="")), start=1):
            for place, cell in enumerate(cells):
                if "\0" in cell or _NOT_UTF8.search(cell):
                    what = "is not text in UTF-8" if _NOT_UTF8.search(cell) else "holds a NUL byte"
                    return DataError(
                        f"'{file}', row {number}, {_name(names, place)}: {what}; save the file anew as CSV in UTF-8"
                    )
            names = names or cells
    return DataError(f"'{file}' is not text in UTF-8; save it anew as CSV in UTF-8")


def _name(names: Sequence[str], place: int) -> str:
    """A column for a message: by its name, or by its number where it has none."""
    return (shown(names[place]) if place < len(names) else "") or f"column {place + 1}"


def _joined(first: Iterable[str], second: Iterable[str]) -> tuple[str, ...]:
    """Names from two header rows; a name in the first spans the blanks after it, where the second has names."""
    names, span = [], ""
    for above, below in zip(first, second, strict=True):
        span = above or span
        names.append(f"{span} {below}".strip() if below else above)
    return tuple(names)
