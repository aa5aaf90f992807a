"""Files read whole: ordinary ones alone, and none that is larger than can be meant."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_TEXT = 2 * 2**30  # bytes of a table or a list of texts; Concadia's has 0.3 GB
MOST_IMAGE = 100 * 2**20  # bytes of an image file, packed or not


def read_file(path: Path | str, most: int) -> bytes:
    """The content of a file; never waits, as reading a pipe would.

    Raises:
        OSError: there is none, it is a folder, a pipe or a device, its name is none, or it has more than `most` bytes.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # of a NUL, or of half of a surrogate pair
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
    """What is wrong with a file of so many bytes."""
    return f"it has {size / 2**20:,.0f} MB, and more than {most / 2**20:,.0f} MB are not read"
