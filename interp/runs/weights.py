"""Checksums of the weights in a run folder, and a check against them. No torch."""

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
REMEDY = "restore the file, or fine-tune again in another folder"


class WeightsChanged(StoreError):
    """Error of weights that are missing or were changed after a run wrote them."""


class _Manifest(TypedDict):
    settings: VersionedSettings
    weights: NotRequired[dict[str, str]]  # file -> checksum, in a finished run


class _Kind(TypedDict, total=False):
    kind: str


class _AnyManifest(TypedDict, total=False):
    settings: _Kind


def is_run(folder: Path) -> bool:
    """Return whether a folder holds a fine-tuned run; other programs also write files named manifest.json.

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
    """Return the SHA-256 of each existing file by file name."""
    return {name: _checksum(folder / name) for name in names if (folder / name).exists()}


def check_run_weights(folder: Path) -> None:
    """Check the weights of a fine-tuned run; a folder without a manifest passes.

    Raises:
        StoreError: the run is damaged or has another version.
        WeightsChanged: a file with a checksum in the manifest is missing or was changed.
    """
    data = read_bytes(folder / MANIFEST)
    if data is None:
        return
    manifest: _Manifest = parse(data, _Manifest, folder / MANIFEST, REMEDY)
    check_version(folder, manifest["settings"])
    for name, checksum in manifest.get("weights", {}).items():
        path = folder / Path(name).name
        if not path.exists():
            raise WeightsChanged(f"cannot find '{path}', which the run left; {REMEDY}")
        if _checksum(path) != checksum:
            raise WeightsChanged(f"'{path}' was changed after the run wrote it: its checksum does not match; {REMEDY}")


def _checksum(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        check_file(path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error
