"""Text for a terminal: aligned and folded tables, wrapped prose, and slugs for file names. No torch."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

WIDTH = 120  # letters in the longest line of a table


def slug(name: str) -> str:
    """Return the name of a model or data set as part of a file name.

    >>> slug("openai/clip-vit-base-patch32")
    'clip-vit-base-patch32'
    """
    kept = "".join(letter if letter.isalnum() else "-" for letter in Path(name.rstrip("/")).name.lower())
    return kept.strip("-") or "x"


def aligned(lines: Sequence[Sequence[str]], *, left: int = 0) -> list[str]:
    """Return the lines of a plain-text table; columns have minimal width, and the first `left` are flush left.

    >>> aligned([["a", "1"], ["bb", "10"]], left=1)
    ['a    1', 'bb  10']
    """
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def folded(lines: Sequence[Sequence[str]], *, left: int = 1, width: int = WIDTH) -> list[str]:
    """Return `aligned` lines that are no wider than a terminal; columns that do not fit follow below the others.

    >>> folded([["a", "one", "two"], ["b", "1", "2"]], width=6)
    ['a  one', 'b    1', '', 'a  two', 'b    2']

    Args:
        left: number of leading columns, which are flush left and repeated in each block. A line of these columns and a
            single other column is cut to the width.
    """
    blocks: list[list[str]] = []
    first = left
    while first < len(lines[0]) or not blocks:
        for last in range(len(lines[0]), first - 1, -1):
            block = aligned([[*line[:left], *line[first:last]] for line in lines], left=left)
            if last <= first + 1 or max(map(len, block)) <= width:
                break
        blocks.append([cut(line, width) for line in block])
        first = max(last, first + 1)
    return [line for number, block in enumerate(blocks) for line in ([""] if number else []) + block]


def cut(text: str, width: int) -> str:
    """Shorten a text to at most `width` letters.

    >>> cut("imageability", 6)
    'image…'
    """
    return text if len(text) <= width else f"{text[: width - 1]}…"


def wrapped(text: str, width: int = WIDTH) -> str:
    """Wrap prose into lines that are no wider than a terminal."""
    return "\n".join(textwrap.fill(line, width, break_on_hyphens=False) for line in text.split("\n"))


def duration(seconds: float) -> str:
    """Return a duration in seconds, minutes or hours.

    >>> duration(41.2), duration(200), duration(20000)
    ('41 seconds', '3.3 minutes', '5.6 hours')
    """
    if seconds < 100:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.1f} minutes" if seconds < 6000 else f"{seconds / 3600:.1f} hours"
