"""Measures by layer and size, as coloured tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.drawing.colours import as_hex, ink_on
from interp.report.heatmaps import Grid, grid, trained_first
from interp.report.sweep_run import SweepRun

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Patch:
    """Value in its colour.

    Attributes:
        text: value, as text.
        colour, ink: colours of the patch and of the text.
        chosen: True for the cell that validation chooses.
    """

    text: str
    colour: str
    ink: str
    chosen: bool


@dataclass(frozen=True)
class Heatmap:
    """Measure by layer and size.

    Attributes:
        title: title of the measure.
        layers: layers of the columns.
        rows: each size, from the largest to the smallest, with a patch for each layer; None if there is no cell.
    """

    title: str
    layers: Sequence[int]
    rows: Sequence[tuple[int, Sequence[Patch | None]]]


def heatmaps(sweep: SweepRun) -> list[Heatmap]:
    """Return a heatmap for each measure that any cell has; those of trained models come first."""
    return [
        _heatmap(grid(sweep.frame, shown), sweep.best, shown.measure.full_title)
        for shown in trained_first(sweep.layout.at("heatmap"))
        if not sweep.frame[shown.column].isna().all()
    ]


def _heatmap(shown: Grid, best: pd.Series, title: str) -> Heatmap:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    scale, colours = Normalize(*shown.bounds), colormaps[shown.colours]

    def patch(i: int, j: int) -> Patch | None:
        if np.isnan(shown.values[i, j]):
            return None
        colour = colours(scale(shown.values[i, j]))
        chosen = bool(shown.sizes[i] == best["size"] and shown.layers[j] == best["layer"])
        return Patch(shown.text(i, j), as_hex(colour), ink_on(colour), chosen)

    rows = [
        (size, [patch(i, j) for j in range(len(shown.layers))]) for i, size in reversed(list(enumerate(shown.sizes)))
    ]
    return Heatmap(title, shown.layers, rows)
