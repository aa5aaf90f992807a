"""Tables in CSV files: their cells by column, or one line that says what is wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from textwrap import shorten

from interp.data.pairs import DataError


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read a CSV file in UTF-8 whose first row names the columns; blank rows are skipped.

    Returns:
        The columns in lower case, and for each row its number (1 is the header) and its cells by column.

    Raises:
        DataError: the file is missing or damaged, has a column twice, or a row with more or fewer cells.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [
                (number, cells)
                for number, cells in enumerate(csv.reader(file, strict=True), start=1)
                if any(cell.strip() for cell in cells)
            ]
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"'{path}' is damaged, or not a CSV file in UTF-8 ({error}); get it anew") from error
    header = [cell.strip().lower() for cell in lines[0][1]] if lines else []
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise DataError(f"'{path}' has the column {brief(twice[0])} twice; keep one")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise DataError(f"'{path}', row {number}, has {len(cells)} cells, expected {len(header)}; get it anew")
    return header, [(number, dict(zip(header, cells, strict=True))) for number, cells in lines[1:]]


def brief(text: str) -> str:
    """A cell as a message quotes it: on one line, and not long."""
    return f"'{shorten(text, 80, placeholder='…')}'"


def listed(columns: Iterable[str]) -> str:
    """The columns that a file has, for a message: on one line, and not long."""
    return shorten(", ".join(columns), 300, placeholder=" …") or "nothing"
