"""The two kinds of text that a pair holds, and what they and the interventions between them are called. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from interp.errors import UserError

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True)
class Contrast:
    """Two kinds of text, of which a score should prefer the positive one.

    An intervention has a direction. ``up``: the base is a negative text, the source a positive one, and the score must
    rise; ``down``: the reverse.

    >>> Contrast().short("up"), Contrast().arrow("down"), Contrast("red", "blue").swap("up")
    ('c2d', 'd>c', 'blue given Z of red')

    Attributes:
        positive, negative: what texts of each kind are called; by default those of Zur et al. 2024.

    Raises:
        UserError: a name is empty, or both are the same.
    """

    positive: str = "description"
    negative: str = "caption"

    def __post_init__(self) -> None:
        if not all(_key(kind) for kind in self.kinds) or _key(self.positive) == _key(self.negative):
            raise UserError(
                f"a contrast needs two kinds with different names, got '{self.positive}' and '{self.negative}'"
            )

    @property
    def kinds(self) -> tuple[str, str]:
        """Positive, negative: the order in which texts lie wherever there are both."""
        return self.positive, self.negative

    def other(self, kind: str) -> str:
        """The kind that a kind is contrasted with."""
        return self.negative if kind == self.positive else self.positive

    def base(self, direction: Direction) -> str:
        """The kind of text that is changed."""
        return self.negative if direction == "up" else self.positive

    def source(self, direction: Direction) -> str:
        """The kind of text that Z is taken from."""
        return self.other(self.base(direction))

    def short(self, direction: Direction) -> str:
        """Part of the names of measures and columns, as in ``iia_c2d``: initials, or whole names if those agree."""
        return "2".join(self._brief(direction))

    def arrow(self, direction: Direction) -> str:
        """Heading of a column, as in ``c>d``."""
        return ">".join(self._brief(direction))

    def swap(self, direction: Direction) -> str:
        """The intervention in words, as in ``caption given Z of description``."""
        return f"{self.base(direction)} given Z of {self.source(direction)}"

    def _brief(self, direction: Direction) -> tuple[str, str]:
        base, source = _key(self.base(direction)), _key(self.source(direction))
        return (base, source) if base[0] == source[0] else (base[0], source[0])


def _key(kind: str) -> str:
    """A kind's name as part of a column's name."""
    return re.sub(r"\W+", "_", kind.strip().lower()).strip("_")


PAPER = Contrast()  # of Zur et al. 2024
