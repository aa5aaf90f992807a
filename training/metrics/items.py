"""Texts to score, each with an image and, if the data have one, a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.data.pairs import digest


@dataclass(frozen=True)
class Item:
    """Text with its image.

    Attributes:
        name: name of the pair or rated text that the item comes from.
        image: number of the image among all images of a metric; pairs of one picture have the same number.
        text: text of the item.
        context: text of the article; empty if the data have no context.
        group: article, the cluster for intervals.
    """

    name: str
    image: int
    text: str
    context: str
    group: str


def item_key(part: str, item: Item) -> str:
    """Return an identifier of the check, the pair, its image, text and context."""
    return digest([part, item.name, str(item.image), item.text, item.context])


@dataclass(frozen=True)
class Variants:
    """Items of one check.

    Attributes:
        name: name of the check.
        rows: numbers of the items that the check can change, among all items.
        items: changed items.
    """

    name: str
    rows: tuple[int, ...]
    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.rows)


def of_same_group(items: Sequence[Item]) -> list[list[int]]:
    """Return for each item the numbers of the items of its group that have another image."""
    by_group: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        by_group.setdefault(item.group, []).append(number)
    return [[other for other in by_group[item.group] if items[other].image != item.image] for item in items]
