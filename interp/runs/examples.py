"""Some test pairs of a sweep for display: texts and small pictures, kept in the run folder. No torch."""

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
_PIXELS = 192  # most pixels of a picture's longer side
FILE = "examples.json"
PICTURES = "examples"  # folder of their pictures
PLAIN = "remove the file: the page does without it"


@dataclass(frozen=True)
class Example:
    """Pair for display.

    Attributes:
        image: name of its picture, in a folder of the run folder that holds nothing else.
        checksum: SHA-256 of the picture's file.
    """

    id: str
    positive: str
    negative: str
    image: str
    checksum: str


def keep_examples(folder: RunFolder, pairs: PairSet, chosen: Sequence[Pair]) -> None:
    """Write the texts and small pictures of some pairs to a run folder."""
    kept = keep_pictures(folder, pairs, chosen, PICTURES)
    folder.write_file(FILE, {"examples": [asdict(example) for example in kept]})


def keep_pictures(folder: RunFolder, pairs: PairSet, chosen: Sequence[Pair], where: str) -> list[Example]:
    """Write small pictures of some pairs to a folder of a run folder, and remove all other pictures from it."""
    kept = []
    for number, pair in enumerate(chosen):
        picture = small_jpeg(pairs.open_image(pair))
        checksum = hashlib.sha256(picture).hexdigest()
        example = Example(pair.id, pair.positive, pair.negative, f"{number}.jpg", checksum)
        write_atomic(picture_path(folder, example, where), picture)
        kept.append(example)
    for path in set((folder.path / where).glob("*.jpg")) - {picture_path(folder, one, where) for one in kept}:
        path.unlink()
    return kept


def small_jpeg(picture: Image) -> bytes:
    """Return a picture as a JPEG file, made smaller if its longer side has more than `_PIXELS`."""
    picture = picture.convert("RGB")
    picture.thumbnail((_PIXELS, _PIXELS))
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=92, subsampling=0)
    return buffer.getvalue()


def picture_path(folder: RunFolder, example: Example, where: str = PICTURES) -> Path:
    """Return the path of an example's picture, which is always inside the run folder, whatever name the file has."""
    return folder.path / where / Path(example.image).name


def read_picture(folder: RunFolder, example: Example, where: str = PICTURES) -> bytes | None:
    """Return the content of an example's picture file; None if there is none.

    Raises:
        StoreError: the picture was changed after it was written, or is not a file.
    """
    path = picture_path(folder, example, where)
    content = read_bytes(path)
    if content is not None and example.checksum != hashlib.sha256(content).hexdigest():
        raise StoreError(f"the picture '{path}' was changed since it was written; {PLAIN}")
    return content


def has_examples(folder: RunFolder) -> bool:
    """Return whether examples were kept, with all their pictures unchanged."""
    try:
        kept = read_examples(folder)
        return bool(kept) and all(read_picture(folder, example) is not None for example in kept)
    except StoreError as error:
        print(f"note: {error.fault}; examples are kept again")
        return False


class _ExamplesFile(TypedDict):
    examples: list[Example]


def read_examples(folder: RunFolder) -> list[Example]:
    """Read the examples that `keep_examples` wrote; return an empty list if the file is missing.

    Raises:
        StoreError: the file is damaged.
    """
    found = folder.read_file(FILE, _ExamplesFile, PLAIN)
    return [] if found is None else found["examples"]
