"""The one kind of error that a command turns into a line and exit status 2, and how a message quotes what was given."""

from __future__ import annotations

import re

LONGEST, _LONGEST_VALUE = 1000, 80  # letters of a message, and of a value that it quotes


class UserError(ValueError):
    """Something the user can mend. The message is one line: what it is, what was expected, how to mend it."""

    def __str__(self) -> str:
        """The message, without its middle where it is long: what is wrong is said first, how to mend it last."""
        text = super().__str__()
        return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 + 3 :]}"


def shown(value: object, most: int = _LONGEST_VALUE) -> str:
    """A value as a message shows it: on one line, not long, and with signs that cannot be seen as Python writes them.

    >>> shown("two\\nlines \\0"), shown("9" * 5000, 5)
    ('two lines \\\\x00', '9999…')
    """
    words = " ".join(str(value)[: 4 * most].split())
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in words)
    return text if len(text) <= most and len(str(value)) <= 4 * most else f"{text[: most - 1]}…"


def reason(error: BaseException) -> str:
    """What an exception says, as a message shows it, without the words of Python and of the C library."""
    if isinstance(error, UnicodeError):
        return "it is not UTF-8"
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    return shown(without_number(str(error)))


def first_line(error: BaseException) -> str:
    """The first line of what a library says, or the name of its exception if that is nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return shown(lines[0], 300) if lines else type(error).__name__


def without_number(text: str) -> str:
    """What an error of the system says, without the number that Python puts before it."""
    return re.sub(r"\[Errno -?\d+\] ", "", text)


def quoted(value: object) -> str:
    """A value in quotes, as `shown` shows it."""
    return f"'{shown(value)}'"
