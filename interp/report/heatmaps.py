"""Heatmaps of a sweep: layer x size, one for each measure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.drawing.colours import ink_on
from interp.measures.schema import written
from interp.report.choice import best_cell
from interp.report.layout import Layout, MeasureDisplay
from interp.runs.files import write_atomic

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from interp.drawing.pictures import Picture


def write_heatmaps(frame: pd.DataFrame, folder: Path, layout: Layout) -> list[Path]:
    """Write a picture, layer x size, for each measure with a heatmap, as the mean over seeds; return the files."""
    out = []
    for shown in trained_first(layout.at("heatmap")):
        path = folder / f"heatmap-{shown.column.replace('_', '-')}.png"
        write_atomic(path, draw_heatmap(frame, shown).png())
        out.append(path)
    return out


def trained_first(measures: Iterable[MeasureDisplay]) -> list[MeasureDisplay]:
    """Return measures with those of trained models first, otherwise in their order."""
    return sorted(measures, key=lambda shown: not shown.tuned)


@dataclass(frozen=True, eq=False)
class Grid:
    """Measure by layer and size, as the mean over seeds, for a heatmap.

    Attributes:
        layers, sizes: layers and sizes of the grid.
        values: shape (sizes, layers), in the shown unit; NaN if there is no cell.
        colours: name of the colour map.
        bounds: values at both ends of the colour map.
        form: format of a value.
    """

    layers: list[int]
    sizes: list[int]
    values: np.ndarray
    colours: str
    bounds: tuple[float, float]
    form: str

    def text(self, i: int, j: int) -> str:
        """Return the shown value of a size and a layer, given by their indices."""
        return written(self.values[i, j], self.form)

    def in_words(self) -> str:
        """Return the range of the values, and the places of both ends, as a sentence."""
        if np.isnan(self.values).all():
            return "No cell has a value."
        ends = []
        for name, find in (("lowest", np.nanargmin), ("highest", np.nanargmax)):
            i, j = np.unravel_index(find(self.values), self.values.shape)
            ends.append(f"{name} {self.text(int(i), int(j))} at layer {self.layers[j]}, size {self.sizes[i]}")
        return f"{ends[0].capitalize()}; {ends[1]}."


def grid(frame: pd.DataFrame, measure: MeasureDisplay) -> Grid:
    """Return the values of the heatmap of a measure."""
    means = frame.groupby(["size", "layer"])[measure.column].mean().unstack()
    unit = measure.unit
    values = unit.factor * means.to_numpy(dtype=float)
    layers, sizes = [int(n) for n in means.columns], [int(n) for n in means.index]
    return Grid(layers, sizes, values, unit.colours, unit.reach(values), unit.brief)


def draw_heatmap(frame: pd.DataFrame, measure: MeasureDisplay) -> Picture:
    """Draw a measure by layer and size, as the mean over seeds; the cell that validation chooses is outlined."""
    from interp.drawing.pictures import Picture

    shown, title = grid(frame, measure), measure.measure.full_title
    rows, columns = shown.values.shape
    figure = Picture(max(5.5, 1.6 + 0.62 * columns), max(2.6, 1.5 + 0.45 * rows), layout="constrained")
    axes = figure.subplots()
    picture = draw_grid(axes, shown, best_cell(frame), 8.0, shown.text)
    axes.set(xticks=range(columns), xticklabels=shown.layers, yticks=range(rows), yticklabels=shown.sizes)
    axes.set(xlabel="layer (block = layer - 1)", ylabel="size of the subspace")
    axes.set_title(title, fontsize=9, loc="left")
    figure.colorbar(picture, ax=axes)
    figure.alt = f"Heatmap, layer by size of the subspace: {title}. {shown.in_words()}"
    return figure


def draw_grid(
    axes: Axes, shown: Grid, best: pd.Series, fontsize: float, write: Callable[[int, int], str] | None
) -> AxesImage:
    """Draw the cells of a grid, with the chosen cell outlined.

    Args:
        axes: axes to draw in.
        shown: grid.
        best: row of the chosen cell.
        fontsize: size of the text in the cells.
        write: function that returns the text in the cell of a size and layer, given by their indices; None for no text.
    """
    from matplotlib.patches import Rectangle

    low, high = shown.bounds
    picture = axes.imshow(shown.values, cmap=shown.colours, vmin=low, vmax=high, aspect="auto", origin="lower")
    for i, rank in enumerate(shown.sizes):
        for j, layer in enumerate(shown.layers):
            ink = ink_on(tuple(picture.cmap(picture.norm(shown.values[i, j]))))
            if write is not None:
                axes.text(j, i, write(i, j), ha="center", va="center", fontsize=fontsize, color=ink)
            if rank == best["size"] and layer == best["layer"]:
                outline = Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=1.5)
                outline.set_clip_on(False)
                axes.add_patch(outline)
    return picture
