"""Files of runs: written whole or not at all, read only if they are files, and never through a link that leads out.
No torch."""

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
FILES = (".json", ".jsonl", ".jpg", ".png", ".csv", ".parquet", ".safetensors", ".html")  # suffixes of what runs hold
MOST_BYTES = 2**26  # of a file that is read at once: more is none of ours


class StoreError(UserError):
    """The run folder cannot be used; the message is one line that says how to mend it."""

    @property
    def fault(self) -> str:
        """What is wrong, without how to mend it."""
        return str(self).rpartition("; ")[0] or str(self)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file so that it is there whole or not at all, whatever happens, a loss of power included.

    Raises:
        StoreError: the folder cannot be written to, or a folder or a device stands there: a device would be replaced
            by a file for all programs.
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
    """What is wrong with a disk, and how to mend it."""
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{said}; make room, and give the same command again (a fine-tuning: with --resume)"
    if error.errno == errno.ENOENT:
        return f"{said}: its folder has vanished; run the command again"
    return f"{said}; choose another folder"


def _flush_entries(folder: Path) -> None:
    """A file that was renamed survives a loss of power only when its folder is on disk too."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # a system that does not open folders keeps no such promise either
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):  # of file systems that cannot
            raise
    finally:
        os.close(handle)


def read_bytes(path: Path) -> bytes | None:
    """What a file holds; None, if there is none.

    Raises:
        StoreError: it is no file (a pipe, which would never end, a folder), too large, or cannot be read.
    """
    try:
        return read_file(path, MOST_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}") from error


def check_file(path: Path) -> None:
    """Raise `StoreError` unless something is a file; what opens a pipe waits for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise StoreError(f"'{path}' is no file; remove it")


def check_tree(root: Path) -> None:
    """Raise `StoreError` if something in a folder leads out of it, or is neither a file nor a folder.

    So a run folder that somebody else made can neither show files from elsewhere nor have them written. The folder
    itself may be a link: its name was given by the user.
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
    except (OSError, RuntimeError) as error:  # links in a circle
        raise StoreError(f"cannot look into '{root}': {getattr(error, 'strerror', None) or error}") from error


def remove_unfinished(root: Path) -> None:
    """Remove what a killed process has left half-written in a run folder; runs inside of it look after themselves."""
    for entry in _entries(root, into_runs=False):
        if entry.name.startswith(".") and entry.name.endswith(UNFINISHED) and entry.is_file(follow_symlinks=False):
            Path(entry.path).unlink(missing_ok=True)


def _entries(root: Path, *, into_runs: bool = True) -> Iterator[os.DirEntry[str]]:
    """Everything in a folder and below, without following links; what vanishes meanwhile is passed over."""
    left = [str(root)]
    while left:
        try:
            with os.scandir(left.pop()) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except FileNotFoundError:
            continue  # whoever reads or writes there says so
        for entry in entries:
            yield entry
            if entry.is_dir(follow_symlinks=False) and (into_runs or not (Path(entry.path) / MANIFEST).exists()):
                left.append(entry.path)
