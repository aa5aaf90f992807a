"""Conversion of texts and images from the forms that users pass: single values, lists, arrays, columns and files."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from interp.clip.tensors import Tensor
from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.images import open_rgb, rgb_of, upright
from interp.errors import shown

if TYPE_CHECKING:
    from PIL.Image import Image

Texts: TypeAlias = Any  # a text, or texts: a list, a tuple, an array, a column of a table
Images: TypeAlias = Any  # an image, or images: paths, PIL images, arrays


def as_texts(texts: Texts) -> list[str]:
    """Return texts in the composed form of Unicode (NFC), in which tokenizers read them; a single string is one text.

    Raises:
        TypeError: a text is not a string.
    """
    try:
        several = [texts] if isinstance(texts, str) else list(texts)
    except TypeError:
        raise TypeError(f"texts must be a string or strings, not {_kind(texts)}") from None
    for number, text in enumerate(several):
        if not isinstance(text, str):
            raise TypeError(f"texts must be strings, but number {number} is {_kind(text)}")
    return [unicodedata.normalize("NFC", text) for text in several]


def as_images(images: Images) -> Iterator[Image]:
    """Yield images as RGB: transparent parts become white, and values of 16 bits are scaled.

    Args:
        images: a path, a PIL image, or an array of shape (height, width), (height, width, 3) or (height, width, 4); or
            several of these, also as an array with one more dimension. Whole numbers range from 0 to 255, or to 65535
            in 16 bits (uint16). Real numbers range from 0 to 1.

    Raises:
        DataError: a file cannot be read as an image.
        TypeError: an image is of another type, or an array of another shape.
    """
    for number, image in enumerate(_several(images)):
        yield _as_image(image, number)


def _several(images: Images) -> Iterable[Any]:
    from PIL.Image import Image

    if isinstance(images, (str, os.PathLike, Image)):
        return [images]
    if _is_array(images):
        return images if images.ndim == 4 else [images]
    if not isinstance(images, Iterable):
        raise TypeError(f"images must be paths, PIL images or arrays, not {_kind(images)}")
    return images


def _as_image(image: Any, number: int) -> Image:
    from PIL import Image as Pillow

    if isinstance(image, (str, os.PathLike)):
        return open_rgb(os.fspath(image), lambda name: read_file(Path(name), MOST_IMAGE))
    if isinstance(image, Pillow.Image):
        return _from_picture(image, number)
    if isinstance(image, Tensor):
        return _from_array((image.float() if image.is_floating_point() else image).detach().cpu().numpy(), number)
    if _is_array(image):
        return _from_array(image, number)
    raise TypeError(f"images must be paths, PIL images or arrays, but number {number} is {_kind(image)}")


def _from_picture(picture: Image, number: int) -> Image:
    if 0 in picture.size:
        raise TypeError(f"image number {number} has no pixels")
    try:
        return rgb_of(upright(picture))
    except OSError as error:  # the file is read only now
        raise DataError(f"image number {number} cannot be read: {shown(error)}") from error


def _from_array(values: np.ndarray, number: int) -> Image:
    from PIL import Image as Pillow

    colours = values.shape[2] if values.ndim == 3 else 1
    if values.ndim not in (2, 3) or colours not in (1, 3, 4) or 0 in values.shape:
        raise TypeError(
            f"image number {number} is an array of shape {tuple(values.shape)}; expected (height, width), "
            "(height, width, 3) or (height, width, 4)"
        )
    grey = values[..., 0] if colours == 1 and values.ndim == 3 else values
    return rgb_of(Pillow.fromarray(_in_8_bits(grey, number)))


def _in_8_bits(values: np.ndarray, number: int) -> np.ndarray:
    """Return real numbers from 0 to 1, truth values, or whole numbers of 8 or 16 bits as whole numbers of 8 bits."""
    most = 1 if values.dtype.kind in "bf" else 65535 if values.dtype == np.uint16 else 255
    if values.dtype.kind not in "bfiu" or not (values.min() >= 0 and values.max() <= most):
        raise TypeError(
            f"image number {number} is an array of {values.dtype} with values that are not all from 0 to {most}"
        )
    return np.rint(255 * (values.astype(np.float64) / most)).astype(np.uint8)


def _is_array(value: Any) -> bool:
    return isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind in "bfiuc")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
