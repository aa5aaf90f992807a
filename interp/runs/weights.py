"""Files of weights in a run folder, and a check that they are unchanged. No torch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NotRequired

from typing_extensions import TypedDict

from interp.runs.content import parse
from interp.runs.files import MANIFEST, StoreError, check_file, read_bytes
from interp.runs.versions import VersionedSettings, check_version

KIND = "finetune"
REMEDY = "bring the file back, or fine-tune again in another folder"


class WeightsChanged(StoreError):
    """Error of weights that are missing or differ from the weights that a run left."""


class _Manifest(TypedDict):
    settings: VersionedSettings
    weights: NotRequired[dict[str, str]]  # of a finished run


class _Kind(TypedDict, total=False):
    kind: str


class _AnyManifest(TypedDict, total=False):
    settings: _Kind


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a fine-tuned run; other programs also have files with the manifest's name.

    Raises:
        StoreError: the folder is a run whose manifest is damaged.
    """
    data = None
    try:
        data = read_bytes(folder / MANIFEST)
        if data is None:
            return False
        return parse(data, _AnyManifest, folder / MANIFEST, REMEDY).get("settings", {}).get("kind") == KIND
    except StoreError:
        if data is not None and f'"kind": "{KIND}"'.encode() in data:
            raise
        return False


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of each existing file, by name."""
    return {name: _checksum(folder / name) for name in names if (folder / name).exists()}


def check_run_weights(folder: Path) -> None:
    """Check the weights of a fine-tuned run; a folder without a manifest passes.

    Raises:
        StoreError: the run is damaged, or of another version.
        WeightsChanged: files whose checksums the manifest keeps are missing or were changed.
    """
    data = read_bytes(folder / MANIFEST)
    if data is None:
        return
    known: _Manifest = parse(data, _Manifest, folder / MANIFEST, REMEDY)
    check_version(folder, known["settings"])
    for name, checksum in known.get("weights", {}).items():
        path = folder / Path(name).name
        if not path.exists():
            raise WeightsChanged(f"'{path}' is missing, which the run left; {REMEDY}")
        if _checksum(path) != checksum:
            raise WeightsChanged(f"'{path}' was changed since the run left it: its checksum does not fit; {REMEDY}")


def _checksum(path: Path) -> str:
    try:
        check_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error
