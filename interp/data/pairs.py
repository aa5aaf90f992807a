"""The one type that every data set of this project is turned into: images with two texts each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from interp.data.contrast import PAPER, Contrast
from interp.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

SPLITS = ("train", "val", "test")


class DataError(UserError):
    """The data cannot be used as asked; the message is one line that names the thing and says how to mend it."""


@dataclass(frozen=True)
class Pair:
    """One image with a text of each kind.

    Attributes:
        id: unique in its data set (a file name, a scene number).
        positive, negative: its texts, of the kinds that the contrast of its `PairSet` names.
        split: ``train``, ``val`` or ``test``.
        group: what must not be divided between splits, and what bootstraps resample (an article).
    """

    id: str
    positive: str
    negative: str
    split: str
    group: str


@dataclass(frozen=True)
class PairSet:
    """Pairs and the way to open their images.

    Attributes:
        name: as the user wrote it, for tables and manifests.
        pairs: in a fixed order.
        open_image: gives the RGB image of a pair; raises `DataError` where it cannot be read.
        image_key: changes with the content of a pair's image; cheaper than opening it.
        notes: sentences the user should read (a split that was divided, images skipped).
        contrast: what the two kinds of text are called.
    """

    name: str
    pairs: tuple[Pair, ...]
    open_image: Callable[[Pair], Image]
    image_key: Callable[[Pair], str]
    notes: tuple[str, ...] = ()
    contrast: Contrast = PAPER

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def texts(self) -> list[str]:
        """All positive texts, then all negative ones."""
        return texts_of(self.pairs)

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever texts, splits, groups or images of these pairs change."""
        return digest(
            part
            for pair in self.pairs
            for part in (pair.id, pair.positive, pair.negative, pair.split, pair.group, self.image_key(pair))
        )

    def split(self, name: str) -> PairSet:
        """The pairs of one split.

        Raises:
            DataError: there are none; the message lists the splits that exist.
        """
        kept = tuple(pair for pair in self.pairs if pair.split == name)
        if not kept:
            counts = Counter(pair.split for pair in self.pairs)
            there = ", ".join(f"{split} ({n})" for split, n in counts.items()) or "none"
            raise DataError(f"{self.name} has no split '{name}'; splits that are there: {there}")
        return replace(self, pairs=kept)


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    """The positive texts of some pairs, then the negative ones."""
    return [pair.positive for pair in pairs] + [pair.negative for pair in pairs]


def digest(parts: Iterable[str]) -> str:
    """A short, stable hash of strings, for fingerprints."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part.encode("utf-8", "surrogatepass"))
        state.update(b"\0")
    return state.hexdigest()[:16]


def divide(
    pairs: tuple[Pair, ...], *, shares: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[Pair, ...]:
    """Divide pairs into train, val and test without dividing a group.

    Groups are shuffled with `seed`, then dealt out until each split holds its share of the pairs.

    Returns:
        The same pairs in the same order, with `split` set anew.

    Raises:
        DataError: there are fewer than three groups.
    """
    sizes = Counter(pair.group for pair in pairs)
    groups = list(sizes)
    if len(groups) < 3:
        raise DataError(f"{len(groups)} articles cannot be divided into train, val and test; at least 3 are needed")
    order = np.random.default_rng(seed).permutation(len(groups))
    held: dict[str, str] = {}
    counts = dict.fromkeys(SPLITS, 0)
    for index in order:
        group = groups[index]
        # The split furthest below its share takes the next group, so none stays empty.
        split = min(SPLITS, key=lambda name: counts[name] / shares[SPLITS.index(name)])
        held[group] = split
        counts[split] += sizes[group]
    return tuple(replace(pair, split=held[pair.group]) for pair in pairs)
