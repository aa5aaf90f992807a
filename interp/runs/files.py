"""Reading and writing of run files; a file is written whole or not at all. No torch.

Only regular files are read. Links that lead out of a run folder are never followed.
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
FILES = (".json", ".jsonl", ".jpg", ".png", ".csv", ".parquet", ".safetensors", ".html")  # suffixes of run files
MOST_BYTES = 2**26  # largest file that is read


class StoreError(UserError):
    """Error of a run folder that cannot be used; the message is one line that ends with the remedy."""

    @property
    def fault(self) -> str:
        """Message without the remedy."""
        return str(self).rpartition("; ")[0] or str(self)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, even if power fails.

    Raises:
        StoreError: the folder cannot be written, or the path is a folder or a device. A file in place of a device would
            affect all programs.
    """
    try:
        if path.is_dir() or path.is_char_device() or path.is_block_device():
            kind = "a folder" if path.is_dir() else "a device"
            raise StoreError(f"cannot write '{path}': it is {kind}; choose another name")
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=UNFINISHED)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)  # files from mkstemp are readable by their owner alone
            os.replace(name, path)
            _flush_entries(path.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(f"cannot write '{path}': {_reason(error)}") from error


def _reason(error: OSError) -> str:
    """Return the reason of a failed write to a disk, with the remedy."""
    text = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{text}; free space on the disk and run the same command again (for fine-tuning, add --resume)"
    if error.errno == errno.ENOENT:
        return f"{text}: its folder was removed; run the command again"
    return f"{text}; choose another folder"


def _flush_entries(folder: Path) -> None:
    """Write the entries of a folder to disk, so that a renamed file survives a loss of power."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # some systems do not open folders
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
        StoreError: the path is a folder or a pipe (which may never end), or the file is too large or cannot be read.
    """
    try:
        return read_file(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error


def check_file(path: Path) -> None:
    """Raise `StoreError` unless a path is a regular file; opening a pipe can wait forever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise StoreError(f"'{path}' is not a regular file; remove it")


def check_tree(root: Path) -> None:
    """Raise `StoreError` if an entry of a folder leads out of the folder, or is neither a file nor a folder.

    The check keeps a run folder from another person from revealing or overwriting files elsewhere. The folder itself
    may be a link, since the user gave its name.
    """
    try:
        real = root.resolve()
        for entry in _entries(root):
            if entry.is_symlink():
                if not Path(entry.path).resolve().is_relative_to(real):
                    raise StoreError(
                        f"'{entry.path}' is a link that leads out of the run folder; "
                        "remove it, or replace it with a copy of its target"
                    )
            elif os.path.lexists(entry.path) and not entry.is_file() and not entry.is_dir():
                raise StoreError(f"'{entry.path}' is neither a file nor a folder; remove it")
            elif entry.is_dir() and Path(entry.name).suffix in FILES:
                raise StoreError(f"'{entry.path}' is a folder, but must be a file; remove it")
    except (OSError, RuntimeError) as error:  # circular links
        raise StoreError(f"cannot read '{root}': {getattr(error, 'strerror', None) or error}") from error


def remove_unfinished(root: Path) -> None:
    """Remove half-written files of a killed process from a run folder, but not from run folders inside that folder."""
    for entry in _entries(root, into_runs=False):
        if entry.name.startswith(".") and entry.name.endswith(UNFINISHED) and entry.is_file(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)


def _entries(root: Path, *, into_runs: bool = True) -> Iterator[os.DirEntry[str]]:
    """Yield all entries of a folder and its subfolders; links are not followed, and vanished entries are skipped."""
    left = [str(root)]
    while left:
        try:
            with os.scandir(left.pop()) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # later reads or writes report the missing folder
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and (into_runs or not (Path(entry.path) / MANIFEST).exists()):
                left.append(entry.path)
