"""Writing tools of all toy worlds: weighted templates, and words that one kind of text uses more than the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

Kind = Literal["description", "caption"]
KINDS: tuple[Kind, Kind] = ("description", "caption")
# Both kinds draw the first words of a list equally often. Of the other words, descriptions draw every second word with
# full weight and the words between with a weight reduced by this factor; captions do the reverse.
_SHARED_WORDS, _LEAN = 2, 0.4
_FLATNESS = 0.2  # the k-th word has the weight k to the power of minus this


class Template(NamedTuple):
    """Template of a text, its weights in descriptions and captions, and its slots."""

    description: float
    caption: float
    text: str


@dataclass(frozen=True)
class Text:
    """Text, and the attributes of its picture that it states."""

    text: str
    stated: frozenset[str]

    def fits(self, content: Any, other: Any) -> bool:
        """Return whether the statements of the text are also true of another scene or chart.

        Args:
            content: scene or chart that the text was written for.
            other: another scene or chart.
        """
        return all(getattr(content, name) == getattr(other, name) for name in self.stated)


def draw(weights: Sequence[float], rng: np.random.Generator) -> int:
    """Draw a number, counted from 0, with the given weights."""
    shares = np.cumsum(weights)
    return int(np.searchsorted(shares, rng.random() * shares[-1], side="right"))


@cache
def cumulative(kind: Kind, templates: tuple[Template, ...]) -> np.ndarray:
    """Return the cumulative shares of templates in texts of a kind."""
    weights = np.array([getattr(template, kind) for template in templates], float)
    return np.cumsum(weights / weights.sum())


@cache
def leaning(kind: Kind, n: int, reach: int | None) -> np.ndarray:
    """Return the cumulative shares of the n words of a list, of which the first `reach` may be used."""
    rank = np.arange(n)
    weights = (rank + 1.0) ** -_FLATNESS
    strange = rank % 2 != KINDS.index(kind)
    weights[(rank >= _SHARED_WORDS) & strange] *= _LEAN
    weights[n if reach is None else reach :] = 0
    return np.cumsum(weights / weights.sum())
