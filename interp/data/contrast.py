"""The two kinds of text that a pair holds, and what they and the interventions between them are called. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from interp.data.errors import DataError
from interp.errors import quoted

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
SIGN: dict[Direction, int] = {"up": 1, "down": -1}  # of the change of score that is predicted
_MOST_ALIKE = 3  # letters that two names begin with, so that a heading can tell them apart by what follows


@dataclass(frozen=True)
class Contrast:
    """Two kinds of text, of which a score should prefer the positive one.

    An intervention has a direction. ``up``: the base is a negative text, the source a positive one, and the score must
    rise; ``down``: the reverse.

    >>> Contrast().short("up"), Contrast().arrow("down"), Contrast("red", "blue").swap("up")
    ('c2d', 'd>c', 'blue given Z of red')

    Attributes:
        positive, negative: what texts of each kind are called, in any script; by default as in Zur et al. 2024.

    Raises:
        DataError: a name has neither letters nor digits, or the names do not differ in any of these.
    """

    positive: str = "description"
    negative: str = "caption"

    def __post_init__(self) -> None:
        if not all(_key(kind) for kind in self.kinds) or _key(self.positive) == _key(self.negative):
            raise DataError(
                f"a contrast needs two kinds with different names, got {quoted(self.positive)} and "
                f"{quoted(self.negative)}"
            )

    @classmethod
    def parse(cls, text: str) -> Contrast:
        """Read a contrast from the names of its kinds, the positive one first.

        >>> Contrast.parse("Alt text, caption")
        Contrast(positive='Alt text', negative='caption')

        Args:
            text: two names with a comma between them; spaces around a name do not count.

        Raises:
            DataError: there are not exactly two names, or a contrast cannot have them.
        """
        names = [name.strip() for name in text.split(",")]
        if len(names) != 2 or not all(names):
            raise DataError(
                f"kinds {quoted(text)}: name two kinds of text with a comma between them, "
                f"the one that should be preferred first, as in '{PAPER}'"
            )
        return cls(*names)

    def __str__(self) -> str:
        """The names as `parse` reads them."""
        return ",".join(self.kinds)

    def agrees(self, other: Contrast) -> bool:
        """Whether the other one names the same kinds in the same order; case and spaces around names do not count."""
        return [kind.strip().lower() for kind in self.kinds] == [kind.strip().lower() for kind in other.kinds]

    @property
    def kinds(self) -> tuple[str, str]:
        """Positive, negative: the order in which texts lie wherever there are both."""
        return self.positive, self.negative

    @property
    def a_positive(self) -> str:
        """A positive text in a sentence.

        >>> Contrast().a_positive, Contrast("alt", "caption").a_positive
        ('a description', 'an alt')
        """
        return f"{'an' if self.positive[:1].lower() in tuple('aeiou') else 'a'} {self.positive}"

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

    def narrow(self, direction: Direction) -> str:
        """Heading of a column where there is little room: names are cut where they first differ, if that tells them
        apart.

        >>> Contrast("white wine", "warm beer").narrow("up"), Contrast("text b", "text a").narrow("up")
        ('war>whi', 'neg>pos')
        """
        base, source = self._brief(direction)
        if len(base) == 1:
            return self.arrow(direction)
        same = next((i for i, (one, other) in enumerate(zip(base, source, strict=False)) if one != other), _MOST_ALIKE)
        if same >= _MOST_ALIKE:
            return "neg>pos" if direction == "up" else "pos>neg"
        return f"{base[: same + 2]}>{source[: same + 2]}"

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
