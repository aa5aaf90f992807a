"""Values of options, read from a command line: whole numbers, lists of them, real ones, names. No torch."""

from __future__ import annotations

import argparse
import math
import re

from interp.errors import UserError, quoted, shown

MOST = 2**32 - 1  # the largest whole number that an option takes; seeds go no further
_LONGEST_PATH = 4096  # letters


def whole(text: str) -> int:
    """An option that is a whole number; none is meant to be larger than the largest seed."""
    if not re.fullmatch(r"\s*[+-]?\d+\s*", text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a whole number")
    if len(text.strip()) > 20 or abs(int(text)) > MOST:
        raise argparse.ArgumentTypeError(f"{quoted(text)} is beyond {MOST}, which cannot be meant")
    return int(text)


def real(text: str) -> float:
    """An option that is a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not a number that can be used")
    return value


def named(text: str) -> str:
    """An option that is a name, a path or a list of these; none is empty, or longer than a path can be."""
    if not text.strip():
        raise argparse.ArgumentTypeError("it is empty; leave the option out, or give it a value")
    if not text.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise argparse.ArgumentTypeError(f"{quoted(text)} is not UTF-8; rename the file")
    if len(text) > _LONGEST_PATH:
        raise argparse.ArgumentTypeError(f"{quoted(text)} has {len(text)} letters; the most are {_LONGEST_PATH}")
    return text


def parse_ints(text: str, name: str, *, low: int = 0) -> list[int]:
    """Read whole numbers and ranges, as in 6-12 or 2,4,8; sorted, each once.

    >>> parse_ints("6-8,12", "--layers")
    [6, 7, 8, 12]

    Raises:
        UserError: not numbers, a range that runs backwards, or a number below `low`.
    """
    given = f"{name} {shown(text)}"
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if max(len(first), len(last)) > 20:
            raise UserError(f"{given}: {quoted(part.strip())} is beyond {MOST}, which cannot be meant")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"{given}: {quoted(part.strip())} is neither a number nor a range; write 6-12 or 2,4,8")
        start, stop = int(first), int(last) if dash else int(first)
        if stop < start:
            raise UserError(f"{given} runs backwards; write {stop}-{start}")
        if start < low:
            raise UserError(f"{given}: {start} is too small, the least is {low}")
        if stop > MOST:
            raise UserError(f"{given}: {stop} is beyond {MOST}, which cannot be meant")
        if stop - start > 10_000:
            raise UserError(f"{given} names {stop - start + 1} numbers; that cannot be meant")
        found.update(range(start, stop + 1))
    return sorted(found)
