"""Decoding of table files from bytes in an unknown encoding, and detection of the sign between cells. No torch."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from itertools import islice

_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins like UTF-16's mark, so it comes first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WINDOWS = "cp1252"
_NAMES = {_WINDOWS: "Windows-1252", "utf-16": "UTF-16", "utf-32": "UTF-32"}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_MOSTLY = 0.5
_LOOKED_AT = 100  # rows that are read to find the sign between cells

# In a Western European text, decoded as Windows-1252, letters beyond ASCII are few, none of them is a capital in the
# middle of a word, and signs are between words. Other encodings give "MŠdchen" and "³¹kê".
_FOREIGN_SHARE = 0.3  # share of the letters
_NO_WORD = re.compile(
    r"[^\W\d_][ŠŒŽŸÀ-ÖØ-Þ][a-zß-ÿ]|[^\W\d_][^\x00-\x7f\w’\xad·][^\W\d_]|[\x80-\x9f¤¦¬¯¸]|[¹²³¥ª](?=[^\W\d_])"
)
NOT_UTF8 = re.compile("[\ud800-\udfff]")  # letters that stand for bytes that are not UTF-8


def decode(content: bytes, *, guess: bool) -> tuple[str, str | None]:
    """Decode a table file.

    Args:
        guess: True to also accept encodings that are not Unicode's.

    Returns:
        The text, and the name of an encoding other than UTF-8.

    Raises:
        UnicodeDecodeError: the bytes are not UTF-8, are not marked as UTF-16 or UTF-32, and have no encoding that could
            be guessed.
    """
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding), None if mark == codecs.BOM_UTF8 else _NAMES[encoding]
    if unmarked := _unmarked(content):
        return content.decode(unmarked), _NAMES["utf-16"]
    try:
        return content.decode("utf-8"), None
    except UnicodeDecodeError:
        if not guess or _is_damaged(content) or not (guessed := _guess(content)):
            raise
        return guessed


def _is_damaged(content: bytes) -> bool:
    """Return whether a text is UTF-8 with a few wrong bytes: at least half of the letters beyond ASCII are decoded."""
    text = content.decode("utf-8", errors="surrogateescape")
    wrong = len(NOT_UTF8.findall(text))
    return sum(not letter.isascii() for letter in text) - wrong >= wrong


def _unmarked(content: bytes) -> str | None:
    """Return the encoding of UTF-16 text without a mark, in which every other byte of most letters is 0, or None."""
    for place, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half, other = content[place::2], content[1 - place :: 2]
        if half.count(0) > _MOSTLY * len(half) and not other.count(0):
            return encoding
    return None


def _guess(content: bytes) -> tuple[str, str] | None:
    try:
        text = content.decode(_WINDOWS)
    except UnicodeDecodeError:
        text = ""
    if text and "\0" not in text and _is_western(text):
        return text, _NAMES[_WINDOWS]
    from charset_normalizer import from_bytes  # slow to import

    best = from_bytes(content).best()
    return None if best is None or "\0" in str(best) else (str(best), best.encoding.replace("_", "-"))


def _is_western(text: str) -> bool:
    letters = [letter for letter in text if letter.isalpha()]
    foreign = sum(not letter.isascii() for letter in letters)
    return foreign <= _FOREIGN_SHARE * len(letters) and not _NO_WORD.search(text)


def delimiter_of(text: str) -> str:
    """Return the sign between the cells of a table.

    With this sign, the first rows have equal numbers of cells, at least two. If this holds for several signs, the sign
    with the most cells is returned.
    """
    by_sign = {sign: _widths(text, sign) for sign in DELIMITERS}
    several = {sign: widths for sign, widths in by_sign.items() if widths and widths[0] > 1}
    even = {sign: widths for sign, widths in several.items() if len(set(widths)) == 1} or several
    return max(even, key=lambda sign: even[sign][0], default=",")


def _widths(text: str, delimiter: str) -> Sequence[int]:
    """Return the number of cells in each of the first rows that are not blank; damaged quotes end the table."""
    widths: list[int] = []
    try:
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        widths += (len(cells) for cells in islice(rows, _LOOKED_AT) if "".join(cells).strip())
    except csv.Error:
        pass
    return widths
