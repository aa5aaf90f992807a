"""Text for CSV files that no spreadsheet reads as a formula. No torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # beginnings of formulas

_NUMBER = re.compile(r"[+-](([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|nan)", re.IGNORECASE)


def plain(cell: object) -> object:
    """Return a cell for a CSV file: an apostrophe precedes a text that looks like a formula; numbers do not change.

    >>> plain("=1+1"), plain("-0.5"), plain("-"), plain(-0.5), plain("star")
    ("'=1+1", '-0.5', '-', -0.5, 'star')
    """
    if not isinstance(cell, str) or not cell.startswith(FORMULA) or cell == "-" or _is_number(cell):
        return cell
    return f"'{cell}"


def _in_one_row(cell: object) -> object:
    """Return a cell with line breaks that pandas quotes; a single carriage return would end the row."""
    return cell.replace("\r", "\n") if isinstance(cell, str) else cell


def _is_number(text: str) -> bool:
    """Return whether a spreadsheet reads a text as a number with a sign; Python's `float` also reads ``-1_0``."""
    return _NUMBER.fullmatch(text) is not None


def csv_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV with all digits and without its index; texts and column names are `plain`."""
    safe = frame.rename(columns=plain)
    texts = [place for place, kind in enumerate(frame.dtypes) if str(kind).startswith(("object", "str"))]
    for place in texts:
        safe.isetitem(place, frame.iloc[:, place].map(plain).map(_in_one_row))
    return str(safe.to_csv(index=False))
