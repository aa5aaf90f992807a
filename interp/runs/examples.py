"""Example pairs of a sweep for display, as texts and small pictures in the run folder. No torch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from interp.runs.files import StoreError, read_bytes, write_atomic
from interp.runs.folder import RunFolder

if TYPE_CHECKING:
    from PIL.Image import Image

    from interp.data.pairs import Pair, PairSet

EXAMPLES = 8  # pairs for which a cell keeps the attribution of each word
_PIXELS = 192  # longest side of a picture
FILE = "examples.json"
PICTURES = "examples"  # folder of the pictures
PLAIN = "remove the file: the page does not need it"


@dataclass(frozen=True)
class Example:
    """Pair for display.

    Attributes:
        id: id of the pair.
        positive, negative: texts of the pair.
        image: file name of the picture, in a folder with pictures only.
        checksum: SHA-256 of the picture's file.
    """

    id: str
    positive: str
    negative: str
    image: str
    checksum: str


def keep_examples(folder: RunFolder, pairs: PairSet, chosen: Sequence[Pair]) -> None:
    """Write the texts and small pictures of the chosen pairs to a run folder."""
    kept = keep_pictures(folder, pairs, chosen, PICTURES)
    folder.write_file(FILE, {"examples": [asdict(example) for example in kept]})


def keep_pictures(folder: RunFolder, pairs: PairSet, chosen: Sequence[Pair], where: str) -> list[Example]:
    """Write small pictures of the chosen pairs to a subfolder, and remove all other pictures from the subfolder."""
    kept = []
    for number, pair in enumerate(chosen):
        picture = small_jpeg(pairs.open_image(pair))
        checksum = hashlib.sha256(picture).hexdigest()
        example = Example(pair.id, pair.positive, pair.negative, f"{number}.jpg", checksum)
        write_atomic(picture_path(folder, example, where), picture)
        kept.append(example)
    for path in set((folder.path / where).glob("*.jpg")) - {picture_path(folder, example, where) for example in kept}:
        path.unlink()
    return kept


def small_jpeg(picture: Image) -> bytes:
    """Return a picture as a JPEG file, reduced to at most `_PIXELS` pixels on the longer side."""
    picture = picture.convert("RGB")
    picture.thumbnail((_PIXELS, _PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def picture_path(folder: RunFolder, example: Example, where: str = PICTURES) -> Path:
    """Return the path of an example's picture, which is inside the run folder even if the file's name is not."""
    return folder.path / where / Path(example.image).name


def read_picture(folder: RunFolder, example: Example, where: str = PICTURES) -> bytes | None:
    """Return the content of an example's picture file; None if there is no file.

    Raises:
        StoreError: the picture was changed after the run wrote it, or is not a file.
    """
    path = picture_path(folder, example, where)
    content = read_bytes(path)
    if content is not None and example.checksum != hashlib.sha256(content).hexdigest():
        raise StoreError(f"the picture '{path}' was changed after the run wrote it; {PLAIN}")
    return content


def has_examples(folder: RunFolder) -> bool:
    """Return whether the folder has examples, with all pictures unchanged."""
    try:
        kept = read_examples(folder)
        return bool(kept) and all(read_picture(folder, example) is not None for example in kept)
    except StoreError as error:
        print(f"note: {error.fault}; the examples are written again")
        return False


class _ExamplesFile(TypedDict):
    """Content of the file of examples."""

    examples: list[Example]


def read_examples(folder: RunFolder) -> list[Example]:
    """Read the examples that `keep_examples` wrote; return an empty list if the file is missing.

    Raises:
        StoreError: the file is damaged.
    """
    content = folder.read_file(FILE, _ExamplesFile, PLAIN)
    return [] if content is None else content["examples"]
