"""What is left of a sweep when it ends: a table in the terminal, results.csv and .parquet, and heatmaps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from interp.cli import aligned
from interp.store import RunFolder, StoreError, table, write_atomic, write_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.patches import Rectangle

INDEX = ["layer", "size", "seed"]
TUNED = "tuned_preference"  # a measure that only fine-tuned cells have


def finish(folder: RunFolder, norms: Sequence[str]) -> None:
    """Write tables and heatmaps of all cells of a run, print the table, and name the files to look at."""
    frame = results(folder)
    write_table(frame, folder.path, "results")
    pictures = heatmaps(frame, folder.path, norms)
    print(terminal_table(frame, norms))
    if TUNED in frame:
        print(f"\n{tuned_table(frame, norms)}")
    print(f"\nlook at  {pictures[0]}  and the other {len(pictures) - 1} heatmaps beside it")
    print(f"         {folder.path / 'results.csv'}  (or .parquet): every measure, with intervals")
    print(f"         {folder.path / 'cells'}  each cell, with the attribution of every word type")


def results(folder: RunFolder) -> pd.DataFrame:
    """One row for each cell, from the cells' files alone; times are left out, so that equal runs give equal tables."""
    rows = []
    for name in folder.names():
        cell = folder.read(name)
        if cell is None:
            raise StoreError(f"the cell {name} in '{folder.path}' is damaged; run the sweep that made it again")
        measures = {measure: value for measure, value in cell["measures"].items() if measure != "seconds"}
        # Undefined values are null in the file and NaN in the table.
        rows.append(cell["cell"] | {key: np.nan if value is None else value for key, value in measures.items()})
    return table(rows, by=INDEX)


def best_cell(frame: pd.DataFrame) -> pd.Series:
    """The cell with the highest IIA on `val`; of equal ones the smallest subspace, then the earliest layer."""
    return frame.sort_values(["iia_val", "size", "layer", "seed"], ascending=[False, True, True, True]).iloc[0]


def terminal_table(frame: pd.DataFrame, norms: Sequence[str]) -> str:
    """Plain text, a line for each cell; the cell that `val` would choose is marked."""
    best = best_cell(frame)
    above = [""] * 14 + [title for norm in norms for title in (norm, "", "")]
    head = [
        "",
        "layer",
        "block",
        "size",
        "seed",
        "IIA",
        "c>d",
        "d>c",
        "pca",
        "means",
        "random",
        "shift c>d",
        "d>c",
        "pref",
    ]
    head += ["through", "around", "full"] * len(norms)
    body = []
    for _, row in frame.iterrows():
        chosen = all(row[name] == best[name] for name in INDEX)
        line = ["*" if chosen else "", *(str(int(row[name])) for name in ("layer", "block", "size", "seed"))]
        line += [f"{100 * row[f'iia{name}']:.1f}" for name in ("", "_c2d", "_d2c", "_pca", "_means", "_random")]
        line += [f"{row[f'shift_{name}']:+.3f}" for name in ("c2d", "d2c")]
        line.append(f"{100 * row['preference']:.1f}")
        for norm in norms:
            for route in ("through", "around", "full"):
                stem = f"r_{norm}_{route}"
                r, low, high = row[stem], row[f"{stem}_low"], row[f"{stem}_high"]
                line.append(f"{r:+.2f} [{low:+.2f} {high:+.2f}]" if route == "through" else f"{r:+.2f}")
        body.append(line)
    counts = ", ".join(f"n = {int(frame[f'n_{norm}'].max())} word types for {norm}" for norm in norms)
    legend = (
        "IIA, baselines, preference in % on held-out pairs; c>d: captions given Z of a description, d>c: the reverse.\n"
        "shift: by how much the intervention moves the score (a cosine) on average.\n"
        f"Then correlation of word attributions with norms by route, [95 % interval]; {counts}.\n"
        f"* chosen on val: layer {int(best['layer'])}, size {int(best['size'])}: IIA {100 * best['iia']:.1f} % "
        f"[{100 * best['iia_low']:.1f} {100 * best['iia_high']:.1f}], "
        f"random subspace {100 * best['iia_random']:.1f} %, whole stream {100 * best['iia_whole']:.1f} %, "
        f"nothing {100 * best['iia_size0']:.1f} %."
    )
    return "\n".join([*aligned([above, head, *body]), "", legend])


def tuned_table(frame: pd.DataFrame, norms: Sequence[str]) -> str:
    """What the models that were fine-tuned at each cell do; of the trained alignment, not of a search."""
    lowest = frame["tuned_val_loss"].min()
    above = [""] * 12 + [name for norm in norms for name in (norm, "")]
    head = [
        "",
        "layer",
        "block",
        "size",
        "seed",
        "pref",
        "IIA c>d",
        "IIA d>c",
        "shift c>d",
        "d>c",
        "transfer",
        "retrieval",
    ]
    head += ["through", "full"] * len(norms)
    body = []
    for _, row in frame.iterrows():
        line = ["*" if row["tuned_val_loss"] == lowest else ""]
        line += [str(int(row[name])) for name in ("layer", "block", "size", "seed")]
        line += [f"{100 * row[f'tuned_{name}']:.1f}" for name in ("preference", "iia_c2d", "iia_d2c")]
        line += [f"{row[f'tuned_shift_{name}']:+.3f}" for name in ("c2d", "d2c")]
        line += [f"{-100 * row[f'tuned_{name}_drop']:+.1f}" for name in ("transfer", "retrieval")]
        for norm in norms:
            stem = f"tuned_r_{norm}_through"
            line.append(f"{row[stem]:+.2f} [{row[f'{stem}_low']:+.2f} {row[f'{stem}_high']:+.2f}]")
            line.append(f"{row[f'tuned_r_{norm}_full']:+.2f}")
        body.append(line)
    legend = (
        "Trained: a model fine-tuned by IIT-DAS (LoRA) at each cell, with the alignment trained in it; test pairs.\n"
        "transfer, retrieval: change of zero-shot accuracy and of retrieval against the base, in points.\n"
        "* lowest loss on val."
    )
    return "\n".join([*aligned([above, head, *body]), "", legend])


def heatmaps(frame: pd.DataFrame, folder: Path, norms: Sequence[str]) -> list[Path]:
    """A picture layer x size for each measure, the mean over seeds; returns the files."""
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
        for route in ("through", "around", "full"):
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
    out = []
    for measure, title in titles.items():
        path = folder / f"heatmap-{measure.replace('_', '-')}.png"
        write_atomic(path, _heatmap(frame, measure, title))
        out.append(path)
    return out


def _heatmap(frame: pd.DataFrame, measure: str, title: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grid = frame.pivot_table(index="size", columns="layer", values=measure, aggfunc="mean", dropna=False)
    values = grid.to_numpy(dtype=float)
    correlation = measure.removeprefix("tuned_").startswith("r_")
    share = not correlation and "shift" not in measure
    lost = measure.endswith("_drop")
    figure = Figure(
        figsize=(max(5.5, 1.6 + 0.62 * values.shape[1]), max(2.6, 1.5 + 0.45 * values.shape[0])), layout="constrained"
    )
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    shown = 100 * values if share else values
    least = 5.0 if lost else 1e-6  # a loss of less than five points shall look small
    reach = 1.0 if correlation else max(least, np.nanmax(np.abs(shown), initial=0.0))
    colours, bounds = ("cividis", (0, 100)) if share and not lost else ("RdBu_r" if lost else "RdBu", (-reach, reach))
    picture = axes.imshow(shown, cmap=colours, vmin=bounds[0], vmax=bounds[1], aspect="auto", origin="lower")
    best = best_cell(frame)
    for i, size in enumerate(grid.index):
        for j, layer in enumerate(grid.columns):
            value = shown[i, j]
            form = "+.1f" if lost else ".0f" if share else "+.2f"
            text = "-" if np.isnan(value) else f"{value:{form}}"
            red, green, blue, _ = picture.cmap(picture.norm(value))
            dark = 0.3 * red + 0.59 * green + 0.11 * blue < 0.5
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color="white" if dark else "black")
            if size == best["size"] and layer == best["layer"]:
                box = (j - 0.5, i - 0.5)
                axes.add_patch(_outline(box))
    axes.set(
        xticks=range(len(grid.columns)), xticklabels=grid.columns, yticks=range(len(grid.index)), yticklabels=grid.index
    )
    axes.set(xlabel="layer (block = layer - 1)", ylabel="size of the subspace")
    axes.set_title(title, fontsize=9, loc="left")
    figure.colorbar(picture, ax=axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=150, metadata={"Title": title})
    return buffer.getvalue()


def _outline(corner: tuple[float, float]) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2)
