"""Concadia (Kreiss et al. 2022) as published: `wiki_split.json` beside `resized/` or `resized.zip`."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from interp.data.errors import DataError
from interp.data.images import checksum, open_rgb
from interp.data.pairs import Pair, PairSet

TEXTS = "wiki_split.json"


def load_concadia(folder: Path | str) -> PairSet:
    """Load all splits; images are opened when they are asked for.

    Args:
        folder: holds `wiki_split.json` and the images, in `resized/` or still zipped in `resized.zip`.

    Returns:
        Pairs whose id is the image's file name and whose group is the article.

    Raises:
        DataError: a file is missing or malformed.
    """
    folder = Path(folder)
    if not os.path.isdir(folder):  # unlike Path.is_dir, never raises
        raise DataError(f"no folder '{folder}'; Concadia's folder holds {TEXTS} and resized/ or resized.zip")
    pairs = tuple(_pair(item, number, folder) for number, item in enumerate(_items(folder)))
    if not pairs:
        raise DataError(f"'{folder / TEXTS}' lists no images")
    read = _images(folder)
    return PairSet(
        f"concadia:{folder}", pairs, lambda pair: open_rgb(pair.id, read), lambda pair: checksum(pair.id, read)
    )


def _items(folder: Path) -> list[Any]:
    path = folder / TEXTS
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"'{folder}' has no {TEXTS}; download it from the Concadia repository") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"'{path}' is damaged or cut short ({error}); download it again") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"'{path}' is not Concadia's: it has no list 'images'")
    return content["images"]


def _pair(item: Any, number: int, folder: Path) -> Pair:
    try:
        texts = [item[kind]["raw"].strip() for kind in ("description", "caption")]
        fields = [item[key] for key in ("filename", "split", "article_id")]
    except (KeyError, TypeError, AttributeError) as error:
        key = f"{error}" if isinstance(error, KeyError) else "a text"
        raise DataError(f"'{folder / TEXTS}': item {number} lacks {key} or has it in another form") from error
    if not all(texts):
        raise DataError(f"'{folder / TEXTS}': item {number} has an empty description or caption")
    name, split, article = (str(field) for field in fields)
    return Pair(name, texts[0], texts[1], split, article)


def _images(folder: Path) -> Callable[[str], bytes]:
    """A function that reads an image by its file name."""
    loose, zipped = folder / "resized", folder / "resized.zip"
    if loose.is_dir():
        return lambda name: (loose / name).read_bytes()
    if not zipped.is_file():
        raise DataError(f"'{folder}' has neither resized/ nor resized.zip; the images are missing")
    try:
        archive = zipfile.ZipFile(zipped)
    except (OSError, zipfile.BadZipFile) as error:
        raise DataError(f"'{zipped}' is damaged or cut short: {error}") from error
    members = {Path(info.filename).name: info for info in archive.infolist() if not info.is_dir()}
    return lambda name: archive.read(members[name])
