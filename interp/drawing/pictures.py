"""Figures for notebooks and screen readers, with words on colours. No torch."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch
from matplotlib.rcsetup import cycler
from matplotlib.text import Text
from matplotlib.textpath import text_to_path

from interp.drawing.colours import COLOURS, NEGATIVE, POSITIVE, shade
from interp.drawing.markup import MINUS, runs_left, signed

UNHINTED: Any = {"text.hinting": "none"}  # with hinting, the width of letters depends on the resolution
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_STYLE: Any = {"axes.prop_cycle": cycler(color=COLOURS), "axes.spines.top": False, "axes.spines.right": False}
GAP = 3.0  # space between words in points
LINE = 2.55  # distance between lines of words, in font sizes
# colours of outlines, darker than the fill
RAISES, LOWERS = tuple(0.55 * part for part in POSITIVE), tuple(0.6 * part for part in NEGATIVE)
_UNKNOWN = (0.6, 0.6, 0.6)


class Picture(Figure):
    """Figure without pyplot, with a description of its content.

    Attributes:
        alt: description in words.
    """

    def __init__(self, width: float, height: float, **options: Any) -> None:
        """Create a figure with width and height in inches."""
        super().__init__(figsize=(width, height), **options)
        FigureCanvasAgg(self)
        self.alt = ""

    def add_subplot(self, *args: Any, **options: Any) -> Axes:
        """Add axes in the common style: colours of Okabe & Ito, and no frame at the top and at the right."""
        with rc_context(_STYLE):
            return super().add_subplot(*args, **options)

    def png(self, dpi: float = 150) -> bytes:
        """Return the picture as a PNG file."""
        for text in self.findobj(Text):
            text.set_parse_math(False)  # names may hold dollars
        buffer = io.BytesIO()
        with rc_context(UNHINTED):
            self.savefig(buffer, format="png", dpi=dpi, metadata={"Description": self.alt, "Software": None})
        return buffer.getvalue()

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the PNG for notebooks, with the description for screen readers.

        The inline backend of matplotlib replaces `_repr_png_`, so a figure with that method alone would not appear.
        """
        return {"image/png": self.png(), "text/plain": self.alt or repr(self)}, {"image/png": {"alt": self.alt}}


@lru_cache(maxsize=4096)
def width_of(text: str, size: float, family: tuple[str, ...] = ("sans-serif",)) -> float:
    """Return the width of a text, in points."""
    font = FontProperties(family=list(family), size=size)
    with warnings.catch_warnings():  # for letters that no font has; drawing them warns again
        warnings.simplefilter("ignore")
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def wrapped(text: str, width: float, size: float, family: tuple[str, ...], lines: int) -> list[str]:
    """Return a text in at most `lines` lines that are no wider than `width` points; the rest is omitted.

    A word that is wider than a line is broken. An ellipsis marks an omission.
    """
    out: list[str] = [""]
    words = [part for word in text.split() for part in _fitting(word, width, size, family)]
    for word in words:
        longer = f"{out[-1]} {word}".strip()
        if width_of(longer, size, family) <= width:
            out[-1] = longer
        elif len(out) == lines:
            return [*out[:-1], _ended(out[-1], width, size, family)]
        else:
            out.append(word)
    return out


def shortened(text: str, width: float, size: float, family: tuple[str, ...]) -> str:
    """Return a text on one line that is no wider than `width` points; an ellipsis marks an omission."""
    text = " ".join(text.split())
    return text if width_of(text, size, family) <= width else _ended(text, width, size, family)


def told_apart(names: Sequence[str], width: float, size: float, family: tuple[str, ...]) -> dict[str, str]:
    """Return names on lines no wider than `width` points; long names with equal beginnings lose their middle."""
    out = {name: shortened(name, width, size, family) for name in names}
    if len(set(out.values())) < len(set(names)):
        return {name: _without_middle(name, width, size, family) for name in names}
    return out


def _without_middle(text: str, width: float, size: float, family: tuple[str, ...]) -> str:
    """Return the beginning and the end of a text, with an ellipsis for the part that does not fit."""
    if width_of(text, size, family) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        shown = text[: kept // 2] + ELLIPSIS + text[kept // 2 - kept :]
        if width_of(shown, size, family) <= width:
            return shown
    return ELLIPSIS


def _ended(text: str, width: float, size: float, family: tuple[str, ...]) -> str:
    """Return the beginning of a text that fits, followed by an ellipsis."""
    while text and width_of(text + ELLIPSIS, size, family) > width:
        text = text[:-1].rstrip()
    return text + ELLIPSIS


def _fitting(word: str, width: float, size: float, family: tuple[str, ...]) -> list[str]:
    """Return a word in pieces that are no wider than a line."""
    pieces = [""]
    for letter in word:
        if pieces[-1] and width_of(pieces[-1] + letter, size, family) > width:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def at(figure: Figure, left: float, top: float, width: float, height: float, **options: Any) -> Axes:
    """Add axes to a figure at a position in points from the upper left corner."""
    wide, high = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    return figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high), **options)


def points(figure: Figure) -> Axes:
    """Add axes over a whole figure, with coordinates in points to the right and down from the upper left corner."""
    width, height = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    axes = at(figure, 0, 0, width, height, xlim=(0, width), ylim=(height, 0))
    axes.axis("off")
    return axes


def titled(name: str) -> str:
    """Return a name with a capital first letter, for the beginning of a sentence.

    >>> titled("alt text"), titled("HTML alt")
    ('Alt text', 'HTML alt')
    """
    return name[:1].upper() + name[1:]


def value_text(value: float) -> str:
    """Return an attribution as text below a word, without a zero before the decimal point.

    >>> value_text(0.0312), value_text(-1.5), value_text(float("nan"))
    ('+.031', '−1.500', '-')
    """
    return signed(value).replace("+0.", "+.").replace(f"{MINUS}0.", f"{MINUS}.")


@dataclass(frozen=True)
class Block:
    """Place and size of drawn words: upper left corner, width and font size, all in points."""

    left: float
    top: float
    width: float
    size: float
    family: tuple[str, ...] = ("sans-serif",)


def words_height(words: Sequence[str], values: Sequence[float], block: Block) -> float:
    """Return the height of the output of `draw_words` in points; it does not depend on the place of the block."""
    lines = max((line for _, line, _ in _flow(words, values, block)), default=0) + 1
    return lines * LINE * block.size


def draw_words(axes: Axes, words: Sequence[str], values: Sequence[float], reach: float, block: Block) -> None:
    """Draw words in lines, on colours that show sign and size of their values, with each value below its word.

    Words of a text that runs from right to left begin at the right. The value and the outline also show the sign; the
    outline is dashed for negative values.

    Args:
        axes: axes from `points`.
        words: words of a text.
        values: value of each word.
        reach: absolute value with the full colour.
        block: place and size of the words.
    """
    size, family, leftwards = block.size, block.family, runs_left(words)
    style: dict[str, Any] = {"fontsize": size, "family": list(family), "parse_math": False}
    style |= {"va": "baseline", "ha": "center", "color": "black"}
    for (word, value), (x, line, wide) in zip(
        zip(words, values, strict=True), _flow(words, values, block), strict=True
    ):
        x = block.width - x - wide if leftwards else x
        left, y = block.left + x, block.top + line * LINE * size
        box = FancyBboxPatch(
            (left, y),
            wide,
            1.25 * size,
            boxstyle="round,pad=0,rounding_size=1.5",
            facecolor=shade(value, reach),
            edgecolor=RAISES if value >= 0 else LOWERS if value < 0 else _UNKNOWN,
            linewidth=0.5,
            linestyle=(0, (2, 1.5)) if value < 0 else "solid",
        )
        axes.add_patch(box)
        shown = shortened(word, block.width - 4, size, family)
        axes.text(left + wide / 2, y + 0.95 * size, shown, **style)
        axes.text(left + wide / 2, y + 2.1 * size, value_text(value), **style)


def _flow(words: Sequence[str], values: Sequence[float], block: Block) -> list[tuple[float, int, float]]:
    """Return the place of each word: x, line and width."""
    out, x, line = [], 0.0, 0
    size, family, width = block.size, block.family, block.width
    for word, value in zip(words, values, strict=True):
        wide = max(width_of(word, size, family) + 4, width_of(value_text(value), size, family))
        wide = min(wide, width)
        if x and x + wide > width:
            x, line = 0.0, line + 1
        out.append((x, line, wide))
        x += wide + GAP
    return out
