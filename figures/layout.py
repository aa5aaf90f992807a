"""Layout faults of a figure: text that is cut off, too small, or overlaps other text."""

from __future__ import annotations

import warnings
from itertools import combinations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from figures.style import HEIGHT, RC, SIZE
from interp.drawing.pictures import ELLIPSIS, Picture

SLACK = 1.0  # permitted overlap of text boxes in points, since they are a little larger than the ink


def problems(figure: Picture) -> list[str]:
    """Return a sentence for each fault; an empty list if the figure can be printed."""
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # missing letters, which `save` reports
        figure.canvas.draw()
        boxes = [(text, _in_points(text, 72 / figure.dpi)) for text in shown_texts(figure)]
    wide, high = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    out = [f"is {high / 72:.1f} inches high, higher than a page"] if high > 72 * HEIGHT else []
    for text, box in boxes:
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > wide + SLACK or box.y1 > high + SLACK:
            out.append(f"'{_short(text)}' is cut off at the edge")
        if float(text.get_fontsize()) < SIZE:
            out.append(f"'{_short(text)}' has a font size of {float(text.get_fontsize()):g} pt, less than {SIZE:g} pt")
    for (first, a), (second, b) in combinations(boxes, 2):
        over_x, over_y = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if over_x > SLACK and over_y > SLACK:
            out.append(f"'{_short(first)}' overlaps '{_short(second)}'")
    return out


def shown_texts(figure: Picture) -> list[Text]:
    """Return all visible texts that are not empty."""
    hidden = {id(label) for axes in figure.axes for label in _unseen(axes)}
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def _unseen(axes: Axes) -> list[Text]:
    """Return the labels of ticks beyond the axis, and all labels of an axis that is off."""
    out: list[Text] = []
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        room = 1e-9 * (high - low)
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not axes.axison or not axes.get_visible() or not low - room <= tick.get_loc() <= high + room:
                out += [tick.label1, tick.label2]
        if not axes.axison:
            out += [axis.label, axis.get_offset_text()]
    return out


def _in_points(text: Text, scale: float) -> Bbox:
    box = text.get_window_extent()
    return Bbox(box.get_points() * scale)


def _short(text: Text) -> str:
    content = " ".join(text.get_text().split())
    return content if len(content) <= 30 else content[:29] + ELLIPSIS
