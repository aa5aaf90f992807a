"""Comparison of a copy of Concadia with the published data; every fault is reported, not only the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.data.concadia.reading import TEXTS, images_of, items_of, pair_of
from interp.data.errors import DataError
from interp.data.images import checksum, open_rgb
from interp.data.pairs import Pair
from interp.errors import quoted

# Kreiss et al. 2022, section 3: https://github.com/elisakreiss/concadia
PUBLISHED = {"train": 77_534, "val": 9_693, "test": 9_691}
SHOWN = 5  # number of cases that are shown for each fault


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes:
        what: subject of the check.
        value: value in the copy, as text.
        expected: published value, as text; empty if the authors publish none.
        ok: True if the value is as published, False if it differs, None if the authors publish no value.
        cases: first cases of a fault.
    """

    what: str
    value: str
    expected: str = ""
    ok: bool | None = None
    cases: tuple[str, ...] = ()


def check_concadia(
    folder: Path, *, images: bool = True, each: Callable[[Sequence[str]], Iterable[str]] = iter
) -> list[Finding]:
    """Check every item, and every image on request.

    Args:
        folder: folder as `load_concadia` takes it.
        images: True to open every image, which takes minutes.
        each: function that iterates over the images' names, for a progress bar.

    Raises:
        DataError: the folder does not exist, or its files cannot be read.
    """
    pairs, faults = [], []
    for number, item in enumerate(items_of(folder)):
        try:
            pairs.append(pair_of(item, number, folder))
        except DataError as error:
            faults.append(str(error).partition(f"'{folder / TEXTS}': ")[2].partition("; correct it")[0])
    splits = Counter(pair.split for pair in pairs)
    names = [*PUBLISHED, *sorted(splits.keys() - PUBLISHED.keys())]
    total = sum(PUBLISHED.values())
    count = len(pairs) + len(faults)
    findings = [
        Finding("items", f"{count:,}", f"{total:,}", count == total),
        Finding("items that can be used", f"{len(pairs):,}", f"{count:,}", not faults, tuple(faults[:SHOWN])),
        *(
            Finding(
                f"split {quoted(name)}",
                f"{splits[name]:,}",
                f"{(wanted := PUBLISHED.get(name, 0)):,}",
                splits[name] == wanted,
            )
            for name in names
        ),
    ]
    findings += _duplicates(pairs)
    read = images_of(folder)
    return findings + (_image_findings([pair.id for pair in pairs], read, each) if images else [])


def _duplicates(pairs: Sequence[Pair]) -> list[Finding]:
    """Return findings on duplicates; file names must be unique, and the authors publish no other number."""
    repeated = _repeated([pair.id for pair in pairs])
    alike = [pair.id for pair in pairs if pair.positive == pair.negative]
    splits: dict[str, set[str]] = {}
    for pair in pairs:
        splits.setdefault(pair.group, set()).add(pair.split)
    across = [group for group, names in splits.items() if len(names) > 1]
    descriptions = _repeated([pair.positive for pair in pairs])
    return [
        Finding("repeated file names", f"{len(repeated):,}", "0", not repeated, tuple(map(quoted, repeated[:SHOWN]))),
        Finding("articles", f"{len(splits):,}"),
        Finding("articles in several splits", f"{len(across):,}"),
        Finding("descriptions of several images", f"{len(descriptions):,}"),
        Finding("descriptions equal to the caption", f"{len(alike):,}"),
    ]


def _image_findings(
    names: Sequence[str], read: Callable[[str], bytes], each: Callable[[Sequence[str]], Iterable[str]]
) -> list[Finding]:
    wrong, sums = [], []
    for name in each(names):
        try:
            open_rgb(name, read)
            sums.append(checksum(name, read))
        except DataError as error:
            wrong.append(str(error))
    return [
        Finding("images that can be opened", f"{len(sums):,}", f"{len(names):,}", not wrong, tuple(wrong[:SHOWN])),
        Finding("copies of other images", f"{len(sums) - len(set(sums)):,}"),
    ]


def _repeated(values: Sequence[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
