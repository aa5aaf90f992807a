"""Images read from bytes, wherever a data set keeps them."""

from __future__ import annotations

import io
import re
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from interp.data.errors import DataError
from interp.errors import shown

if TYPE_CHECKING:
    from PIL.Image import Image


_LONGEST_NAME = 300  # letters of a path that an error names
MOST_PIXELS = 64_000_000  # of an image; decoded, each takes three bytes or more
_ONE_AT_A_TIME = threading.Lock()  # PIL's settings are those of all threads
_TOO_MANY = f"larger than the {MOST_PIXELS // 10**6} million pixels that are opened; make it smaller"
ORIENTATION, _UPRIGHT = 0x0112, 1  # EXIF's tag, and its value for a picture that is not turned
_MAY_BE_TURNED = re.compile(rb"exif|orientation|^II\*|^MM\0", re.IGNORECASE)  # in the file's bytes


def open_rgb(name: str, read: Callable[[str], bytes]) -> Image:
    """Decode an image.

    Args:
        name: what `read` and the reader of a message know the image by.
        read: gives an image file's content by name.

    Returns:
        The image as RGB, whatever the file holds, turned as its EXIF data say.

    Raises:
        DataError: the image is not there, has more than `MOST_PIXELS`, or cannot be decoded.
    """
    from PIL import Image, ImageOps

    try:
        content = read(name)
        with _own_settings(), Image.open(io.BytesIO(content)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(f"it has {picture.width} x {picture.height} pixels, {_TOO_MANY}")
            picture.load()
            if _orientation(picture) == _UPRIGHT:
                return picture.convert("RGB")
            return ImageOps.exif_transpose(picture).convert("RGB")
    except Exception as error:  # decoders and archives raise whatever they like on damaged files
        why = "it is not there" if isinstance(error, (FileNotFoundError, KeyError)) else _why(error)
        raise DataError(f"cannot read the image '{shown(name, _LONGEST_NAME)}': {why}") from error


@contextmanager
def _own_settings() -> Iterator[None]:
    """PIL as it is meant to be, whatever another library has set: damaged images are errors, and so are huge ones."""
    from PIL import Image, ImageFile

    with _ONE_AT_A_TIME:
        before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS
        ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = False, MOST_PIXELS
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS = before


def _orientation(picture: Image) -> int:
    """How a picture is turned by its EXIF data, 1 to 8; data that cannot be read say nothing."""
    try:
        turned = int(picture.getexif().get(ORIENTATION, _UPRIGHT))
        return turned if turned in range(_UPRIGHT, 9) else _UPRIGHT
    except Exception:  # as of decoders
        return _UPRIGHT


def checksum(name: str, read: Callable[[str], bytes]) -> str:
    """A key that changes with the content of an image file, and with how it is turned; cheaper than opening it.

    Args:
        name, read: as in `open_rgb`.

    Returns:
        CRC-32 in eight hexadecimal digits, with the orientation behind it where EXIF data turn the image; or
        ``unreadable``. Never raises.
    """
    from PIL import Image

    try:
        content = read(name)
        turned = _UPRIGHT
        if _MAY_BE_TURNED.search(content):
            with suppress(Exception), _own_settings(), Image.open(io.BytesIO(content)) as picture:
                turned = _orientation(picture)
        return f"{zlib.crc32(content):08x}" + f"-{turned}" * (turned != _UPRIGHT)
    except Exception:  # as above; what cannot be read is reported when it is opened
        return "unreadable"


def _why(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it is {_TOO_MANY}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "not an image that can be decoded" if "cannot identify" in text else shown(text, 200)
