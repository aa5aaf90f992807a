"""Layout faults of a figure: text that is cut, too small, or overlaps other text."""

from __future__ import annotations

import warnings
from itertools import combinations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from figures.style import HEIGHT, RC, SIZE
from interp.drawing.pictures import ELLIPSIS, Picture

SLACK = 1.0  # points by which boxes of letters may overlap, since they are a little larger than the ink


def problems(figure: Picture) -> list[str]:
    """Return a sentence for each fault; empty if the figure can be printed."""
    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # letters that no font has, which were reported when the figure was saved
        figure.canvas.draw()
        boxes = [(text, _in_points(text, 72 / figure.dpi)) for text in shown_texts(figure)]
    wide, high = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    out = [f"is {high / 72:.1f} inches high, more than a page"] if high > 72 * HEIGHT else []
    for text, box in boxes:
        if box.x0 < -SLACK or box.y0 < -SLACK or box.x1 > wide + SLACK or box.y1 > high + SLACK:
            out.append(f"'{_short(text)}' is cut at the edge")
        if float(text.get_fontsize()) < SIZE:
            out.append(f"'{_short(text)}' is set in {float(text.get_fontsize()):g} pt, less than {SIZE:g}")
    for (one, a), (other, b) in combinations(boxes, 2):
        over_x, over_y = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
        if over_x > SLACK and over_y > SLACK:
            out.append(f"'{_short(one)}' lies on '{_short(other)}'")
    return out


def shown_texts(figure: Picture) -> list[Text]:
    """Return all texts that are drawn and not empty."""
    hidden = {id(label) for axes in figure.axes for label in _unseen(axes)}
    return [
        text
        for text in figure.findobj(Text)
        if isinstance(text, Text) and text.get_visible() and text.get_text().strip() and id(text) not in hidden
    ]


def _unseen(axes: Axes) -> list[Text]:
    """Return the labels of ticks that are beyond the axis, and all labels of an axis that is off."""
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
    said = " ".join(text.get_text().split())
    return said if len(said) <= 30 else said[:29] + ELLIPSIS
