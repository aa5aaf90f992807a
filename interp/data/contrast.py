"""Two kinds of text that a pair holds, and the names of the kinds and of interventions between them. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from interp.data.errors import DataError
from interp.errors import quoted

Direction = Literal["up", "down"]
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
SIGN: dict[Direction, int] = {"up": 1, "down": -1}  # sign of the predicted change of the score
_MOST_ALIKE = 3  # length of a common prefix after which a heading cannot tell two names apart


@dataclass(frozen=True)
class Contrast:
    """Two kinds of text, of which a score should prefer the positive one.

    An intervention has a direction. In the direction ``up``, the base is a negative text, the source is a positive
    text, and the score must rise. The direction ``down`` is the reverse.

    >>> Contrast().short("up"), Contrast().arrow("down"), Contrast("red", "blue").swap("up")
    ('c2d', 'd>c', 'blue given Z of red')

    Attributes:
        positive, negative: name of each kind, in any script; by default as in Zur et al. 2024.

    Raises:
        DataError: a name has neither letters nor digits, or the names have the same letters and digits.
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
        """Parse a contrast from the names of its kinds, the positive kind first.

        >>> Contrast.parse("Alt text, caption")
        Contrast(positive='Alt text', negative='caption')

        Args:
            text: two names with a comma between them; spaces around a name are ignored.

        Raises:
            DataError: there are not exactly two names, or the names are not valid in a contrast.
        """
        names = [name.strip() for name in text.split(",")]
        if len(names) != 2 or not all(names):
            raise DataError(
                f"kinds {quoted(text)}: name two kinds of text with a comma between them, "
                f"the preferred kind first, as in '{PAPER}'"
            )
        return cls(*names)

    def __str__(self) -> str:
        """Return the names in the form that `parse` reads."""
        return ",".join(self.kinds)

    def agrees(self, other: Contrast) -> bool:
        """Return whether another contrast names the same kinds in the same order, ignoring case and outer spaces."""
        return [kind.strip().lower() for kind in self.kinds] == [kind.strip().lower() for kind in other.kinds]

    @property
    def kinds(self) -> tuple[str, str]:
        """Positive kind, then negative kind: the order of texts wherever both kinds occur."""
        return self.positive, self.negative

    @property
    def a_positive(self) -> str:
        """Positive kind with its indefinite article, for a sentence.

        >>> Contrast().a_positive, Contrast("alt", "caption").a_positive
        ('a description', 'an alt')
        """
        return f"{'an' if self.positive[:1].lower() in tuple('aeiou') else 'a'} {self.positive}"

    def other(self, kind: str) -> str:
        """Return the kind that is contrasted with `kind`."""
        return self.negative if kind == self.positive else self.positive

    def base(self, direction: Direction) -> str:
        """Return the kind of text that is changed."""
        return self.negative if direction == "up" else self.positive

    def source(self, direction: Direction) -> str:
        """Return the kind of text that Z is taken from."""
        return self.other(self.base(direction))

    def short(self, direction: Direction) -> str:
        """Return a part of the names of measures and columns, as in ``iia_c2d``.

        The part consists of initials, or of whole names if the initials are equal.
        """
        return "2".join(self._brief(direction))

    def arrow(self, direction: Direction) -> str:
        """Return the heading of a column, as in ``c>d``."""
        return ">".join(self._brief(direction))

    def narrow(self, direction: Direction) -> str:
        """Return a short heading of a column.

        Names are cut just after their first difference. If this difference comes too late, the heading has ``neg`` and
        ``pos``.

        >>> Contrast("white wine", "warm beer").narrow("up"), Contrast("text b", "text a").narrow("up")
        ('war>whi', 'neg>pos')
        """
        base, source = self._brief(direction)
        if len(base) == 1:
            return self.arrow(direction)
        letters = enumerate(zip(base, source, strict=False))
        same = next((i for i, (letter, other) in letters if letter != other), _MOST_ALIKE)
        if same >= _MOST_ALIKE:
            return "neg>pos" if direction == "up" else "pos>neg"
        return f"{base[: same + 2]}>{source[: same + 2]}"

    def swap(self, direction: Direction) -> str:
        """Return the intervention in words, as in ``caption given Z of description``."""
        return f"{self.base(direction)} given Z of {self.source(direction)}"

    def _brief(self, direction: Direction) -> tuple[str, str]:
        base, source = _key(self.base(direction)), _key(self.source(direction))
        return (base, source) if base[0] == source[0] else (base[0], source[0])


def _key(kind: str) -> str:
    """Return a kind's name as part of a column's name."""
    return re.sub(r"\W+", "_", kind.strip().lower()).strip("_")


PAPER = Contrast()  # contrast of Zur et al. 2024
