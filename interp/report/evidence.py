"""The chosen cell beside its controls, and the heatmaps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from interp.attribution.result import MEASURED
from interp.report.naming import CHOSEN, percent, place, scroll
from interp.results.heatmaps import Grid, grid
from interp.results.sweep_run import SweepRun
from interp.show.colours import as_hex, ink_on
from interp.show.markup import escape, signed, table

if TYPE_CHECKING:
    import pandas as pd

SUBSPACES = {
    "": "found by the search", "_pca": "principal components", "_means": "difference in means",
    "_random": "random, mean of three", "_whole": "the whole stream", "_size0": "nothing",
}  # fmt: skip


def evidence(sweep: SweepRun) -> str:
    best = sweep.best
    rows = []
    for suffix, name in SUBSPACES.items():
        rows.append([name, *(percent(best, f"iia{suffix}{end}") for end in ("", "_c2d", "_d2c"))])
    head = ["subspace", "both directions", "caption given Z of a description", "description given Z of a caption"]
    shifts = " and ".join(
        f"{signed(best[f'shift_{short}'])} ({text})"
        for short, text in (("c2d", "a caption given Z of a description"), ("d2c", "the reverse"))
    )
    norms = "".join(_norm_sentence(sweep, norm) for norm in sweep.norms)
    numbers = scroll(
        table(head, rows, caption="IIA (%) [95 % interval]", attributes=' class="wrap"'),
        "IIA of the chosen cell and its controls",
    )
    return (
        f"<p>{escape(place(sweep.best)).capitalize()}. The score moves by {shifts} on average.{norms}</p>"
        f'<div class="evidence">{_dots(best)}{numbers}</div>'
        '<p class="soft">Components, means and random subspaces have the same size; all are at the same site and are '
        "measured on the same pairs. An intervention that changes nothing ties, which counts one half. The direction "
        "from caption to description is the hard one: nearly any damage lowers a description's score.</p>"
    )


def _norm_sentence(sweep: SweepRun, norm: str) -> str:
    row = sweep.best
    measures = (replace(sweep.schema[f"r_{norm}_{route}"], ends=True) for route in MEASURED)
    parts = ", ".join(f"{route} {one.text(row)}" for route, one in zip(MEASURED, measures, strict=True))
    return f" Attributions correlate with {escape(norm)} over {int(row[f'n_{norm}'])} word types: {escape(parts)}."


def _dots(row: pd.Series) -> str:
    """IIA of the subspace and its controls as a picture; the table beside it holds the same numbers."""
    left, width, step, top = 215, 250, 26, 34
    height = top + step * len(SUBSPACES) + 22

    def x(share: float) -> float:
        return left + width * share

    parts = [
        f'<line x1="{x(share):.0f}" x2="{x(share):.0f}" y1="{top - 12}" y2="{height - 20}" stroke="currentColor" '
        f'stroke-opacity="{0.5 if share == 0.5 else 0.2}"/>'
        f'<text x="{x(share):.0f}" y="{height - 5}" text-anchor="middle">{100 * share:.0f} %</text>'
        for share in (0.0, 0.5, 1.0)
    ]
    parts.append(
        f'<circle cx="{left}" cy="10" r="5" fill="currentColor"/>'
        f'<text x="{left + 10}" y="14">caption to description</text>'
        f'<rect x="{left + 146}" y="5.5" width="9" height="9" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        f'<text x="{left + 160}" y="14">the reverse</text>'
    )
    for number, (suffix, name) in enumerate(SUBSPACES.items()):
        y = top + step * number + 6
        parts.append(f'<text x="{left - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        for end, shift in (("_d2c", 4), ("_c2d", -4)):
            value, low, high = (row.get(f"iia{suffix}{end}{part}", np.nan) for part in ("", "_low", "_high"))
            if not np.isnan(low):
                parts.append(
                    f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y + shift}" y2="{y + shift}" '
                    'stroke="currentColor" stroke-width="1.5"/>'
                )
            if np.isnan(value):
                continue
            parts.append(
                f'<circle cx="{x(value):.1f}" cy="{y + shift}" r="5" fill="currentColor"/>' if end == "_c2d" else
                f'<rect x="{x(value) - 4.5:.1f}" y="{y + shift - 4.5}" width="9" height="9" fill="none" '
                'stroke="currentColor" stroke-width="1.5"/>'
            )  # fmt: skip
    said = f"IIA of the chosen subspace, {percent(row, 'iia_c2d')} from caption to description, beside its controls"
    return (
        f'<svg viewBox="0 0 {left + width + 20} {height}" width="{left + width + 20}" role="img" font-size="12" '
        f'fill="currentColor" aria-label="{escape(said)}">{"".join(parts)}</svg>'
    )


def heatmaps(sweep: SweepRun) -> str:
    tables = [
        scroll(_heatmap(grid(sweep.frame, measure), sweep.best, measure.full_title), f"Heatmap: {measure.full_title}")
        for measure in sweep.schema.shown("heatmap")
        if measure.key in sweep.frame and not sweep.frame[measure.key].isna().all()
    ]
    return (
        "<p>Sizes of the subspace downwards, layers to the right (the authors count blocks from 0: block = layer "
        "− 1); means over seeds. The outlined cell is the one that validation chooses.</p>"
        f'<div class="grid">{"".join(tables)}</div>'
    )


def _heatmap(shown: Grid, best: pd.Series, title: str) -> str:
    from matplotlib import colormaps
    from matplotlib.colors import Normalize

    scale, colours = Normalize(*shown.bounds), colormaps[shown.colours]
    rows = []
    for i, size in reversed(list(enumerate(shown.sizes))):
        cells = []
        for j, layer in enumerate(shown.layers):
            if np.isnan(shown.values[i, j]):
                cells.append("<td>-</td>")
                continue
            colour = colours(scale(shown.values[i, j]))
            best_here = size == best["size"] and layer == best["layer"]
            chosen, said = (' class="chosen"', CHOSEN) if best_here else ("", "")
            style = f"background:{as_hex(colour)};color:{ink_on(colour)}"
            cells.append(f'<td{chosen} style="{style}">{escape(shown.text(i, j))}{said}</td>')
        rows.append(f'<tr><th scope="row">{size}</th>{"".join(cells)}</tr>')
    head = "".join(f'<th scope="col">{layer}</th>' for layer in shown.layers)
    return (
        f'<table class="heat"><caption>{escape(title)}</caption>'
        f'<thead><tr><th scope="col">size \\ layer</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
