"""Pieces of HTML, each escaped where it is made: tables, and words shaded by a number. No torch."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from html import escape as _escape

from interp.drawing.colours import as_hex, shade

MINUS = "\u2212"


def escape(text: object) -> str:
    """Text for any place in HTML, inside of an attribute too."""
    return _escape(str(text), quote=True)


def plural(count: int, name: str) -> str:
    """A number of things.

    >>> plural(1, "cell"), plural(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {name}{'' if count == 1 else 's'}"


def listed(things: Sequence[str]) -> str:
    """Several things in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(things[:-1]), *things[-1:]]))


def signed(value: float, digits: int = 3) -> str:
    """A number with its sign, which screen readers read; what is not defined is a dash.

    >>> signed(-0.25, 2)
    '−0.25'
    """
    return "-" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", MINUS)


def runs_left(words: Sequence[str]) -> bool:
    """Return whether a text is written from right to left, as browsers tell: by its first letter that has a direction.

    >>> runs_left(["3", "מגדלור", "red"]), runs_left(["a", "מגדלור"]), runs_left(["3"])
    (True, False, False)
    """
    directions = (unicodedata.bidirectional(letter) for word in words for letter in word)
    return next((each != "L" for each in directions if each in ("L", "R", "AL")), False)


def direction(words: Sequence[str]) -> str:
    """Return the direction of a text for HTML; a browser does not look for it within isolated words."""
    return "rtl" if runs_left(words) else "ltr"


def shaded(words: Sequence[str], values: Sequence[float], reach: float) -> str:
    """Words with their values below them as text, on colours by sign and size.

    Args:
        reach: the size that has the full colour.
    """
    look = "color:#000;border-radius:.2em;padding:0 .15em"
    return " ".join(
        '<ruby style="ruby-position:under;white-space:nowrap">'
        f'<bdi style="{look};background:{as_hex(shade(value, reach))}">{escape(word)}</bdi>'
        f'<rt dir="ltr">{signed(value)}</rt></ruby>'
        for word, value in zip(words, values, strict=True)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", attributes: str = "") -> str:
    """A table of texts, whose first column holds headers of the rows; all but `attributes` is escaped."""
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in head)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if i == 0 else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table{attributes}>{said}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
