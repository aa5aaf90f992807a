"""`fig_sweep`: heatmaps of layer x size for each measure of the sweep, with the chosen cell outlined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from figures.runs import MissingRun, Runs
from figures.style import FONT, HEIGHT, PAGE, SIZE, picture
from interp.data.contrast import Contrast
from interp.drawing.markup import MINUS
from interp.drawing.pictures import Picture, at, told_apart, width_of, wrapped
from interp.report.heatmaps import Grid, draw_grid, grid
from interp.report.layout import MeasureDisplay

LEFT, RIGHT, BAR, GAP = 24.0, 42.0, 6.0, 8.0  # points: labels of sizes, a bar with its labels, between panels
LINE, TITLE, FOOT, SPACE = 10.5, 12.0, 22.0, 5.0  # points: row of a size, title, labels of layers, space between rows
_NOTE_LINES = 3  # maximum number of lines of the note at the bottom
LEAST = 24.0  # minimum height of a heatmap, for the labels of its bar


def draw(runs: Runs) -> Picture:
    """Draw rows of heatmaps with shared colour scales, and with numbers if they fit.

    Raises:
        MissingRun: there is no sweep, or no measure is defined.
    """
    sweep = runs.sweep
    grids = {measure: grid(sweep.frame, measure) for measure in sweep.layout.at("figure")}
    grids = {measure: shown for measure, shown in grids.items() if not np.isnan(shown.values).all()}
    if not grids:
        raise MissingRun("needs a sweep with at least one defined measure")
    grids = _one_scale(grids)
    first = next(iter(grids.values()))
    note = _note(sweep.contrast)
    foot = FOOT + LINE * (len(note) - 1)
    across, numbers = _fitting(grids, len(first.layers), len(first.sizes), foot)
    rows = _rows(grids, across)
    panel = (72 * PAGE - LEFT - RIGHT - GAP * (across - 1)) / across
    tall = _tall(len(first.sizes))
    names = told_apart([_name(measure) for measure in grids], panel, SIZE, FONT)
    figure = picture((len(rows) * (tall + TITLE + SPACE) + foot) / 72)
    top = 0.0
    for number, row in enumerate(rows):
        for j, measure in enumerate(row):
            shown = grids[measure]
            axes = at(figure, LEFT + j * (panel + GAP), top + TITLE, panel, tall)
            image = draw_grid(axes, shown, sweep.best, SIZE, partial(_text, shown) if numbers else None)
            axes.set_title(names[_name(measure)], loc="left")
            axes.spines[:].set_visible(False)
            axes.tick_params(length=0)
            below = number + 1 < len(rows) and j < len(rows[number + 1])
            layers, sizes = ([] if below else shown.layers), ([] if j else shown.sizes)
            axes.set_xticks(range(len(layers)), map(str, layers))
            axes.set_yticks(range(len(sizes)), map(str, sizes))
        bar = at(figure, LEFT + across * (panel + GAP) - 2, top + TITLE, BAR, tall)
        signed = shown.bounds[0] < 0
        ticks = [shown.bounds[0], 0.0, shown.bounds[1]] if signed else [0.0, 50.0, 100.0]
        labels = [_short(f"{value:+.2g}") if signed and value else f"{value:.0f}" for value in ticks]
        figure.colorbar(image, cax=bar).set_ticks(ticks, labels=labels)
        bar.tick_params(length=1.5)
        bar.spines[:].set_visible(False)
        top += tall + TITLE + SPACE
    place = LEFT / 72 / PAGE, 1.0 / 72 / figure.get_figheight()
    figure.text(*place, "\n".join(note), va="bottom", linespacing=1.0)
    figure.alt = _alt(grids, runs)
    return figure


def _note(contrast: Contrast) -> list[str]:
    """Return the explanation of the figure, wrapped to the width of the page."""
    up = f"{contrast.arrow('up')}: {contrast.swap('up')}"
    note = f"x: layer (block + 1); y: size of the subspace; outlined: chosen by validation; {up}"
    return wrapped(note, 72 * PAGE - LEFT, SIZE, FONT, _NOTE_LINES)


def _fitting(grids: Mapping[MeasureDisplay, Grid], layers: int, sizes: int, foot: float) -> tuple[int, bool]:
    """Return the number of heatmaps in a row, and whether the heatmaps have room for numbers.

    If the page is too small for numbers, the heatmaps show colours only.
    """
    widest = max(
        width_of(_text(shown, i, j), SIZE, FONT)
        for shown in grids.values()
        for i in range(sizes)
        for j in range(layers)
    )
    for across in (3, 2, 1):
        room = (72 * PAGE - LEFT - RIGHT - GAP * (across - 1)) / across / layers
        height = len(_rows(grids, across)) * (_tall(sizes) + TITLE + SPACE) + foot
        if widest + 1 <= room and height <= 72 * HEIGHT:
            return across, True
    return 3, False


def _tall(sizes: int) -> float:
    return max(LEAST, LINE * sizes)


def _rows(grids: Mapping[MeasureDisplay, Grid], across: int) -> list[list[MeasureDisplay]]:
    """Return measures in rows; the measures of a row share a scale, and each family begins a new row."""
    rows: list[list[MeasureDisplay]] = []
    last = None
    for measure in grids:
        kind = measure.family
        if kind != last or len(rows[-1]) == across:
            rows.append([])
        rows[-1].append(measure)
        last = kind
    return rows


def _one_scale(grids: Mapping[MeasureDisplay, Grid]) -> dict[MeasureDisplay, Grid]:
    """Return grids with a common colour scale for all heatmaps of a family."""
    out = {}
    for measure, shown in grids.items():
        tops = [other.bounds[1] for name, other in grids.items() if name.family == measure.family]
        low, top = shown.bounds[0], max(tops)
        out[measure] = replace(shown, bounds=(-top if low < 0 else low, top))
    return out


def _name(measure: MeasureDisplay) -> str:
    return f"{measure.brief or measure.name}{f' ({measure.unit.sign})' if measure.unit.sign else ''}"


def _text(shown: Grid, i: int, j: int) -> str:
    return _short(shown.text(i, j))


def _short(number: str) -> str:
    """Return a number without plus sign and without zero before the decimal point, with a true minus sign."""
    if number == "-":
        return number
    return number.replace("-0.", "-.").replace("+0.", ".").replace("-", MINUS)


def _alt(grids: Mapping[MeasureDisplay, Grid], runs: Runs) -> str:
    best = runs.sweep.best
    parts = [f"{measure.measure.full_title}: {shown.in_words()}" for measure, shown in grids.items()]
    return (
        f"Validation chooses layer {int(best['layer'])}, size {int(best['size'])}, which is outlined in {len(grids)} "
        f"heatmaps of a sweep over {len(runs.sweep.frame)} cells, with the layer on the x axis and the size of the "
        f"subspace on the y axis. {' '.join(parts)}"
    )
