"""Division of a toy world between splits, by combinations of attributes that occur together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import TypeVar

import numpy as np

_Content = TypeVar("_Content")
_Combinations = Callable[[str, tuple[str, ...]], tuple[tuple[str, ...], ...]]
_BOUNDS = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}


@cache
def divided(split: str, values: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of values that belong to a split: 70 % train, 15 % val, 15 % test.

    Args:
        split: ``train``, ``val`` or ``test``.
        values: possible values of each attribute.
    """
    every = list(product(*values))
    order = np.random.default_rng(20240610).permutation(len(every))
    low, high = (round(bound * len(every)) for bound in _BOUNDS[split])
    return tuple(every[i] for i in order[low:high])


def belongs(content: object, split: str, combinations: _Combinations, *parts: tuple[str, ...]) -> bool:
    """Return whether the content of a picture belongs to a split.

    Args:
        combinations: function that returns the combinations of named attributes that belong to a split.
        parts: names of attributes that are divided together.
    """
    return all(
        tuple(getattr(content, name) for name in names) in _members(combinations, split, names) for names in parts
    )


@cache
def _members(combinations: _Combinations, split: str, names: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    return frozenset(combinations(split, names))


def in_groups(
    n: int, size: int, sample: Callable[[], _Content], vary: Callable[[_Content], _Content]
) -> list[_Content]:
    """Draw `n` contents of pictures in groups: the first of each is sampled, and the others are its variations."""
    contents: list[_Content] = []
    while len(contents) < n:
        first = sample()
        contents += [first, *(vary(first) for _ in range(min(size, n - len(contents)) - 1))]
    return contents
