"""Pairs from a data set of the Hugging Face hub: an image and two texts in each row of its parquet files.

The columns are as in `interp.data.csv_pairs`: one column of images, with any name; two columns of texts, which a
contrast names; and optionally ``split``, ``group`` and ``id``. Without a column of splits, the splits are read from
the files' names, as is usual on the hub (``train-00000-of-00002.parquet``, ``data/validation-...``). If some names give
a split, every file whose name gives none must have that column.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from interp.data.contrast import PAPER, Contrast
from interp.data.defects import with_one_group_for_each_picture
from interp.data.errors import DataError
from interp.data.images import checksum, open_rgb
from interp.data.pairs import SPLITS, WHOLE, Pair, PairSet
from interp.data.parquet import columns_of, encoded_images, fetch_parquet, image_column, open_parquet, silence_of
from interp.data.words import NO_TEXT
from interp.errors import quoted

_SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "dev": "val",
    "test": "test",
}
NAME = re.compile(rf"(?:^|/)({'|'.join(_SPLIT_NAMES)})[-_./]")


def load_hub_pairs(where: str, contrast: Contrast | None = None) -> PairSet:
    """Fetch a data set, or find it in the hub's cache; images are decoded on request.

    Args:
        where: ``owner/name``, optionally ``owner/name@revision``.
        contrast: names of the two columns of texts, the positive column first; by default the columns of the paper.

    Returns:
        One pair for each row, in the order of the splits and of the rows.

    Raises:
        DataError: the hub cannot be reached or does not have the data set, the data set has no parquet files or lacks a
            column, or a row is unusable or has no split.
    """
    repo, _, revision = where.partition("@")
    advice = "download it elsewhere, and give it as csv:FILE"
    terms = "accept its terms there, or "
    silence = silence_of(repo, revision or None)
    folder = fetch_parquet(repo, ["*.parquet"], lambda gated: terms * gated + advice, silence, revision or None)
    files = sorted(folder.rglob("*.parquet"))
    if not files:
        raise DataError(f"the data set '{repo}' of the hub has no parquet files; {advice}")
    pairs: list[Pair] = []
    images: dict[str, tuple[Callable[[int], bytes], int]] = {}
    for split, paths in _by_split(folder, files, f"hf:{where}").items():
        rows = open_parquet(paths, f"hf:{where}")
        read = encoded_images(rows, image_column(rows.features, f"hf:{where}"), folder)
        for number, pair in enumerate(_pairs(rows, f"hf:{where}", split, contrast or PAPER)):
            if pair.id in images:
                raise DataError(f"'hf:{where}' has two rows with the id {quoted(pair.id)}; give each row a unique id")
            images[pair.id] = read, number
            pairs.append(pair)

    def content(name: str) -> bytes:
        read, number = images[name]
        return read(number)

    return with_one_group_for_each_picture(
        PairSet(
            f"hf:{where}",
            tuple(pairs),
            lambda pair: open_rgb(pair.id, content),
            lambda pair: checksum(pair.id, content),
            (),
            contrast or PAPER,
        )
    )


def _by_split(folder: Path, files: Sequence[Path], where: str) -> dict[str, list[Path]]:
    """Return the files of each split; files whose names give no split are under `WHOLE`.

    Raises:
        DataError: only some names give a split, and another file has no column of splits.
    """
    by_split: dict[str, list[Path]] = {name: [] for name in (*SPLITS, WHOLE)}
    for file in files:
        match = NAME.search(file.relative_to(folder).as_posix())
        by_split[WHOLE if match is None else _SPLIT_NAMES[match[1]]].append(file)
    kept = {name: paths for name, paths in by_split.items() if paths}
    for file in by_split[WHOLE] if len(kept) > 1 else ():
        if "split" not in (name.strip().lower() for name in columns_of(file, where)):
            name = file.relative_to(folder).as_posix()
            raise DataError(
                f"'{where}': cannot tell the split of {quoted(name)}: unlike other files, its name has none, and it "
                "has no column 'split'; add this column, or give the pairs as csv:FILE"
            )
    return kept


def _pairs(rows: Any, where: str, split: str, contrast: Contrast) -> list[Pair]:
    columns = {name.strip().lower(): name for name in rows.column_names}
    positive, negative = texts = [kind.strip().lower() for kind in contrast.kinds]
    if missing := [kind for kind, key in zip(contrast.kinds, texts, strict=True) if key not in columns]:
        raise DataError(
            f"'{where}' has no column {quoted(missing[0])}; name two columns of texts with kinds, as in "
            f"kinds='text_a,text_b', the preferred kind first; its columns: {', '.join(rows.column_names)}"
        )
    given: dict[str, list[Any]] = {}
    for key in (*texts, "split", "group", "id"):
        if key in columns:
            dtype = str(getattr(rows.features[columns[key]], "dtype", ""))
            if "string" not in dtype and not (key in ("group", "id") and "int" in dtype):
                raise DataError(f"'{where}' has no texts in the column {quoted(columns[key])}; name another column")
            given[key] = rows[columns[key]][:]

    def cell(key: str, row: int, default: str) -> str:
        if key not in given:
            return default
        value = given[key][row]
        if type(value) is int and key in ("group", "id"):
            value = str(value)
        place = f"'{where}', row {row} of '{split}'"
        if not isinstance(value, str) or not value.strip():
            raise DataError(f"{place}: the column {quoted(key)} has no text; fill it in, or leave the row out")
        if bad := NO_TEXT.search(value):
            raise DataError(f"{place}: U+{ord(bad[0]):04X} in {quoted(key)} is not a letter; remove it")
        return value.strip()

    out = []
    for row in range(len(rows)):
        name = cell("id", row, f"{split}/{row}")
        value = cell("split", row, split)
        part = split if "split" not in given else _SPLIT_NAMES.get(value.lower())
        if part is None:
            raise DataError(
                f"'{where}', row {row} of '{split}': {quoted(value)} is not a split; write train, val or test"
            )
        out.append(Pair(name, cell(positive, row, ""), cell(negative, row, ""), part, cell("group", row, name)))
    return out
