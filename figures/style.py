"""Common style of all figures: widths of ACL, a font size of 8 pt, and colours for colour-blind readers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.artist import Artist

from figures.runs import MissingRun
from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE, read_file
from interp.data.images import open_rgb
from interp.drawing.colours import BLUE, COLOURS, VERMILION
from interp.drawing.pictures import UNHINTED, Picture, at
from interp.runs.files import write_atomic

PAGE, HEIGHT = 6.3, 9.7  # inches: width of both columns of an ACL page (16 cm), and height of the page (24.7 cm)
SIZE = 8.0  # font size of all text, in points
FONT = ("STIXGeneral", "DejaVu Sans")  # similar to Times; the second font has letters that the first lacks
RC: Any = {
    "font.family": list(FONT),
    "font.size": SIZE,
    "axes.titlesize": SIZE,
    "axes.labelsize": SIZE,
    "xtick.labelsize": SIZE,
    "ytick.labelsize": SIZE,
    "legend.fontsize": SIZE,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2.0,
    "ytick.major.pad": 2.0,
    "axes.labelpad": 2.0,
    "axes.titlepad": 3.0,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.5,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "savefig.facecolor": "white",
    "figure.facecolor": "white",
    **UNHINTED,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # a name can contain dollar signs
}
GREY = "#666666"
POSITIVE: dict[str, Any] = {"marker": "o", "color": BLUE, "markerfacecolor": BLUE}
NEGATIVE: dict[str, Any] = {"marker": "s", "color": VERMILION, "markerfacecolor": "white"}
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
_DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 2)))


def look(number: int) -> dict[str, Any]:
    """Return the style of the n-th model.

    The first twelve models have distinct marks, so they also differ in a grey print. Then the marks repeat.
    """
    colour, dashes = COLOURS[number % len(COLOURS)], _DASHES[number % len(_DASHES)]
    return {"color": colour, "marker": MARKS[number % len(MARKS)], "linestyle": dashes}


def picture(height: float, width: float = PAGE) -> Picture:
    """Return an empty figure; height and width are in inches."""
    return Picture(width, height)


def legend_below(figure: Picture, handles: Sequence[Artist], across: int) -> None:
    """Put a legend in the lower left corner of a figure.

    Args:
        figure: figure.
        handles: handles of the legend.
        across: number of columns.
    """
    figure.legend(
        handles=[*handles],
        loc="lower left",
        ncols=across,
        bbox_to_anchor=(0, 0),
        borderaxespad=0.2,
        columnspacing=1.4,
        fontsize=SIZE,
    )


def photo(figure: Picture, path: Path, left: float, top: float, side: float) -> None:
    """Draw a picture from a file in a square; the position is in points from the figure's upper left corner.

    Raises:
        MissingRun: the file does not exist or is damaged.
    """
    axes = at(figure, left, top, side, side, anchor="NW")
    axes.axis("off")
    try:
        axes.imshow(open_rgb(str(path), lambda name: read_file(name, MOST_IMAGE)))
    except DataError as error:
        raise MissingRun(f"needs the picture '{path}' ({error}); repeat the run in another folder") from error


def drawn(draw: Callable[[], Picture]) -> Picture:
    """Return a figure drawn in this style."""
    with matplotlib.rc_context(RC):
        return draw()


def save(figure: Picture, out: Path, name: str) -> tuple[list[Path], list[str]]:
    """Write a figure as PDF and PNG, and its description as text.

    Returns:
        Paths of the files, and notes for the user.
    """
    files = {f"{name}.alt.txt": (figure.alt + "\n").encode()}
    with matplotlib.rc_context(RC), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for suffix, facts in (
            ("pdf", {"Title": name, "Subject": figure.alt, "CreationDate": None}),
            ("png", {"Title": name, "Description": figure.alt, "Software": None}),
        ):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=suffix, dpi=300, metadata=facts)
            files[f"{name}.{suffix}"] = buffer.getvalue()
    for file, content in files.items():
        write_atomic(out / file, content)
    messages = dict.fromkeys(str(warning.message) for warning in caught)
    lacking = {match[1] for text in messages if (match := re.match(r"Glyph (\d+) .*missing", text))}
    notes = [text for text in messages if not re.match(r"Glyph \d+ .*missing", text)]
    if lacking:
        letters = "".join(chr(int(number)) for number in sorted(lacking, key=int))
        notes.append(f"{name}: no installed font has {letters}; install a font with these letters, such as Noto")
    return [out / file for file in files], notes
