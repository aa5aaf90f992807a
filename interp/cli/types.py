"""Parsers of option values: whole numbers, lists of whole numbers, real numbers, names. No torch."""

from __future__ import annotations

import argparse
import math
import re

from interp.errors import UserError, quoted, shown

MOST = 2**32 - 1  # largest whole number that an option takes; the largest seed
_LONGEST_PATH = 4096  # letters


def whole(text: str) -> int:
    """Parse a whole number with an absolute value of at most `MOST`, the largest seed."""
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number")
    if len(text.strip()) > 20 or abs(int(text)) > MOST:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is out of range; whole numbers go up to {MOST}")
    return int(text)


def real(text: str) -> float:
    """Parse a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a finite number")
    return value


def named(text: str) -> str:
    """Return a name, a path or a list of these; refuse text that is empty, not UTF-8, or longer than a path can be."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; leave the option out, or give it a value")
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not UTF-8; rename the file")
    if len(text) > _LONGEST_PATH:
        raise argparse.ArgumentTypeError(f"{quoted(text)} has {len(text)} letters; at most {_LONGEST_PATH} are allowed")
    return text


def parse_ints(text: str, name: str, *, low: int = 0) -> list[int]:
    """Parse whole numbers and ranges, as in 6-12 or 2,4,8; return them sorted and without duplicates.

    >>> parse_ints("6-8,12", "--layers")
    [6, 7, 8, 12]

    Raises:
        UserError: a part is neither a number nor a range, a range runs backwards or has over 10,001 numbers, or a
            number is below `low` or above `MOST`.
    """
    given = f"{name} {shown(text)}"
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if max(len(first), len(last)) > 20:
            raise UserError(f"{given}: {quoted(part.strip())} is too large; the largest whole number is {MOST}")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"{given}: {quoted(part.strip())} is neither a number nor a range; write 6-12 or 2,4,8")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start:
            raise UserError(f"{given} runs backwards; write {stop}-{start}")
        if start < low:
            raise UserError(f"{given}: {start} is too small; the smallest number is {low}")
        if stop > MOST:
            raise UserError(f"{given}: {stop} is too large; the largest whole number is {MOST}")
        if stop - start > 10_000:
            raise UserError(f"{given} has a range of {stop - start + 1} numbers; at most 10001 are allowed")
        numbers.update(range(start, stop + 1))
    return sorted(numbers)
