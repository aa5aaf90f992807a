"""Files of runs: written whole or not at all, and read only if they are regular files. No torch.

Links that lead out of a run folder are never followed.
"""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interp.data.files import read_file
from interp.errors import UserError

UNFINISHED = ".part"  # suffix of a file that is being written
MANIFEST = "manifest.json"
LOCK = ".lock"
FILES = (".json", ".jsonl", ".jpg", ".png", ".csv", ".parquet", ".safetensors", ".html")  # suffixes of files of runs
MOST_BYTES = 2**26  # largest file that is read at once


class StoreError(UserError):
    """Error of a run folder that cannot be used; the message is one line that gives the remedy."""

    @property
    def fault(self) -> str:
        """Message without the remedy."""
        return str(self).rpartition("; ")[0] or str(self)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that it exists whole or not at all, even after a loss of power.

    Raises:
        StoreError: the folder cannot be written to, or the path is a folder or a device. A device would be replaced by
            a file for all programs.
    """
    try:
        if path.is_dir() or path.is_char_device() or path.is_block_device():
            what = "a folder" if path.is_dir() else "a device"
            raise StoreError(f"cannot write '{path}': it is {what}; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(name, path)
            _flush_entries(path.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {_why(error)}") from error


def _why(error: OSError) -> str:
    """Return an error message for a failed write to a disk, with the remedy."""
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}; make room, and give the same command again (a fine-tuning: with --resume)"
    if error.errno == errno.ENOENT:
        return f"{said}: its folder has vanished; run the command again"
    return f"{said}; choose another folder"


def _flush_entries(folder: Path) -> None:
    """Write a folder to disk, without which a renamed file would not survive a loss of power."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a system that does not open folders gives no such guarantee
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # unsupported by the file system
            raise
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """Return the content of a file; None if there is no file.

    Raises:
        StoreError: it is not a file (a pipe, which would never end, or a folder), is too large, or cannot be read.
    """
    try:
        return read_file(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error


def check_file(path: Path) -> None:
    """Raise `StoreError` unless a path is a regular file; opening a pipe would wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise StoreError(f"'{path}' is no file; remove it")


def check_tree(root: Path) -> None:
    """Raise `StoreError` if something in a folder leads out of it, or is neither a file nor a folder.

    A run folder from somebody else can thus neither show files from elsewhere nor make us write to them. The folder
    itself may be a link, since its name was given by the user.
    """
    try:
        real = root.resolve()
        for entry in _entries(root):
            if entry.is_symlink():
                if not Path(entry.path).resolve().is_relative_to(real):
                    raise StoreError(
                        f"'{entry.path}' is a link that leads out of the run folder; "
                        "remove it, or put what it points to in its place"
                    )
            elif os.path.lexists(entry.path) and not entry.is_file() and not entry.is_dir():
                raise StoreError(f"'{entry.path}' is neither a file nor a folder; remove it")
            elif entry.is_dir() and Path(entry.name).suffix in FILES:
                raise StoreError(f"'{entry.path}' is a folder where a file belongs; remove it")
    except (OSError, RuntimeError) as error:  # circular links
        raise StoreError(f"cannot look into '{root}': {getattr(error, 'strerror', None) or error}") from error


def remove_unfinished(root: Path) -> None:
    """Remove half-written files that a killed process has left in a run folder, but not in run folders inside of it."""
    for entry in _entries(root, into_runs=False):
        if entry.name.startswith(".") and entry.name.endswith(UNFINISHED) and entry.is_file(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)


def _entries(root: Path, *, into_runs: bool = True) -> Iterator[os.DirEntry[str]]:
    """Yield everything in a folder and below, without following links; entries that vanish meanwhile are skipped."""
    left = [str(root)]
    while left:
        try:
            with os.scandir(left.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # later reads or writes there will report it
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and (into_runs or not (Path(entry.path) / MANIFEST).exists()):
                left.append(entry.path)
