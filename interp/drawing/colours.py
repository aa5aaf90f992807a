"""Colours that can be read: the contrast of the Web Content Accessibility Guidelines (WCAG 2.2), and shades by sign.

Positive values are blue, negative ones orange, which the colour-blind tell apart; a sign is always written too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

BLACK, WHITE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
POSITIVE, NEGATIVE = (0.55, 0.77, 0.96), (0.99, 0.71, 0.38)  # at full strength; black is read on both


def _luminance(colour: Sequence[float]) -> float:
    """Relative luminance of red, green and blue from 0 to 1; what follows them is not looked at."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: Sequence[float], other: Sequence[float]) -> float:
    """Contrast ratio of two colours, from 1 to 21; text needs 4.5.

    >>> contrast(BLACK, WHITE)
    21.0
    """
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def ink_on(colour: Sequence[float]) -> str:
    """Black or white, whichever is read better on a colour; the better one always has a contrast above 4.5."""
    return "black" if contrast(colour, BLACK) >= contrast(colour, WHITE) else "white"


def shade(value: float, reach: float) -> tuple[float, float, float]:
    """From white at 0 to the full colour of the value's sign at `reach` and beyond; what is not defined is white."""
    strength = min(1.0, abs(value) / reach) if reach > 0 and not math.isnan(value) else 0.0
    full = POSITIVE if value >= 0 else NEGATIVE
    red, green, blue = (1 - strength * (1 - part) for part in full)
    return red, green, blue


def as_hex(colour: Sequence[float]) -> str:
    """As HTML writes it.

    >>> as_hex((1.0, 0.5, 0.0))
    '#ff8000'
    """
    return "#" + "".join(f"{round(255 * part):02x}" for part in colour[:3])
