"""Heatmap of layers and sizes on the first screen, which shows one measure at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.drawing.colours import as_hex, ink_on
from interp.measures import MEASURED
from interp.measures.schema import written
from interp.report.heatmaps import Grid, grid, trained_first
from interp.report.layout import CONTROLS, MeasureDisplay
from interp.report.sweep_run import SweepRun
from interp.report.tables import is_tuned


@dataclass(frozen=True)
class Patch:
    """Value of a cell in its colour.

    Attributes:
        text: value, as text.
        colour, ink: colours of the patch and of the text.
    """

    text: str
    colour: str
    ink: str


@dataclass(frozen=True)
class _MeasureMap:
    """Measure by layer and size.

    Attributes:
        title: title of the measure.
        name: short name, for the line below the heatmap.
        is_fact: True if the line below the heatmap shows the measure.
        patches: (layer, size) -> patch, for the cells that have a value.
    """

    title: str
    name: str
    is_fact: bool
    patches: Mapping[tuple[int, int], Patch]


@dataclass(frozen=True)
class Heatmap:
    """Heatmap with a choice of measures; each value is the mean over seeds.

    Attributes:
        layers: layers of the columns.
        sizes: sizes of the rows, the largest first.
        chosen: layer and size of the cell that validation chooses.
        measures: measures of the heatmap; the first measure is shown first.
        seeds: number of seeds.
    """

    layers: Sequence[int]
    sizes: Sequence[int]
    chosen: tuple[int, int]
    measures: Sequence[_MeasureMap]
    seeds: int

    @property
    def data(self) -> list[dict[str, Any]]:
        """Measures for the script of the page: title, name, and the patches by "layer/size"."""
        return [
            {
                "title": measure.title,
                "name": measure.name,
                "fact": measure.is_fact,
                "cells": {
                    f"{layer}/{size}": [patch.text, patch.colour, patch.ink]
                    for (layer, size), patch in measure.patches.items()
                },
            }
            for measure in self.measures
        ]


def heatmap(sweep: SweepRun) -> Heatmap:
    """Return the heatmap of a sweep, with each measure that any cell has; measures of trained models come first."""
    frame, best = sweep.frame, sweep.best
    displays = [
        display for display in trained_first(sweep.layout.at("heatmap")) if not frame[display.column].isna().all()
    ]
    grids = [grid(frame, display) for display in displays]
    tuned = is_tuned(frame)
    measures = [
        _MeasureMap(display.measure.full_title, _name(display), _is_fact(display, tuned), _patches(values, display))
        for display, values in zip(displays, grids, strict=True)
    ]
    chosen = int(best["layer"]), int(best["size"])
    return Heatmap(grids[0].layers, grids[0].sizes[::-1], chosen, measures, frame["seed"].nunique())


def _is_fact(display: MeasureDisplay, tuned: bool) -> bool:
    """Return whether the line below the heatmap shows a measure: those of the model that the sweep is about."""
    key = display.key
    is_brief = key.measure != "shift" and key.route in ("", MEASURED[0])
    return is_brief and display.tuned == tuned and display.family != CONTROLS


def _name(display: MeasureDisplay) -> str:
    return (display.brief or display.name).removeprefix("trained: ")


def _patches(values: Grid, display: MeasureDisplay) -> dict[tuple[int, int], Patch]:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    scale, colours = Normalize(*values.bounds), colormaps[values.colours]
    patches = {}
    for row, size in enumerate(values.sizes):
        for column, layer in enumerate(values.layers):
            value = values.values[row, column]
            if not np.isnan(value):
                colour = colours(scale(value))
                patches[layer, size] = Patch(written(value, display.unit.form), as_hex(colour), ink_on(colour))
    return patches
