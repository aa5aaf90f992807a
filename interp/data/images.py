"""Decoding of images from bytes, wherever a data set keeps them."""

from __future__ import annotations

import io
import re
import threading
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from interp.data.errors import DataError
from interp.errors import shown

if TYPE_CHECKING:
    from PIL.Image import Image


_LONGEST_NAME = 300  # letters of a path in an error message
MOST_PIXELS = 64_000_000  # of an image; each takes at least three bytes when decoded
_ONE_AT_A_TIME = threading.Lock()  # PIL's settings apply to all threads
_TOO_MANY = f"more than {MOST_PIXELS // 10**6} million"
_MOST_RATIO = 100  # of the sides; a model's processor scales the shorter side to its own, then crops
_TOO_LONG = f"more than {_MOST_RATIO} times as long as wide; crop it to the part that the text is about"
UNREADABLE = "unreadable"  # replaces a checksum
ON_WHITE, SCALED, FIRST_FRAME = "transparent parts put on white", "16 or 32 bits scaled to 8", "first frame of several"
_CHANGES = "changes"  # key in an image's `info`
_OPAQUE = 255
_HEIC = re.compile(rb".{4}ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)
ORIENTATION, _UPRIGHT = 0x0112, 1  # EXIF's tag, and its value for a picture that is upright
_MAY_BE_TURNED = re.compile(rb"exif|orientation|^II\*|^MM\0", re.IGNORECASE)  # in the file's bytes


def open_rgb(name: str, read: Callable[[str], bytes]) -> Image:
    """Decode an image.

    Args:
        name: name of the image for `read` and for messages.
        read: function from a name to the content of the image file.

    Returns:
        The image as RGB for any file format, turned according to its EXIF data. An animation gives its first
        frame, transparent parts are on white, and 16 or 32 bits are scaled to 8. `changes_of` returns the changes that
        were made.

    Raises:
        DataError: the image does not exist, has more than `MOST_PIXELS`, is more than `_MOST_RATIO` times as long as
            wide, or cannot be decoded.
    """
    from PIL import Image

    try:
        content = read(name)
        _check_decoder(content)
        with _pil_settings(), Image.open(io.BytesIO(content)) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise DataError(f"it has {picture.width} x {picture.height} pixels, {_TOO_MANY}; make it smaller")
            if max(picture.size) > _MOST_RATIO * min(picture.size):
                raise DataError(f"it has {picture.width} x {picture.height} pixels and is {_TOO_LONG}")
            picture.load()
            return rgb_of(upright(picture))
    except Exception as error:  # decoders and archives raise any exception on damaged files
        fault = "the file does not exist" if isinstance(error, (FileNotFoundError, KeyError)) else _fault(error)
        raise DataError(f"cannot read the image '{shown(name, _LONGEST_NAME)}': {fault}") from error


def in_words(changes: Iterable[str], total: int) -> tuple[str, ...]:
    """Return one sentence for each kind of change, with the number of changed images among `total` images.

    >>> in_words([ON_WHITE, ON_WHITE], total=5)
    ('2 of 5 images: transparent parts put on white',)
    """
    return tuple(f"{count} of {total} images: {change}" for change, count in sorted(Counter(changes).items()))


def changes_of(picture: Image) -> tuple[str, ...]:
    """Return the changes that `open_rgb` made to an image besides decoding it: `ON_WHITE`, `SCALED`, `FIRST_FRAME`."""
    changes: tuple[str, ...] = picture.info.get(_CHANGES, ())
    return changes


def upright(picture: Image) -> Image:
    """Return an image turned according to its EXIF data."""
    from PIL import ImageOps

    return picture if _orientation(picture) == _UPRIGHT else ImageOps.exif_transpose(picture)


def rgb_of(picture: Image) -> Image:
    """Return a decoded image as RGB: transparent parts on white, 16 or 32 bits scaled to 8."""
    from PIL import Image

    if picture.mode == "RGB" and not picture.has_transparency_data and not picture.format:
        return picture  # already decoded
    changes = []
    if getattr(picture, "is_animated", False) and picture.format != "MPO":  # a photo with a preview in it
        changes.append(FIRST_FRAME)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _scaled(picture)
        changes.append(SCALED)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if picture.getchannel("A").getextrema() != (_OPAQUE, _OPAQUE):
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
            changes.append(ON_WHITE)
    out = picture.convert("RGB")
    out.info = {_CHANGES: tuple(changes)}
    return out


def _scaled(picture: Image) -> Image:
    """Return an image of 16 or 32 bits, or of real numbers, in 8 bits: 0 is black, the format's largest value is white.

    Whole numbers in 32 bits that fit into 16 bits are read as 16 bits. Real numbers up to 1 are read as shares of
    white.
    """
    import numpy as np
    from PIL import Image

    values = np.nan_to_num(np.asarray(picture, dtype=np.float64))
    largest = float(values.max(initial=0))
    white = next((most for most in (1.0, 255.0, 65535.0, 2.0**31 - 1) if largest <= most), max(largest, 1.0))
    if picture.mode != "F":
        white = max(white, 65535.0)
    return Image.fromarray(np.rint(255 * values.clip(0) / white).astype(np.uint8), "L")


def _check_decoder(content: bytes) -> None:
    """Load the decoder of HEIC, which is an optional dependency.

    Raises:
        DataError: the decoder is not installed.
    """
    if not _HEIC.match(content):
        return
    try:
        import pillow_heif
    except ImportError as error:
        raise DataError(
            "it is a HEIC picture, a format of phones; run pip install 'clip-descriptions[heic]' to read it, or save "
            "it as JPEG"
        ) from error
    pillow_heif.register_heif_opener()


@contextmanager
def _pil_settings() -> Iterator[None]:
    """Change PIL's settings during the body, so that damaged and huge images raise errors."""
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
    """Return the orientation of a picture in its EXIF data, 1 to 8; 1 for data that cannot be read."""
    try:
        turned = int(picture.getexif().get(ORIENTATION, _UPRIGHT))
        return turned if turned in range(_UPRIGHT, 9) else _UPRIGHT
    except Exception:  # any exception, as from decoders
        return _UPRIGHT


def checksum(name: str, read: Callable[[str], bytes]) -> str:
    """Return a key that changes with an image file's content, including its orientation; cheaper than opening it.

    Args:
        name, read: as in `open_rgb`.

    Returns:
        CRC-32 in eight hexadecimal digits, followed by the orientation if EXIF data turn the image; or `UNREADABLE`.
        Never raises.
    """
    from PIL import Image

    try:
        content = read(name)
        turned = _UPRIGHT
        if _MAY_BE_TURNED.search(content):
            with suppress(Exception), _pil_settings(), Image.open(io.BytesIO(content)) as picture:
                turned = _orientation(picture)
        return f"{zlib.crc32(content):08x}" + f"-{turned}" * (turned != _UPRIGHT)
    except Exception:  # any exception; unreadable images are reported when opened
        return UNREADABLE


def _fault(error: Exception) -> str:
    from PIL import Image

    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"it has {_TOO_MANY} pixels; make it smaller"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return "not an image that can be decoded" if "cannot identify" in text else shown(text, 200)
