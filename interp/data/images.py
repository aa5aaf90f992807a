"""Images read from bytes, wherever a data set keeps them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from interp.data.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image


def open_rgb(name: str, read: Callable[[str], bytes]) -> Image:
    """Decode an image.

    Args:
        name: what `read` and the reader of a message know the image by.
        read: gives an image file's content by name.

    Returns:
        The image as RGB, whatever the file holds.

    Raises:
        DataError: the image is not there, or it cannot be decoded.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(read(name))) as picture:
            return picture.convert("RGB")
    except Exception as error:  # decoders and archives raise whatever they like on damaged files
        why = "it is not there" if isinstance(error, (FileNotFoundError, KeyError)) else _why(error)
        raise DataError(f"cannot read the image '{name}': {why}") from error


def checksum(name: str, read: Callable[[str], bytes]) -> str:
    """A key that changes with the content of an image file; cheaper than opening it.

    Args:
        name, read: as in `open_rgb`.

    Returns:
        CRC-32 in eight hexadecimal digits, or ``unreadable``; never raises.
    """
    try:
        return f"{zlib.crc32(read(name)):08x}"
    except Exception:  # as above; what cannot be read is reported when it is opened
        return "unreadable"


def _why(error: Exception) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "not an image that can be decoded" if "cannot identify" in text else text
