"""A run folder: one manifest, one atomic file for each cell, and the table made of them. No torch."""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from interp.errors import UserError

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = ("torch", "transformers", "numpy", "captum", "pyvene", "peft", "accelerate", "wordfreq", "clip-descriptions")


class StoreError(UserError):
    """The run folder cannot be used; the message is one line that says how to mend it."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens.

    Raises:
        StoreError: the folder cannot be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {error.strerror or error}; choose another folder") from error


def to_json(value: Any) -> str:
    """JSON with exact floats; NaN and infinities become null, for JSON has no word for them."""
    return json.dumps(_finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value


def defined(value: Any) -> Any:
    """What a file holds, with NaN where a number is not defined, for which JSON has null."""
    if isinstance(value, dict):
        return {name: defined(item) for name, item in value.items()}
    if isinstance(value, list):
        return [defined(item) for item in value]
    return math.nan if value is None else value


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run.

    `manifest.json` says what was asked for, with what; `cells/NAME.json` hold results. A cell's file appears when
    the cell is done, so what is missing is what is left to do.
    """

    path: Path

    @property
    def manifest_path(self) -> Path:
        """Of the manifest, whether it is there or not."""
        return self.path / "manifest.json"

    def cell_path(self, name: str) -> Path:
        """Of a cell's file, whether it is there or not."""
        return self.path / "cells" / f"{name}.json"

    def manifest(self) -> dict[str, Any]:
        """Raises `StoreError` if there is none or it is damaged."""
        try:
            content = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(f"'{self.path}' is not a run folder: it has no manifest.json") from None
        except (OSError, ValueError) as error:
            raise StoreError(f"cannot read '{self.manifest_path}': {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("settings", {}), dict):
            raise StoreError(f"'{self.manifest_path}' is not the manifest of a run")
        return content

    def read(self, name: str) -> dict[str, Any] | None:
        """A finished cell, or None if it is missing or damaged."""
        try:
            content = json.loads(self.cell_path(name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return content if isinstance(content, dict) else None

    def names(self) -> list[str]:
        """Of all cells that have a file, sorted."""
        return sorted(path.stem for path in self.path.glob("cells/*.json"))

    def write(self, name: str, cell: Mapping[str, Any]) -> None:
        """Keep a finished cell, whole or not at all; raises `StoreError` if it cannot be written."""
        write_atomic(self.cell_path(name), to_json(cell))


def open_run(path: Path, settings: Mapping[str, Any], **facts: Any) -> RunFolder:
    """Start a run in a folder, or go on with the one that is there.

    Args:
        settings: whatever the numbers depend on; a run is resumed only if they are the same.
        facts: anything else for the manifest (arguments, notes).

    Raises:
        StoreError: the folder cannot be written, holds something else, or holds a run with other settings.
    """
    folder = RunFolder(path)
    wanted = json.loads(to_json(settings))
    check_folder(path)
    if folder.manifest_path.is_file():
        before = folder.manifest()
        for key in sorted(
            set(wanted) | set(before.get("settings", {})), key=lambda name: (name not in ("kind", "version"), name)
        ):
            old, new = before.get("settings", {}).get(key), wanted.get(key)
            if old != new:
                raise StoreError(
                    f"'{path}' holds a run with {key} = {_short(old)}, not {_short(new)}; "
                    "remove it, or choose another folder"
                )
        update_manifest(folder, resumed=[*before.get("resumed", []), {"at": now(), **environment()}], **facts)
    else:
        content = {"settings": wanted, "started": now(), "resumed": [], **environment(), **facts}
        write_atomic(folder.manifest_path, to_json(content))
    return folder


def check_folder(path: Path) -> None:
    """Raise `StoreError` if a run cannot be kept in a folder; nothing is written."""
    try:
        if path.is_dir() and any(path.iterdir()) and not (path / "manifest.json").is_file():
            raise StoreError(f"'{path}' is not empty and is no run folder; choose another one")
        if path.exists() and not path.is_dir():
            raise StoreError(f"'{path}' is a file; choose a folder")
        there = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    except OSError as error:
        raise StoreError(f"cannot use '{path}': {error.strerror or error}; choose another folder") from error
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise StoreError(f"cannot write '{path}': '{there}' cannot be written to; choose another folder")


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Keep other processes from working in a run folder; the lock ends with this process, however that ends.

    Raises:
        StoreError: another process works there.
    """
    lock = FileLock(folder.path / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreError(
            f"another process is at work in '{folder.path}'; wait for it, or choose another folder"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def update_manifest(folder: RunFolder, **facts: Any) -> None:
    """Add facts to a manifest, or replace them."""
    write_atomic(folder.manifest_path, to_json(folder.manifest() | facts))


def now() -> str:
    """The time in UTC, as ISO 8601 writes it, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Versions, commit and machine, for the manifest."""
    versions: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return {
        "versions": versions,
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "cpus": os.cpu_count()},
        "git": _commit(),
    }


def _commit() -> str | None:
    """The commit of this code, marked if files were changed since; None outside of a repository."""
    here = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def table(rows: Iterable[Mapping[str, Any]], by: list[str]) -> pd.DataFrame:
    """The rows as a table, sorted."""
    import pandas as pd

    return pd.DataFrame(list(rows)).sort_values(by, ignore_index=True)


def write_table(frame: pd.DataFrame, folder: Path, name: str) -> None:
    """Write NAME.csv (every digit) and NAME.parquet, each whole or not at all."""
    import io

    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_atomic(folder / f"{name}.csv", frame.to_csv(index=False))
    write_atomic(folder / f"{name}.parquet", buffer.getvalue())
