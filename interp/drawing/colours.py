"""Readable colours: contrast by the Web Content Accessibility Guidelines (WCAG 2.2), and shades by sign.

Positive values are blue and negative values orange, which colour-blind readers can tell apart. Signs are also written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# Colours of Okabe & Ito, which colour-blind readers can distinguish
BLUE, VERMILION, GREEN, _PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = (BLUE, VERMILION, GREEN, _PURPLE, ORANGE, SKY)
BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
POSITIVE, NEGATIVE = (0.55, 0.77, 0.96), (0.99, 0.71, 0.38)  # full colours; black text is readable on both


def _luminance(colour: Sequence[float]) -> float:
    """Return the relative luminance of red, green and blue from 0 to 1; further components are ignored."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(colour: Sequence[float], other: Sequence[float]) -> float:
    """Return the contrast ratio of two colours, from 1 to 21; text needs 4.5.

    >>> contrast(BLACK, WHITE)
    21.0
    """
    low, high = sorted((_luminance(colour), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(colour: Sequence[float]) -> str:
    """Return black or white, whichever is more readable on a colour; the contrast is always above 4.5."""
    return "black" if contrast(colour, BLACK) >= contrast(colour, WHITE) else "white"


def shade(value: float, reach: float) -> tuple[float, float, float]:
    """Return a colour between white at 0 and the full colour of the sign at `reach` and beyond; NaN gives white."""
    strength = min(1.0, abs(value) / reach) if reach > 0 and not math.isnan(value) else 0.0
    full = POSITIVE if value >= 0 else NEGATIVE
    red, green, blue = (1 - strength * (1 - part) for part in full)
    return red, green, blue


def as_hex(colour: Sequence[float]) -> str:
    """Return a colour in the notation of HTML.

    >>> as_hex((1.0, 0.5, 0.0))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])
