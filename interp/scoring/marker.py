"""File by which `score` recognizes its own folders: name of the table, and attributed words. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import TypedDict

from interp.errors import UserError, quoted
from interp.runs.content import is_intact, parse, sealed
from interp.runs.files import StoreError, read_bytes, write_atomic
from interp.runs.folder import check_folder

_FILE = "words.json"

Words = list[tuple[str, float]]


class _Known(TypedDict):
    table: str
    words: dict[str, Words]


def check_results(folder: Path, table: Path) -> None:
    """Raise `UserError` if a folder cannot be written, or holds other files or the results of another table."""
    if (folder / _FILE).is_file():
        known = _read(folder)
        if known is not None and known["table"] != table.name:
            raise UserError(f"'{folder}' holds the scores of {quoted(known['table'])}; choose another --out")
    else:
        check_folder(folder)


def begin_results(folder: Path, table: Path) -> None:
    """Mark a folder as a folder of scores; existing attributions in it are kept."""
    if _read(folder) is None:
        write_words(folder, table.name, {})


def known_words(folder: Path) -> tuple[str, dict[str, Words]]:
    """Return the name of the table and the attributed words by key; both are empty if the file is damaged."""
    known = _read(folder)
    return ("", {}) if known is None else (known["table"], known["words"])


def write_words(folder: Path, table: str, words: Mapping[str, Words]) -> None:
    """Write the name of the table and the attributed words."""
    write_atomic(folder / _FILE, sealed({"table": table, "words": words}))


def _read(folder: Path) -> _Known | None:
    content = read_bytes(folder / _FILE)
    if content is None or not is_intact(content):
        return None
    try:
        return parse(content, _Known, folder / _FILE, "")
    except StoreError:
        return None
