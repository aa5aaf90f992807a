"""Rows of spreadsheets that Excel, LibreOffice and similar programs save: .xlsx, .xlsm, .xls, .xlsb, .ods. No torch."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date, time
from typing import Any

from interp.data.errors import DataError
from interp.data.files import MOST_TEXT, too_large
from interp.drawing.markup import plural
from interp.errors import first_line, shown

_SHEET = re.compile(r"xl/worksheets/[^/]+\.xml$")
_CELL = re.compile(rb"<c\b([^>]*[^/])>(.*?)</c>", re.DOTALL)
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


def is_workbook(content: bytes) -> bool:
    """Return whether a file begins like a spreadsheet."""
    return content.startswith((_ZIP, _OLE))


def read_workbook(content: bytes, file: str) -> tuple[list[list[str]], list[str]]:
    """Read the first sheet that is not empty.

    Args:
        file: name of the file in messages.

    Returns:
        All rows, including blank rows, each with the same number of cells; and sentences on other sheets and on
        formulas without a value, whose cells are empty.

    Raises:
        DataError: the file is not a spreadsheet, is damaged or locked, is too large when unpacked, or holds no cell.
    """
    from python_calamine import CalamineWorkbook, PasswordError

    try:
        _check_size(content, file)
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        for name in book.sheet_names:
            if rows := _trimmed(book.get_sheet_by_name(name).to_python(skip_empty_area=False)):
                count = len(book.sheet_names)
                notes = [f"only the sheet '{shown(name)}' of '{file}' is read, out of {count}"] if count > 1 else []
                return rows, notes + _without_value(content, file)
    except PasswordError as error:
        raise DataError(f"'{file}' is protected by a password; save it without the password") from error
    except DataError:
        raise
    except BaseException as error:  # the library's panics are not ordinary exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise DataError(
            f"'{file}' is damaged or no spreadsheet ({first_line(error)}); save it again, as .xlsx or as CSV in UTF-8"
        ) from error
    raise DataError(f"'{file}' is empty; its first row must name the columns")


def _check_size(content: bytes, file: str) -> None:
    if content.startswith(_ZIP):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MOST_TEXT:
            raise DataError(f"'{file}', unpacked: {too_large(size, MOST_TEXT)}")


def _without_value(content: bytes, file: str) -> list[str]:
    """Return a note on cells of an .xlsx file whose value is an error, or a formula without a computed value."""
    if not content.startswith(_ZIP):
        return []
    count = 0
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if _SHEET.match(name):
                cells = _CELL.findall(archive.read(name))
                count += sum(b't="e"' in head or (b"<f" in inside and b"<v>" not in inside) for head, inside in cells)
    if not count:
        return []
    return [
        f"{plural(count, 'cell')} of '{file}' taken as empty, because of an error or a formula without a stored value: "
        "open the file in a spreadsheet program and save it again"
    ]


def _trimmed(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Return cells as text, without blank columns on the right."""
    texts = [[_text(cell) for cell in row] for row in rows]
    width = max((place + 1 for row in texts for place, cell in enumerate(row) if cell.strip()), default=0)
    return [row[:width] + [""] * (width - len(row)) for row in texts] if width else []


def _text(cell: Any) -> str:
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, (date, time)) else str(cell)
