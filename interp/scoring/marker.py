"""Marker file of a folder of scores, with the name of the table and the attributed words. No torch."""

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


class _Content(TypedDict):
    table: str
    words: dict[str, Words]


def check_results(folder: Path, table: Path) -> None:
    """Raise `UserError` if a folder cannot be written, holds other files, or has the results of another table."""
    if (folder / _FILE).is_file():
        content = _read(folder)
        if content is not None and content["table"] != table.name:
            raise UserError(
                f"'{folder}' holds the scores of another table, {quoted(content['table'])}; choose another --out"
            )
    else:
        check_folder(folder)


def begin_results(folder: Path, table: Path) -> None:
    """Mark a folder as a folder of scores, and keep existing attributions in it."""
    if _read(folder) is None:
        write_words(folder, table.name, {})


def read_words(folder: Path) -> tuple[str, dict[str, Words]]:
    """Return the name of the table and the attributed words by key; both are empty if there is no intact file."""
    content = _read(folder)
    return ("", {}) if content is None else (content["table"], content["words"])


def write_words(folder: Path, table: str, words: Mapping[str, Words]) -> None:
    """Write the name of the table and the attributed words."""
    write_atomic(folder / _FILE, sealed({"table": table, "words": words}))


def _read(folder: Path) -> _Content | None:
    content = read_bytes(folder / _FILE)
    if content is None or not is_intact(content):
        return None
    try:
        return parse(content, _Content, folder / _FILE, "")
    except StoreError:
        return None
