"""Concadia (Kreiss et al. 2022) as published: `wiki_split.json` next to `resized/` or `resized.zip`."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import Any

from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, MOST_TEXT, read_file, too_large
from interp.data.images import checksum, open_rgb
from interp.data.pairs import Pair, PairSet
from interp.data.words import NO_TEXT
from interp.errors import quoted, reason, shown

TEXTS, _ARTICLE = "wiki_split.json", "article_id"


def load_concadia(folder: Path | str) -> PairSet:
    """Load all splits; images are opened on request.

    Args:
        folder: folder with `wiki_split.json` and the images, in `resized/` or still zipped in `resized.zip`.

    Returns:
        Pairs whose id is the image's file name and whose group is the article.

    Raises:
        DataError: a file is missing or malformed; an item lacks a text, its split or its article, has the image of
            another item, or has an image outside the folder.
    """
    folder = Path(folder)
    pairs = tuple(pair_of(item, number, folder) for number, item in enumerate(items_of(folder)))
    if not pairs:
        raise DataError(f"'{folder / TEXTS}' lists no images; download it again")
    first: dict[str, int] = {}
    for number, pair in enumerate(pairs):
        if (other := first.setdefault(pair.id, number)) != number:
            raise DataError(
                f"'{folder / TEXTS}': item {number} has the image {quoted(pair.id)} of item {other}; keep one"
            )
    read = images_of(folder)
    return PairSet(
        f"concadia:{folder}", pairs, lambda pair: open_rgb(pair.id, read), lambda pair: checksum(pair.id, read)
    )


def items_of(folder: Path) -> list[Any]:
    """Load the items that `wiki_split.json` lists.

    Raises:
        DataError: the folder or the file does not exist, or the file is damaged.
    """
    if not os.path.isdir(folder):  # unlike Path.is_dir, never raises
        raise DataError(f"no folder '{folder}'; Concadia's folder holds {TEXTS} and resized/ or resized.zip")
    path = folder / TEXTS
    try:
        content = json.loads(read_file(path, MOST_TEXT).decode("utf-8-sig"))
    except FileNotFoundError:
        raise DataError(f"'{folder}' has no {TEXTS}; download it from the Concadia repository") from None
    except OSError as error:
        raise DataError(f"cannot read '{path}': {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"'{path}' is damaged or cut short ({reason(error)}); download it again") from error
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"'{path}' is not Concadia's: it has no list 'images'")
    return content["images"]


def pair_of(item: Any, number: int, folder: Path) -> Pair:
    """Return an item as a pair; raise `DataError` if the item is invalid."""

    def wrong(what: str) -> DataError:
        return DataError(f"'{folder / TEXTS}': item {number} {what}; correct it, or download the file again")

    def text(holder: Any, *keys: str) -> str:
        """Return the stripped text under these nested keys."""
        for key in keys:
            if not isinstance(holder, dict) or key not in holder:
                raise wrong(f"lacks '{key}'" + f" in '{keys[0]}'" * (key != keys[0]))
            holder = holder[key]
        if type(holder) is int and keys == (_ARTICLE,):
            holder = shown(holder)
        if not isinstance(holder, str):
            raise wrong(f"has no text as '{keys[0]}'")
        if bad := NO_TEXT.search(holder):
            raise wrong(f"has U+{ord(bad[0]):04X} in '{keys[0]}', which is not a letter")
        if not holder.strip():
            raise wrong(f"has an empty {keys[0]}")
        return holder.strip()

    name = text(item, "filename")
    windows = PureWindowsPath(name)  # splits at both kinds of slashes, and recognizes drives
    if windows.anchor or not windows.name or ".." in windows.parts:
        raise wrong(f"has an image {quoted(name)} that is outside the folder of images")
    description, caption = (text(item, kind, "raw") for kind in ("description", "caption"))
    context = item.get("context", {}) if isinstance(item, dict) else {}
    words = context.get("raw", "") if isinstance(context, dict) else ""
    return Pair(
        name, description, caption, text(item, "split"), text(item, _ARTICLE), words if isinstance(words, str) else ""
    )


def images_of(folder: Path) -> Callable[[str], bytes]:
    """Return a function that reads an image by its file name."""
    loose, zipped = folder / "resized", folder / "resized.zip"
    if loose.is_dir():
        inside = loose.resolve()

        def read_loose(name: str) -> bytes:
            if not (loose / name).resolve().is_relative_to(inside):
                raise DataError(f"it is a link that leads out of '{loose}'; put the image itself there")
            return read_file(loose / name, MOST_IMAGE)

        return read_loose
    if not zipped.is_file():
        raise DataError(f"'{folder}' has neither resized/ nor resized.zip; download the images")
    try:
        archive = zipfile.ZipFile(zipped)
    except Exception as error:  # zipfile raises any exception on damaged archives
        raise DataError(f"'{zipped}' is damaged or cut short ({shown(error)}); download it again") from error
    members: dict[str, zipfile.ZipInfo] = {}
    for info in archive.infolist():
        if not info.is_dir() and members.setdefault(Path(info.filename).name, info) is not info:
            raise DataError(f"'{zipped}' has two images with the name {quoted(Path(info.filename).name)}; keep one")

    def read_zipped(name: str) -> bytes:
        size = members[name].file_size  # zipfile never unpacks more than this
        if size > MOST_IMAGE:
            raise DataError(f"unpacked, {too_large(size, MOST_IMAGE)}")
        return archive.read(members[name])

    return read_zipped
