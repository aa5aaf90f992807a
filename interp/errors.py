"""Common error that a command turns into one line and exit status 2, and functions that quote values in messages."""

from __future__ import annotations

import re

LONGEST, _LONGEST_VALUE = 1000, 80  # letters of a message, and of a quoted value


class UserError(ValueError):
    """Error that the user can correct. The message is one line with the fault, the expected value and the remedy."""

    def __str__(self) -> str:
        """Return the message; a long message loses its middle, since the fault comes first and the remedy last."""
        text = super().__str__()
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 + 3 :]}"


def shown(value: object, most: int = _LONGEST_VALUE) -> str:
    """Return a value for a message: on one line, shortened, with invisible characters escaped as in Python.

    >>> shown("two\\nlines \\0"), shown("9" * 5000, 5)
    ('two lines \\\\x00', '9999…')
    """
    words = " ".join(str(value)[: 4 * most].split())
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)
    return text if len(text) <= most and len(str(value)) <= 4 * most else f"{text[: most - 1]}…"


def reason(error: BaseException) -> str:
    """Return the reason of an exception for a message, without the wording of Python and of the C library."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return shown(without_number(str(error)))


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, or the name of the exception if the message is empty."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shown(lines[0], 300) if lines else type(error).__name__


def without_number(text: str) -> str:
    """Return the message of a system error, without the number that Python puts before it."""
    return re.sub(r"\[Errno -?\d+\] ", "", text)


def quoted(value: object) -> str:
    """Return a value in quotes, as `shown` formats it."""
    return f"'{shown(value)}'"
