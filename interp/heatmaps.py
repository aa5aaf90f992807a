"""Heatmaps of a sweep: layer x size, one for each measure."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.colours import ink_on
from interp.results import TUNED, best_cell, written
from interp.store import write_atomic
from interp.words import MEASURED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.patches import Rectangle


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
        write_atomic(path, _heatmap(frame, measure, title))
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


def _heatmap(frame: pd.DataFrame, measure: str, title: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = grid(frame, measure)
    rows, columns = shown.values.shape
    figure = Figure(figsize=(max(5.5, 1.6 + 0.62 * columns), max(2.6, 1.5 + 0.45 * rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    low, high = shown.bounds
    picture = axes.imshow(shown.values, cmap=shown.colours, vmin=low, vmax=high, aspect="auto", origin="lower")
    best = best_cell(frame)
    for i, size in enumerate(shown.sizes):
        for j, layer in enumerate(shown.layers):
            ink = ink_on(tuple(picture.cmap(picture.norm(shown.values[i, j]))))
            axes.text(j, i, shown.text(i, j), ha="center", va="center", fontsize=8, color=ink)
            if size == best["size"] and layer == best["layer"]:
                box = (j - 0.5, i - 0.5)
                axes.add_patch(_outline(box))
    axes.set(xticks=range(columns), xticklabels=shown.layers, yticks=range(rows), yticklabels=shown.sizes)
    axes.set(xlabel="layer (block = layer - 1)", ylabel="size of the subspace")
    axes.set_title(title, fontsize=9, loc="left")
    figure.colorbar(picture, ax=axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Title": title})
    return buffer.getvalue()


def _outline(corner: tuple[float, float]) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2)
