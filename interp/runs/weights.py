"""Files of weights in a run folder, and whether they are those that the run left. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from typing_extensions import TypedDict

from interp.runs.content import parse
from interp.runs.files import MANIFEST, StoreError, check_file, read_bytes

MEND = "bring the file back, or fine-tune again in another folder"


class _Manifest(TypedDict, total=False):
    weights: dict[str, str]


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of those of the files that are there, by name."""
    return {name: _checksum(folder / name) for name in names if (folder / name).exists()}


def check_run_weights(folder: Path) -> None:
    """Raise `StoreError` if files whose checksums a finished run keeps in its manifest are missing or were changed."""
    data = read_bytes(folder / MANIFEST)
    known: _Manifest = {} if data is None else parse(data, _Manifest, folder / MANIFEST, MEND)
    for name, checksum in known.get("weights", {}).items():
        path = folder / Path(name).name
        if not path.exists():
            raise StoreError(f"'{path}' is missing, which the run left; {MEND}")
        if _checksum(path) != checksum:
            raise StoreError(f"'{path}' was changed since the run left it: its checksum does not fit; {MEND}")


def _checksum(path: Path) -> str:
    try:
        check_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error
