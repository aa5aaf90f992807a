"""Common type of all data sets of this project: pairs of two texts for an image."""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from interp.data.contrast import PAPER, Contrast
from interp.data.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

SPLITS = ("train", "val", "test")
NO_INTERVALS = "no intervals"  # beginning of the notes on numbers without intervals
WHOLE = "all"  # split of pairs whose data set has no splits, until they are divided


@dataclass(frozen=True)
class Pair:
    """Image with a text of each kind.

    Attributes:
        id: unique name in its data set (a file name, a scene number).
        positive, negative: texts, of the kinds that the contrast of the `PairSet` names.
        split: ``train``, ``val`` or ``test``; `WHOLE` if the data have no splits and were not divided.
        group: unit that must not be divided between splits and that bootstraps resample (an article).
        context: text of the article in which the image appears; empty if the data have none. Comparisons of pairs
            ignore it.
    """

    id: str
    positive: str
    negative: str
    split: str
    group: str
    context: str = field(default="", compare=False)


def _no_image(pair: Pair) -> NoReturn:
    raise DataError(f"the image of {pair.id} cannot be opened: this process did not load the pairs from their files")


@dataclass(frozen=True, repr=False)
class PairSet:
    """Pairs, and functions that open their images, which are not pickled.

    Attributes:
        name: name as the user wrote it, for tables and manifests.
        pairs: pairs in a fixed order.
        open_image: function from a pair to its RGB image; raises `DataError` if the image cannot be read.
        image_key: function from a pair to a key that changes with the content of its image; cheaper than opening it.
        notes: sentences for the user (a split that was divided, images that were skipped).
        contrast: names of the two kinds of text.
        has_images: True if there are images; otherwise, only texts can be used.
    """

    name: str
    pairs: tuple[Pair, ...]
    open_image: Callable[[Pair], Image] = _no_image
    image_key: Callable[[Pair], str] = _no_image
    notes: tuple[str, ...] = ()
    contrast: Contrast = PAPER
    has_images: bool = True

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        counts = Counter(pair.split for pair in self.pairs)
        splits = ", ".join(f"{count} {split}" for split, count in counts.items())
        return f"PairSet({self.name!r}, {splits or 'no'} pairs, {' and '.join(self.contrast.kinds)})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process: the pairs without functions, with their fingerprint if it is known."""
        return vars(self) | {"open_image": _no_image, "image_key": _no_image}

    @property
    def texts(self) -> list[str]:
        """Positive texts of all pairs, then the negative texts."""
        return texts_of(self.pairs)

    @cached_property
    def fingerprint(self) -> str:
        """Checksum that changes whenever texts, splits, groups or images of these pairs change."""
        return digest(
            part
            for pair in self.pairs
            for part in (pair.id, pair.positive, pair.negative, pair.split, pair.group, self.image_key(pair))
        )

    def split(self, name: str) -> PairSet:
        """Return the pairs of one split.

        Raises:
            DataError: the split has no pairs; the message lists the existing splits.
        """
        kept = tuple(pair for pair in self.pairs if pair.split == name)
        if not kept:
            counts = Counter(pair.split for pair in self.pairs)
            present = ", ".join(f"{split} ({n})" for split, n in counts.items()) or "none"
            raise DataError(f"{self.name} has no split '{name}'; existing splits: {present}")
        return replace(self, pairs=kept)


def texts_of(pairs: Sequence[Pair]) -> list[str]:
    """Return the 2n texts of n pairs: all positive texts, then all negative texts, both in the order of the pairs."""
    return [pair.positive for pair in pairs] + [pair.negative for pair in pairs]


def same_text(text: str, other: str) -> bool:
    """Return whether CLIP's tokenizer reads two texts alike: it ignores case, repeated spaces, and Unicode composition.

    >>> same_text("A red  car", "a Red car "), same_text("a red car", "a red car.")
    (True, False)
    """
    return normal_text(text) == normal_text(other)


def normal_text(text: str) -> str:
    """Return a common spelling of all texts that CLIP's tokenizer reads alike."""
    return " ".join(unicodedata.normalize("NFC", text).lower().split())


def without_equal_texts(pairs: PairSet) -> PairSet:
    """Leave out pairs whose two texts are the same (`same_text`), and add a note with their number.

    Both texts of a left-out pair have the same score in any model, so the pair carries no information on the two kinds.

    Raises:
        DataError: no pair would be left.
    """
    kept = tuple(pair for pair in pairs.pairs if not same_text(pair.positive, pair.negative))
    count, n = len(pairs) - len(kept), len(pairs)
    if not count:
        return pairs
    positive, negative = pairs.contrast.kinds
    if not kept:
        raise DataError(f"{pairs.name}: every pair has the same text as {positive} and as {negative}; no pair is left")
    note = f"{count} of {n} pairs {'is' if count == 1 else 'are'} left out: the same text is {positive} and {negative}"
    return replace(pairs, pairs=kept, notes=(*pairs.notes, note))


def held_out(pairs: PairSet) -> PairSet:
    """Return the test pairs of data with train and test pairs; of other data, return all pairs."""
    splits = {pair.split for pair in pairs.pairs}
    return pairs.split("test") if {"train", "test"} <= splits else pairs


def without_intervals(pairs: Sequence[Pair], split: str, numbers: str = "") -> list[str]:
    """Return a note on why the numbers of one split have no intervals; empty if they have intervals.

    Args:
        pairs: pairs of all splits.
        split: split on which the numbers are measured.
        numbers: names of the numbers, if only some have no intervals.
    """
    from interp.stats import too_few  # here, so that a command's help need not load it

    reason = too_few([pair.group for pair in pairs if pair.split == split], what=f"the {split} pairs")
    return [f"{NO_INTERVALS}{f' of {numbers}' if numbers else ''}: {reason}"] if reason else []


def digest(parts: Iterable[str]) -> str:
    """Return a hash of strings and their boundaries: 16 hexadecimal digits, the same on any machine."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part.encode("utf-8", "surrogatepass"))
        state.update(b"\0")
    return state.hexdigest()[:16]


def divide(
    pairs: tuple[Pair, ...], *, shares: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> tuple[Pair, ...]:
    """Divide pairs into train, val and test without dividing a group.

    Groups are shuffled, and each group then goes to the split that is furthest below its share of the pairs. The split
    of a pair depends on the order and the sizes of groups, not on their names.

    Args:
        pairs: pairs in any order; their own splits are ignored.
        shares: shares of the pairs in train, val and test.
        seed: seed of the shuffling.

    Returns:
        The same pairs in the same order, with a new `split`.

    Raises:
        DataError: there are fewer than three groups.
    """
    import numpy as np  # here, so that a command's help need not load it

    sizes = Counter(pair.group for pair in pairs)
    groups = list(sizes)
    if len(groups) < 3:
        count = f"{len(groups)} group{'s' * (len(groups) != 1)} of pairs"
        raise DataError(f"{count} cannot be divided into train, val and test; at least 3 groups are needed")
    order = np.random.default_rng(seed).permutation(len(groups))
    split_of: dict[str, str] = {}
    counts = dict.fromkeys(SPLITS, 0)
    for index in order:
        group = groups[index]
        # The split furthest below its share takes the next group, so no split stays empty.
        split = min(SPLITS, key=lambda name: counts[name] / shares[SPLITS.index(name)])
        split_of[group] = split
        counts[split] += sizes[group]
    return tuple(replace(pair, split=split_of[pair.group]) for pair in pairs)
