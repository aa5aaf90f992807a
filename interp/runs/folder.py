"""Run folder: one manifest, one atomic file for each cell, and a table of the cells. No torch."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout
from typing_extensions import TypedDict

from interp.runs.content import Record, is_intact, parse, sealed, to_json
from interp.runs.environment import environment, now
from interp.runs.files import (
    LOCK,
    MANIFEST,
    UNFINISHED,
    StoreError,
    check_tree,
    read_bytes,
    remove_unfinished,
    write_atomic,
)
from interp.runs.ownership import marks
from interp.runs.spreadsheet import csv_text
from interp.runs.versions import VersionedSettings, check_version

if TYPE_CHECKING:
    import pandas as pd

CELLS = "cells"
PATIENCE = 60.0  # seconds that a part waits for others to finish with the manifest
REMEDY = "repair the file, or run the command again in another folder"
_REMEDY_OF_CELL = "run the command that made it again"


class _Basic(TypedDict):
    settings: VersionedSettings


class _Origin(TypedDict):
    run: str


@dataclass(frozen=True)
class RunFolder:
    """Folder that holds one run.

    `manifest.json` records the request and the environment of the run; `cells/NAME.json` hold results. A cell's file
    appears when the cell is done, so missing files are the work that is left. Files carry a checksum, and the
    fingerprint of the settings that they were made with.
    """

    path: Path

    @property
    def manifest_path(self) -> Path:
        """Path of the manifest, which need not exist."""
        return self.path / MANIFEST

    def cell_path(self, name: str) -> Path:
        """Return the path of a cell's file, which need not exist."""
        return self.path / CELLS / f"{name}.json"

    def manifest(self) -> dict[str, Any]:
        """Return the content of the manifest.

        Raises:
            StoreError: there is no manifest, it is damaged or of another version, or something in the folder leads out
                of it.
        """
        return self.manifest_as(dict[str, Any])

    def manifest_as(self, kind: Callable[..., Record]) -> Record:
        """Return `manifest` as a record, whose fields are checked."""
        check_tree(self.path)
        data = read_bytes(self.manifest_path)
        if data is None:
            raise StoreError(f"'{self.path}' is not a run folder: it has no {MANIFEST}")
        check_version(self.path, parse(data, _Basic, self.manifest_path, REMEDY)["settings"])
        return parse(data, kind, self.manifest_path, REMEDY)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that the numbers depend on; they are constant during the life of a run."""
        found: dict[str, Any] = self.manifest()["settings"]
        return found

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the settings: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]

    def write_file(self, name: str, content: Mapping[str, Any]) -> None:
        """Write JSON with its checksum, whole or not at all; raise `StoreError` if it cannot be written."""
        write_atomic(self.path / name, sealed({"run": self.fingerprint, **content}))

    def read_file(self, name: str, kind: Callable[..., Record], remedy: str) -> Record | None:
        """Return the content that `write_file` wrote; None if there is no file.

        Args:
            remedy: remedy for a damaged file, for the error.

        Raises:
            StoreError: the file was changed after it was written, belongs to another run, or holds something other than
                the record.
        """
        path = self.path / name
        data = read_bytes(path)
        if data is None:
            return None
        found = parse(data, kind, path, remedy)
        if not is_intact(data):
            raise StoreError(f"'{path}' was changed since it was written: its checksum does not fit; {remedy}")
        if parse(data, _Origin, path, remedy)["run"] != self.fingerprint:
            raise StoreError(f"'{path}' was made with other settings than {MANIFEST} has; {remedy}")
        return found

    def read(self, name: str, kind: Callable[..., Record], remedy: str = _REMEDY_OF_CELL) -> Record | None:
        """Return a finished cell, or None if there is none; raise `StoreError` as `read_file` does."""
        return self.read_file(f"{CELLS}/{name}.json", kind, remedy)

    def names(self) -> list[str]:
        """Return the sorted names of all files among the cells, without suffix."""
        return sorted(path.stem for path in self.path.glob(f"{CELLS}/*.json"))

    def write(self, name: str, cell: Mapping[str, Any]) -> None:
        """Write a finished cell, whole or not at all; raise `StoreError` if it cannot be written."""
        self.write_file(f"{CELLS}/{name}.json", cell)


@dataclass(frozen=True)
class CachedRunFolder(RunFolder):
    """Run folder for one command, which reads and checks a file again only if the file was replaced."""

    _known: dict[Any, tuple[tuple[int, ...], Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def read_file(self, name: str, kind: Callable[..., Record], remedy: str) -> Record | None:
        """Return the record of an earlier call if the file is unchanged, else the result of `RunFolder.read_file`."""
        try:
            status = os.stat(self.path / name)
        except OSError:
            return super().read_file(name, kind, remedy)
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        known = self._known.get((name, kind))
        if known is None or known[0] != stamp:
            self._known[name, kind] = known = stamp, super().read_file(name, kind, remedy)
        record: Record | None = known[1]
        return record


@contextmanager
def open_run(path: Path, settings: Mapping[str, Any], *, part: str | None = None, **facts: Any) -> Iterator[RunFolder]:
    """Start or resume a run in a folder, and keep other processes out during the body.

    A refused process has written nothing. The lock ends with this process, however the process ends.

    Args:
        settings: everything that the numbers depend on; a run is resumed only if its settings are the same.
        part: file name for the part of the run that is done here. Other parts may be at work, but not the whole run.
        facts: anything else for the manifest (arguments, notes).

    Raises:
        StoreError: the folder cannot be written, holds something else, or holds a run with other settings; or another
            process works there.
    """
    folder = RunFolder(path)
    wanted = json.loads(to_json(settings))
    check_folder(path)
    if folder.manifest_path.is_file():  # checked again under the lock; a refused process does not even take the lock
        _check_settings(folder, folder.settings, wanted)
    with _locked(folder, part) as alone:
        check_tree(path)
        _write_manifest(folder, wanted, facts)
        if part is None:
            remove_unfinished(path)
        else:
            alone.release()
        yield folder


def new_manifest(settings: Mapping[str, Any], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a run that begins now.

    Args:
        settings: settings as `open_run` takes them.
        facts: anything else; the `arguments` among them are marked as this user's (`interp.runs.ownership`).
    """
    content = {"settings": settings, "started": now(), "resumed": [], **environment(), **facts}
    return content | {"own": marks(settings, facts.get("arguments", {}))}


def _write_manifest(folder: RunFolder, wanted: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write a new manifest, or the old manifest with new facts if the run is the same."""
    before = folder.manifest() if folder.manifest_path.is_file() else None
    content = new_manifest(wanted, facts)
    if before is not None:
        _check_settings(folder, before["settings"], wanted)
        again = [*before["resumed"], {"at": now(), **environment()}]
        content = {**before, **facts, "own": content["own"], "resumed": again}
    write_atomic(folder.manifest_path, to_json(content))


def _check_settings(folder: RunFolder, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key in sorted(set(wanted) | set(before), key=lambda name: (name not in ("kind", "version"), name)):
        old, new = before.get(key), wanted.get(key)
        if old != new:
            raise StoreError(
                f"'{folder.path}' holds a run with {key} = {_short(old)}, not {_short(new)}; "
                "remove it, or choose another folder"
            )


def check_folder(path: Path) -> None:
    """Raise `StoreError` if a run cannot be kept in a folder; write nothing."""
    try:
        if path.is_dir() and any(map(_is_foreign, path.iterdir())) and not (path / MANIFEST).is_file():
            raise StoreError(f"'{path}' is not empty and is no run folder; choose another one")
        if path.exists() and not path.is_dir():
            raise StoreError(f"'{path}' is a file; choose a folder")
        there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:
        raise StoreError(f"cannot use '{path}': {error.strerror or error}; choose another folder") from error
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write '{path}': '{there}' cannot be written to; choose another folder")


def _is_foreign(path: Path) -> bool:
    """Return whether a file is not one that a run leaves if it is killed before it has a manifest."""
    return not (path.name.startswith(".") and path.name.endswith((LOCK, UNFINISHED)))


@contextmanager
def _locked(folder: RunFolder, part: str | None) -> Iterator[FileLock]:
    """Keep other processes from working in a run folder, or on a part of the run, during the body.

    Yields:
        The lock of the folder, which a part needs only while it writes the manifest.
    """
    with ExitStack() as stack:
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            for path in (folder.path / LOCK, *folder.path.glob(f".*{LOCK}")):
                if path.is_symlink() or (path.exists() and not path.is_file()):
                    raise StoreError(f"'{path}' is no file; remove it")
            others = [] if part is not None else sorted(folder.path.glob(f".part-*{LOCK}"))
            own = [] if part is None else [folder.path / f".part-{part}{LOCK}"]
            for path in (*own, folder.path / LOCK, *others):
                lock = FileLock(path, timeout=PATIENCE if own and path.name == LOCK else 0)
                stack.enter_context(lock)
                if path.name == LOCK:
                    alone = lock
        except Timeout as error:
            which = f"part {part} of '{folder.path}'" if own and path == own[0] else f"'{folder.path}'"
            raise StoreError(f"another process is at work in {which}; wait for it, or choose another folder") from error
        except OSError as error:
            raise StoreError(
                f"cannot write to '{folder.path}': {error.strerror or error}; choose another folder"
            ) from error
        yield alone


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def update_manifest(folder: RunFolder, **facts: Any) -> None:
    """Add facts to a manifest, or replace them."""
    write_atomic(folder.manifest_path, to_json(folder.manifest() | facts))


def table(rows: Iterable[Mapping[str, Any]], by: list[str]) -> pd.DataFrame:
    """Return the rows as a sorted table."""
    import pandas as pd

    return pd.DataFrame(list(rows)).sort_values(by, ignore_index=True)


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write NAME.csv (every digit) and NAME.parquet, each whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(folder / f"{name}.csv", csv_text(frame))
    write_atomic(folder / f"{name}.parquet", buffer.getvalue())
