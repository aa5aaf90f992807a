"""Pairs for the user's own question, from a table that lies next to its images.

Each row is a pair. The table is a CSV file with commas, semicolons or tabs, in UTF-8 or UTF-16, or a spreadsheet
(.xlsx, .ods). It has these columns in any order, in any case. Other columns are ignored:

=========== ========================================================================================================
``image``   path of the image, relative to the folder of the file, without ``..``; links are followed
two texts   columns of any name, such as ``text_a`` and ``text_b``; a contrast names them
``split``   optional: ``train``, ``val`` or ``test``; without it, `interp.data.load_pairs` divides the pairs by group
``group``   optional: unit that must stay in one split, such as an article; without it, each image is one group
``context`` optional: text of the article in which the image appears, for contextual scores
``id``      optional: unique name of the pair; without it, the path of the image, numbered if the path is repeated
=========== ========================================================================================================

A quoted text may hold commas, quotes and line breaks. Quotes inside a text are doubled, as in every CSV file. Spaces
and line breaks around a cell are removed. Spaces and line breaks inside a text are kept.

Messages number rows as a spreadsheet shows them: the header is row 1, blank rows count, and a text with line breaks
occupies one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from interp.data.contrast import PAPER, Contrast
from interp.data.defects import with_one_group_for_each_picture
from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.images import checksum, open_rgb
from interp.data.named_files import NamedFiles
from interp.data.pairs import SPLITS, WHOLE, Pair, PairSet
from interp.data.tables import Row, Table, read_table
from interp.errors import quoted

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE, SPLIT, _GROUP, ID, _CONTEXT = "image", "split", "group", "id", "context"


def load_csv(path: Path | str, contrast: Contrast | None = None) -> PairSet:
    """Load all rows of a table; images are opened on request.

    Args:
        path: the file, as the docstring of this module describes it.
        contrast: names of the two columns of texts, the positive column first; by default the columns of the paper.

    Returns:
        One pair for each row, in the order of the file. Without a column of splits, every pair has the split `WHOLE`.

    Raises:
        DataError: the file is missing or damaged, lacks a column, or has no rows; or a cell is unusable.
    """
    table = read_table(path)
    contrast = _contrast(table, contrast)
    if not table.rows:
        raise DataError(f"'{path}' holds no pairs, only the header; write a row for each pair")
    images = [_image(row) for row in table.rows]
    ids = _given_ids(table.rows) if ID in table.columns else _numbered(images)
    groups = _given_groups(table.rows, images) if _GROUP in table.columns else images
    positive, negative = (_column(kind) for kind in contrast.kinds)
    in_article = _CONTEXT in table.columns and _CONTEXT not in (positive, negative)
    pairs = tuple(
        Pair(name, row.filled(positive), row.filled(negative), _split(row), group, row[_CONTEXT] if in_article else "")
        for row, name, group in zip(table.rows, ids, groups, strict=True)
    )
    files = {pair.id: (row, image) for pair, row, image in zip(pairs, table.rows, images, strict=True)}
    folder, image_files = Path(path).parent, NamedFiles(Path(path).parent)

    def read(image: str) -> bytes:
        """Return the content of an image file."""
        return read_file(image_files.find(image) or folder / image, MOST_IMAGE)

    def open_image(pair: Pair) -> Image:
        row, image = files[pair.id]
        try:
            return open_rgb(image, read)
        except DataError as error:
            raise row.error(IMAGE, str(error)) from error

    grouped = with_one_group_for_each_picture(
        PairSet(f"csv:{path}", pairs, open_image, lambda pair: checksum(files[pair.id][1], read), table.notes, contrast)
    )
    if any(image_files.find(image) for image in images):
        return replace(grouped, notes=(*grouped.notes, *_notes(grouped.pairs)))
    lacking = f"no image of '{table.file}' exists (first: {quoted(images[0])}); only texts can be used"
    return replace(grouped, notes=(*grouped.notes, *_notes(grouped.pairs), lacking), has_images=False)


def _column(kind: str) -> str:
    """Return the name of the column that holds the texts of a kind."""
    return kind.strip().lower()


def _contrast(table: Table, contrast: Contrast | None) -> Contrast:
    """Return the contrast, after checking that the table has its columns and a column of images."""
    example = "as in kinds='text_a,text_b', the preferred kind first"
    if IMAGE not in table.columns:
        raise DataError(f"'{table.file}' has no column {IMAGE} with the paths of images; its columns: {table.listed}")
    kinds = (contrast or PAPER).kinds
    if missing := [kind for kind in kinds if _column(kind) not in table.columns]:
        raise DataError(
            f"'{table.file}' has no column {quoted(missing[0])}; name two columns of texts with kinds, {example}; "
            f"its columns: {table.listed}"
        )
    if taken := [kind for kind in kinds if _column(kind) in (IMAGE, SPLIT, _GROUP, ID)]:
        raise DataError(
            f"'{table.file}': the column {quoted(taken[0])} does not hold texts; name two columns of texts with kinds"
        )
    return contrast or PAPER


def _image(row: Row) -> str:
    """Return the path of a row's image in a uniform spelling."""
    given = row.filled(IMAGE)
    windows = PureWindowsPath(given)  # splits at both kinds of slashes, and recognizes drives
    if windows.anchor or ".." in windows.parts:
        raise row.error(
            IMAGE,
            f"{quoted(given)} leads out of the folder of the file; put the image into that folder, and write its path "
            "relative to the folder, without '..'",
        )
    return str(PurePosixPath(given))


def _given_ids(rows: Sequence[Row]) -> list[str]:
    first: dict[str, Row] = {}
    for row in rows:
        other = first.setdefault(row.filled(ID), row)
        if other is not row:
            raise row.error(ID, f"{quoted(row[ID])} is also the id of row {other.number}; give each row a different id")
    return list(first)


def _numbered(images: Sequence[str]) -> list[str]:
    """Return the images' paths, with a number from the second occurrence on: "a.jpg", "a.jpg (2)"."""
    met, used, names = set[str](), set(images), list[str]()
    further = {image: count(2) for image in used}
    for image in images:
        name = image
        if image in met:
            name = next(name for n in further[image] if (name := f"{image} ({n})") not in used)
        met.add(image)
        used.add(name)
        names.append(name)
    return names


def _given_groups(rows: Sequence[Row], images: Sequence[str]) -> list[str]:
    first: dict[str, Row] = {}
    for row, image in zip(rows, images, strict=True):
        other = first.setdefault(image, row)
        if row.filled(_GROUP) != other[_GROUP]:
            raise row.error(
                _GROUP,
                f"{quoted(row[_GROUP])} differs from {quoted(other[_GROUP])} in row {other.number}, which has the same "
                "image; give both rows the same group",
            )
    return [row[_GROUP] for row in rows]


def _split(row: Row) -> str:
    if SPLIT not in row.places:
        return WHOLE
    split = row.filled(SPLIT).lower()
    if split not in SPLITS:
        raise row.error(SPLIT, f"{quoted(row[SPLIT])} is not a split; write {', '.join(SPLITS[:-1])} or {SPLITS[-1]}")
    return split


def _notes(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """Return a note on groups that the file divides between splits."""
    splits: dict[str, set[str]] = {}
    for pair in pairs:
        splits.setdefault(pair.group, set()).add(pair.split)
    if not (torn := [group for group, names in splits.items() if len(names) > 1]):
        return ()
    return (
        f"{len(torn)} of {len(splits)} groups have pairs in more than one split (first: {quoted(torn[0])}); "
        "a model may have learned the groups of held-out pairs in training",
    )
