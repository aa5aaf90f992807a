"""Versions of run folders, and a check that refuses other versions. No torch."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import TypedDict

from interp.errors import quoted
from interp.runs.files import StoreError

# Kind of a run -> version. Raise the version if a change alters the numbers of equal settings, so that no run mixes old
# and new numbers. Also raise it if the contents of the run files change.
VERSIONS = {"sweep": 9, "finetune": 6, "evaluation": 9, "paper": 1, "metrics": 1, "study": 1}


class VersionedSettings(TypedDict):
    """Kind and version of a run, the first of its settings."""

    kind: str
    version: int


def check_version(path: Path, settings: VersionedSettings) -> None:
    """Raise `StoreError` if a run does not have the version that this package writes.

    A kind that is not in `VERSIONS` passes, since readers refuse runs of other kinds.
    """
    kind, version = settings["kind"], settings["version"]
    if version != (current := VERSIONS.get(kind, version)):
        raise StoreError(
            f"{quoted(path)} is a run of the kind '{kind}' with version {version}, but only version {current} can be "
            "read; run its command again with another folder"
        )
