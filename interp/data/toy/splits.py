"""Division of a toy world between splits, by combinations of attributes that occur together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from typing import TypeVar

import numpy as np

_Content = TypeVar("_Content")
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


def in_groups(
    n: int, size: int, sample: Callable[[], _Content], vary: Callable[[_Content], _Content]
) -> list[_Content]:
    """Draw `n` contents of pictures in groups: the first of each is sampled, and the others are its variations."""
    contents: list[_Content] = []
    while len(contents) < n:
        first = sample()
        contents += [first, *(vary(first) for _ in range(min(size, n - len(contents)) - 1))]
    return contents
