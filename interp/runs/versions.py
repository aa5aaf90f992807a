"""Versions of run folders: the versions that are written, and a check that refuses all others. No torch."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from interp.errors import quoted
from interp.runs.files import StoreError

# Kind of a run -> its version. Raise a version whenever a change makes the same settings give other numbers, so that no
# run mixes old and new numbers, and whenever the contents of the run's files change.
VERSIONS = {"sweep": 9, "finetune": 6, "evaluation": 9, "paper": 1, "metrics": 1, "study": 1}


class VersionedSettings(TypedDict):
    """Kind and version of a run, with which its settings begin."""

    kind: str
    version: int


def check_version(path: Path, settings: VersionedSettings) -> None:
    """Raise `StoreError` if a run is of another version than this package writes.

    A kind that is not in `VERSIONS` passes; readers refuse a run of another kind than theirs.
    """
    kind, version = settings["kind"], settings["version"]
    if version != (known := VERSIONS.get(kind, version)):
        raise StoreError(
            f"{quoted(path)} is a run of the kind '{kind}' of version {version}, and only version {known} is read; run "
            "its command again with another folder"
        )
