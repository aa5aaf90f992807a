"""Reading of whole files: only regular files, up to a maximal size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_TEXT = 2 * 2**30  # bytes of a table or a list of texts; Concadia's file has 0.3 GB
MOST_IMAGE = 100 * 2**20  # bytes of an image file, packed or not


def read_file(path: Path | str, most: int) -> bytes:
    """Return the content of a regular file. Pipes and devices are refused, since reading them may never end.

    Raises:
        OSError: the file does not exist, is a folder, a pipe or a device, has an invalid name, or has more than `most`
            bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # the name has a NUL or half of a surrogate pair
        raise OSError(errno.EINVAL, "no file can have this name") from error
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device")
        if status.st_size > most:
            raise OSError(errno.EFBIG, too_large(status.st_size, most))
        with open(handle, "rb", closefd=False) as file:
            return file.read()
    finally:
        os.close(handle)


def too_large(size: int, most: int) -> str:
    """Return an error message for a file of `size` bytes."""
    return f"it has {size / 2**20:,.0f} MB; the maximum is {most / 2**20:,.0f} MB"
