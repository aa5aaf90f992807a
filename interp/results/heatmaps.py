"""Heatmaps of a sweep: layer x size, one for each measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.attribution.result import MEASURED
from interp.results.tables import TUNED, best_cell, written
from interp.runs.folder import write_atomic
from interp.show.colours import ink_on

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

    from interp.show.pictures import Picture


def heatmap_titles(frame: pd.DataFrame, norms: Sequence[str]) -> dict[str, str]:
    """The measures that have a heatmap, with its title."""
    titles = {
        "iia": "IIA on held-out pairs, mean of both directions (%)",
        "iia_c2d": "IIA, caption given Z of a description (%)",
        "iia_d2c": "IIA, description given Z of a caption (%)",
        "iia_pca": "IIA of principal components of the same size (%)",
        "iia_means": "IIA of difference in means, completed by PCA (%)",
        "iia_random": "IIA of random subspaces of the same size (%)",
        "shift_c2d": "Mean change of score, caption given Z of a description",
        "shift_d2c": "Mean change of score, description given Z of a caption",
        "preference": "Preference accuracy of the model (%)",
    }
    for norm in norms:
        for route in MEASURED:
            titles[f"r_{norm}_{route}"] = f"Correlation with {norm}, attributions {route}"
    if TUNED in frame:
        titles |= {
            TUNED: "Trained: preference accuracy (%)",
            "tuned_iia_c2d": "Trained: IIA, caption given Z of a description (%)",
            "tuned_iia_d2c": "Trained: IIA, description given Z of a caption (%)",
            "tuned_transfer_drop": "Trained: zero-shot accuracy lost against the base (%)",
            "tuned_retrieval_drop": "Trained: retrieval lost against the base (%)",
        }
        for norm in norms:
            titles[f"tuned_r_{norm}_through"] = f"Trained: correlation with {norm}, attributions through"
    return titles


def heatmaps(frame: pd.DataFrame, folder: Path, norms: Sequence[str]) -> list[Path]:
    """A picture layer x size for each measure, the mean over seeds; returns the files."""
    out = []
    for measure, title in heatmap_titles(frame, norms).items():
        path = folder / f"heatmap-{measure.replace('_', '-')}.png"
        write_atomic(path, heatmap(frame, measure, title).png())
        out.append(path)
    return out


@dataclass(frozen=True, eq=False)
class Grid:
    """A measure by layer and size, the mean over seeds, as a heatmap shows it.

    Attributes:
        values: shape (sizes, layers), in percent where the measure is a share; NaN where there is no cell.
        colours: name of the colour map, from `bounds[0]` to `bounds[1]`.
        form: how a value is written.
    """

    layers: list[int]
    sizes: list[int]
    values: np.ndarray
    colours: str
    bounds: tuple[float, float]
    form: str

    def text(self, i: int, j: int) -> str:
        return written(self.values[i, j], self.form)

    def in_words(self) -> str:
        """The range of the values, and where its ends are."""
        if np.isnan(self.values).all():
            return "No cell has a value."
        ends = []
        for name, find in (("lowest", np.nanargmin), ("highest", np.nanargmax)):
            i, j = np.unravel_index(find(self.values), self.values.shape)
            ends.append(f"{name} {self.text(int(i), int(j))} at layer {self.layers[j]}, size {self.sizes[i]}")
        return f"{ends[0].capitalize()}; {ends[1]}."


def grid(frame: pd.DataFrame, measure: str) -> Grid:
    """What the heatmap of a measure shows."""
    pivot = frame.pivot_table(index="size", columns="layer", values=measure, aggfunc="mean", dropna=False)
    values = pivot.to_numpy(dtype=float)
    correlation = measure.removeprefix("tuned_").startswith("r_")
    share, lost = not correlation and "shift" not in measure, measure.endswith("_drop")
    values = 100 * values if share else values
    least = 5.0 if lost else 1e-6  # a loss of less than five points shall look small
    reach = 1.0 if correlation else max(least, np.nanmax(np.abs(values), initial=0.0))
    colours, bounds = (
        ("cividis", (0.0, 100.0)) if share and not lost else ("RdBu_r" if lost else "RdBu", (-reach, reach))
    )
    form = "+.1f" if lost else ".0f" if share else "+.2f"
    return Grid([int(n) for n in pivot.columns], [int(n) for n in pivot.index], values, colours, bounds, form)


def heatmap(frame: pd.DataFrame, measure: str, title: str) -> Picture:
    """A measure by layer and size, the mean over seeds; the cell that validation chooses is outlined."""
    from interp.show.pictures import Picture

    shown = grid(frame, measure)
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
    """The cells of a grid, the chosen one outlined.

    Args:
        write: what stands in the cell of a size and layer, by their numbers; nothing, if it is None.
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
