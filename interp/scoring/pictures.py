"""Images of a table of alt texts, with thumbnails and notes; each file is opened once. No torch."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.images import changes_of, checksum, open_rgb

if TYPE_CHECKING:
    from PIL.Image import Image

_SIDE = 160  # pixels of the longer side of a thumbnail
_AT_ONCE = 32  # number of decoded images in memory


@dataclass(frozen=True)
class Picture:
    """Image of a row.

    Attributes:
        key: hash that changes with the content of the file.
        thumbnail: small JPEG in base 64; None if the image cannot be read.
        changes: changes to the image before a model sees it, as `interp.data.images.changes_of` returns them.
        problem: reason why the image cannot be read; empty if it can.
    """

    key: str
    thumbnail: str | None = None
    changes: tuple[str, ...] = ()
    problem: str = ""


def open_pictures(
    paths: Sequence[Path], on_image: Callable[[], object] = lambda: None
) -> Iterator[tuple[list[Picture], list[Image]]]:
    """Open images, at most 32 at a time to save memory.

    Args:
        paths: files of the images.
        on_image: callback after each image.

    Yields:
        A `Picture` for each of the next paths, and the decoded images of the readable files.
    """
    for start in range(0, len(paths), _AT_ONCE):
        pictures, images = [], []
        for path in paths[start : start + _AT_ONCE]:
            picture, image = _open(path)
            pictures.append(picture)
            images += [] if image is None else [image]
            on_image()
        yield pictures, images


def _open(path: Path) -> tuple[Picture, Image | None]:
    """Return the picture of a file, and its decoded image; None if the image cannot be read."""
    content: bytes | OSError
    try:
        content = read_file(path, MOST_IMAGE)
    except OSError as error:
        content = error

    def read(_name: str) -> bytes:
        if isinstance(content, OSError):
            raise content
        return content

    key = checksum(path.name, read)
    try:
        image = open_rgb(path.name, read)
    except DataError as error:
        return Picture(key, problem=str(error)), None
    return Picture(key, _thumbnail(image), changes_of(image)), image


def _thumbnail(image: Image) -> str:
    """Return a small JPEG in base 64."""
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return base64.b64encode(file.getvalue()).decode()
