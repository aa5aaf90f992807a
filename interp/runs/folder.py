"""Run folder with a manifest, an atomic file for each cell, and a table of the cells. No torch."""

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
PATIENCE = 60.0  # seconds that a part waits for other parts to write the manifest
REMEDY = "repair the file, or run the command again in another folder"
_REMEDY_OF_CELL = "remove the file and run the same command again"


class _Basic(TypedDict):
    """Part that every manifest has."""

    settings: VersionedSettings


class _Origin(TypedDict):
    """Fingerprint of the settings of a file's run."""

    run: str


@dataclass(frozen=True)
class RunFolder:
    """Folder of a run.

    `manifest.json` records the request and the environment of the run, and `cells/NAME.json` holds the results of a
    cell. The file of a cell appears when the cell is done, so missing files are the remaining work. Each file has a
    checksum, and the fingerprint of the settings of its run.
    """

    path: Path

    @property
    def manifest_path(self) -> Path:
        """Path of the manifest, which may not exist."""
        return self.path / MANIFEST

    def cell_path(self, name: str) -> Path:
        """Return the path of a cell's file, which may not exist."""
        return self.path / CELLS / f"{name}.json"

    def manifest(self) -> dict[str, Any]:
        """Return the content of the manifest.

        Raises:
            StoreError: the manifest is missing, damaged or of another version, or a link leads out of the folder.
        """
        return self.manifest_as(dict[str, Any])

    def manifest_as(self, kind: Callable[..., Record]) -> Record:
        """Return `manifest` as a record with checked fields."""
        check_tree(self.path)
        data = read_bytes(self.manifest_path)
        if data is None:
            raise StoreError(f"'{self.path}' is not a run folder: it has no {MANIFEST}")
        check_version(self.path, parse(data, _Basic, self.manifest_path, REMEDY)["settings"])
        return parse(data, kind, self.manifest_path, REMEDY)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that determine the numbers; they are constant during the life of a run."""
        settings: dict[str, Any] = self.manifest()["settings"]
        return settings

    @cached_property
    def fingerprint(self) -> str:
        """Fingerprint of the settings: 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()[:16]

    def write_file(self, name: str, content: Mapping[str, Any]) -> None:
        """Write JSON with its checksum, whole or not at all; raise `StoreError` if the write fails."""
        write_atomic(self.path / name, sealed({"run": self.fingerprint, **content}))

    def read_file(self, name: str, kind: Callable[..., Record], remedy: str) -> Record | None:
        """Return the content that `write_file` wrote; None if there is no file.

        Args:
            name: name of the file in the run folder.
            kind: type of the record.
            remedy: remedy for a damaged file, for the error message.

        Raises:
            StoreError: the file was changed after the run wrote it, belongs to another run, or does not hold the
                record.
        """
        path = self.path / name
        data = read_bytes(path)
        if data is None:
            return None
        record = parse(data, kind, path, remedy)
        if not is_intact(data):
            raise StoreError(f"'{path}' was changed after the run wrote it: its checksum does not match; {remedy}")
        if parse(data, _Origin, path, remedy)["run"] != self.fingerprint:
            raise StoreError(f"'{path}' was made with settings that differ from {MANIFEST}; {remedy}")
        return record

    def read(self, name: str, kind: Callable[..., Record], remedy: str = _REMEDY_OF_CELL) -> Record | None:
        """Return a finished cell; None if the cell is missing. Raise `StoreError` as `read_file` does."""
        return self.read_file(f"{CELLS}/{name}.json", kind, remedy)

    def names(self) -> list[str]:
        """Return the sorted names, without suffix, of all files in the folder of the cells."""
        return sorted(path.stem for path in self.path.glob(f"{CELLS}/*.json"))

    def write(self, name: str, cell: Mapping[str, Any]) -> None:
        """Write a finished cell, whole or not at all; raise `StoreError` if the write fails."""
        self.write_file(f"{CELLS}/{name}.json", cell)


@dataclass(frozen=True)
class CachedRunFolder(RunFolder):
    """Run folder for a single command, which reads and checks a file again only after the file was replaced."""

    _cache: dict[Any, tuple[tuple[int, ...], Any]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def read_file(self, name: str, kind: Callable[..., Record], remedy: str) -> Record | None:
        """Return the record of an earlier call if the file is unchanged, or else that of `RunFolder.read_file`."""
        try:
            status = os.stat(self.path / name)
        except OSError:
            return super().read_file(name, kind, remedy)
        stamp = status.st_ino, status.st_size, status.st_mtime_ns
        cached = self._cache.get((name, kind))
        if cached is None or cached[0] != stamp:
            self._cache[name, kind] = cached = stamp, super().read_file(name, kind, remedy)
        record: Record | None = cached[1]
        return record


@contextmanager
def open_run(path: Path, settings: Mapping[str, Any], *, part: str | None = None, **facts: Any) -> Iterator[RunFolder]:
    """Start or resume a run in a folder, and keep other processes out during the body.

    A process that is refused does not write. The lock ends with this process, even if the process is killed.

    Args:
        path: run folder.
        settings: everything that determines the numbers; a run is only resumed with equal settings.
        part: file name for the part of the run that this process does. Other processes may do other parts meanwhile,
            but not the whole run.
        facts: further entries of the manifest (arguments, notes).

    Raises:
        StoreError: the folder cannot be written, has other content, or holds a run with other settings; or another
            process uses it.
    """
    folder = RunFolder(path)
    wanted = json.loads(to_json(settings))
    check_folder(path)
    if folder.manifest_path.is_file():  # checked again under the lock, which a refused process does not take
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
        settings: settings, as in `open_run`.
        facts: further entries; `arguments` are marked as arguments of this user (`interp.runs.ownership`).
    """
    content = {"settings": settings, "started": now(), "resumed": [], **environment(), **facts}
    return content | {"own": marks(settings, facts.get("arguments", {}))}


def _write_manifest(folder: RunFolder, wanted: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Write a new manifest, or add facts to the manifest of a run with equal settings."""
    before = folder.manifest() if folder.manifest_path.is_file() else None
    content = new_manifest(wanted, facts)
    if before is not None:
        _check_settings(folder, before["settings"], wanted)
        again = [*before["resumed"], {"at": now(), **environment()}]
        content = {**before, **facts, "own": content["own"], "resumed": again}
    write_atomic(folder.manifest_path, to_json(content))


def _check_settings(folder: RunFolder, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raise `StoreError` if settings differ, with the first different setting."""
    for key in sorted(set(wanted) | set(before), key=lambda name: (name not in ("kind", "version"), name)):
        old, new = before.get(key), wanted.get(key)
        if old != new:
            raise StoreError(
                f"'{folder.path}' holds a run with {key} = {_short(old)}, not {_short(new)}; "
                "remove it, or choose another folder"
            )


def check_folder(path: Path) -> None:
    """Raise `StoreError` if a folder cannot hold a run; write nothing."""
    try:
        if path.is_dir() and any(map(_is_foreign, path.iterdir())) and not (path / MANIFEST).is_file():
            raise StoreError(f"'{path}' is not empty and is not a run folder; choose another folder")
        if path.exists() and not path.is_dir():
            raise StoreError(f"'{path}' is a file; choose a folder")
        existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:
        raise StoreError(f"cannot use '{path}': {error.strerror or error}; choose another folder") from error
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write '{path}': '{existing}' is not writable; choose another folder")


def _is_foreign(path: Path) -> bool:
    """Return whether a file does not come from a run that was killed before it wrote a manifest."""
    return not (path.name.startswith(".") and path.name.endswith((LOCK, UNFINISHED)))


@contextmanager
def _locked(folder: RunFolder, part: str | None) -> Iterator[FileLock]:
    """Keep other processes out of a run folder, or out of a part of the run, during the body.

    Yields:
        The lock of the folder, which a part only needs to write the manifest.
    """
    with ExitStack() as stack:
        try:
            folder.path.mkdir(parents=True, exist_ok=True)
            for path in (folder.path / LOCK, *folder.path.glob(f".*{LOCK}")):
                if path.is_symlink() or (path.exists() and not path.is_file()):
                    raise StoreError(f"'{path}' is not a regular file; remove it")
            others = [] if part is not None else sorted(folder.path.glob(f".part-*{LOCK}"))
            parts = [] if part is None else [folder.path / f".part-{part}{LOCK}"]
            for path in (*parts, folder.path / LOCK, *others):
                lock = FileLock(path, timeout=PATIENCE if parts and path.name == LOCK else 0)
                stack.enter_context(lock)
                if path.name == LOCK:
                    alone = lock
        except Timeout as error:
            place = f"part {part} of '{folder.path}'" if parts and path == parts[0] else f"'{folder.path}'"
            raise StoreError(f"another process is at work in {place}; wait for it, or choose another folder") from error
        except OSError as error:
            raise StoreError(
                f"cannot write to '{folder.path}': {error.strerror or error}; choose another folder"
            ) from error
        yield alone


def _short(value: Any) -> str:
    """Return a value as JSON of at most 60 letters."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def update_manifest(folder: RunFolder, **facts: Any) -> None:
    """Add or replace entries of a manifest."""
    write_atomic(folder.manifest_path, to_json(folder.manifest() | facts))


def table(rows: Iterable[Mapping[str, Any]], by: list[str]) -> pd.DataFrame:
    """Return rows as a table, sorted by the columns `by`."""
    import pandas as pd

    return pd.DataFrame(list(rows)).sort_values(by, ignore_index=True)


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write NAME.csv (with all digits) and NAME.parquet, each whole or not at all."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(folder / f"{name}.csv", csv_text(frame))
    write_atomic(folder / f"{name}.parquet", buffer.getvalue())
