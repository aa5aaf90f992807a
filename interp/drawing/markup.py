"""Escaped pieces of HTML, such as tables and shaded words, and phrases for sentences. No torch."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from html import escape as _escape

from interp.drawing.colours import as_hex, shade

MINUS = "\u2212"


def escape(text: object) -> str:
    """Return a text that is escaped for any place in HTML, including attributes."""
    return _escape(str(text), quote=True)


def plural(count: int, name: str) -> str:
    """Return a count with a noun in the singular or plural.

    >>> plural(1, "cell"), plural(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {name}{'' if count == 1 else 's'}"


def listed(things: Sequence[str]) -> str:
    """Return items as a list in a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(things[:-1]), *things[-1:]]))


def signed(value: float, digits: int = 3) -> str:
    """Return a number with its sign, with the minus that screen readers speak; NaN gives a dash.

    >>> signed(-0.25, 2)
    '−0.25'
    """
    return "-" if math.isnan(value) else f"{value:+.{digits}f}".replace("-", MINUS)


def runs_left(words: Sequence[str]) -> bool:
    """Return whether a text runs from right to left, from its first letter with a direction, as browsers do.

    >>> runs_left(["3", "מגדלור", "red"]), runs_left(["a", "מגדלור"]), runs_left(["3"])
    (True, False, False)
    """
    directions = (unicodedata.bidirectional(letter) for word in words for letter in word)
    return next((each != "L" for each in directions if each in ("L", "R", "AL")), False)


def direction(words: Sequence[str]) -> str:
    """Return the direction of a text for HTML; browsers do not detect it within isolated words."""
    return "rtl" if runs_left(words) else "ltr"


def shaded(words: Sequence[str], values: Sequence[float], reach: float) -> str:
    """Return words on colours that show sign and size of their values, with the values as text below.

    Args:
        words: words of a text.
        values: value of each word.
        reach: absolute value with the full colour.
    """
    look = "color:#000;border-radius:.2em;padding:0 .15em"
    return " ".join(
        '<ruby style="ruby-position:under;white-space:nowrap">'
        f'<bdi style="{look};background:{as_hex(shade(value, reach))}">{escape(word)}</bdi>'
        f'<rt dir="ltr">{signed(value)}</rt></ruby>'
        for word, value in zip(words, values, strict=True)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, caption: str = "", attributes: str = "") -> str:
    """Return an HTML table of texts whose first column holds row headers; everything except `attributes` is escaped."""
    heading = f"<caption>{escape(caption)}</caption>" if caption else ""
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
    return f"<table{attributes}>{heading}<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"
