"""Texts that metrics score: each stands with an image and, where there is one, a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """One text with its image.

    Attributes:
        name: unique among all items of a benchmark, such as ``shuffled words/3.jpg``.
        image: number of the image among those that a metric was given.
        text: the text.
        context: text of the article; empty if there is none.
        group: article, which intervals resample.
    """

    name: str
    image: int
    text: str
    context: str
    group: str


@dataclass(frozen=True)
class Variants:
    """Items of one check.

    Attributes:
        name: of the check.
        rows: numbers of the items that the check can change, among all items.
        items: these items, changed.
    """

    name: str
    rows: tuple[int, ...]
    items: tuple[Item, ...]

    def __len__(self) -> int:
        return len(self.rows)


def others_of(items: Sequence[Item], *, same_group: bool) -> list[list[int]]:
    """Return for each item the numbers of those of its own group (without itself, and with another image), or of all
    other groups."""
    by_group: dict[str, list[int]] = {}
    for number, item in enumerate(items):
        by_group.setdefault(item.group, []).append(number)
    if same_group:
        return [[other for other in by_group[item.group] if items[other].image != item.image] for item in items]
    everyone = list(range(len(items)))
    without = {group: [number for number in everyone if items[number].group != group] for group in by_group}
    return [without[item.group] for item in items]
