"""`fig_training`: loss, preference and IIA on validation pairs during fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from figures.runs import MissingRun, Runs, Tuning
from figures.style import FONT, PAGE, SIZE, legend_below, look, picture
from interp.data.contrast import DIRECTIONS
from interp.drawing.markup import plural
from interp.drawing.pictures import Picture, at, told_apart, width_of
from training.evaluation.grouping import groups_of

LEFT, GAP, TOP, TALL, FOOT = 30.0, 34.0, 14.0, 96.0, 26.0  # points
RIGHT = 14.0  # points for half of the last tick label of an axis
_LEGEND_LINE, _HANDLE, NAME = 11.0, 36.0, 130.0  # legend: a line, a handle with the space after it, a label
_FILLS: tuple[dict[str, Any], ...] = ({}, {"markerfacecolor": "white"})  # fills of the marks of each direction
_DECADES = (
    300.0  # minimum ratio of losses for a logarithmic axis; with a lower ratio, the axis would have a single label
)


def draw(runs: Runs) -> Picture:
    """Draw means over seeds, up to the last step of all seeds, with the range over seeds.

    Raises:
        MissingRun: the runs have no fine-tuned run, or different kinds of text.
    """
    if not runs.tunings:
        raise MissingRun("needs fine-tuned runs: python -m training.finetune, or python -m training.paper")
    models, contrast = groups_of(runs.tunings), runs.tunings[0].contrast
    if any(tuning.contrast != contrast for tuning in runs.tunings):
        raise MissingRun("needs fine-tuned runs with the same two kinds of text")
    measures = {direction: f"iia_{contrast.short(direction)}" for direction in DIRECTIONS}
    labels = told_apart(list(models), NAME, SIZE, FONT)
    widest = max(width_of(label, SIZE, FONT) for label in (*labels.values(), "range over seeds"))
    across = int(72 * PAGE // (widest + _HANDLE))
    width = (72 * PAGE - LEFT - 2 * GAP - RIGHT) / 3
    figure = picture((TOP + TALL + FOOT + _LEGEND_LINE * -(-(len(models) + 3) // across) + 4) / 72)
    panels = []
    for j, title in enumerate(("own loss of each model, val", "preference, val (%)", "IIA, val (%)")):
        axes = at(figure, LEFT + j * (width + GAP), TOP, width, TALL)
        axes.set_title(title, loc="left")
        axes.set_xlabel("step")
        axes.grid(linewidth=0.4, color="0.88")
        panels.append(axes)
    for i, (name, members) in enumerate(models.items()):
        style, table = look(i), _aligned(members)
        _curve(panels[0], table, "val_loss", 1.0, labels[name], style)
        _curve(panels[1], table, "preference", 100.0, labels[name], style)
        for (direction, key), fill in zip(measures.items(), _FILLS, strict=True):
            if key in table:
                _curve(panels[2], table, key, 100.0, f"{labels[name]}, {contrast.arrow(direction)}", style | fill)
    losses = pd.concat([tuning.history["val_loss"] for tuning in runs.tunings])
    if losses.min() > 0 and losses.max() / losses.min() > _DECADES:
        panels[0].set_yscale("log")
        panels[0].minorticks_off()
        panels[0].yaxis.set_major_formatter("{x:g}")
    for axes in panels[1:]:
        axes.set_ylim(-3, 103)
    if not panels[2].lines:
        panels[2].text(0.5, 0.5, "no run has a subspace", transform=panels[2].transAxes, ha="center")
        panels[2].set(xticks=[], yticks=[])
    handles: list[Artist] = [*panels[0].lines]
    for direction, fill in zip(DIRECTIONS, _FILLS, strict=True):
        label = f"IIA {contrast.arrow(direction)}"
        handles += panels[2].plot([], [], color="black", marker="o", linestyle="", label=label, **fill)
    handles.append(Patch(color="0.8", label="range over seeds"))
    legend_below(figure, handles, across)
    values = "; ".join(_in_words(name, members) for name, members in models.items())
    kept = {name: 100 * _kept(members)["preference"] for name, members in models.items()}
    top = max(kept, key=lambda name: kept[name])
    figure.alt = (
        f"{top} has the highest preference at its kept weights, {kept[top]:.1f} %. Curves over optimizer steps on "
        "validation pairs: loss, preference accuracy, and interchange intervention accuracy in both directions. Lines "
        "are means over seeds, up to the last step of all seeds, in bands from the lowest to the highest seed. "
        f"Values at the start, and at the validations whose weights were kept: {values}."
    )
    return figure


def _in_words(name: str, members: Sequence[Tuning]) -> str:
    """Return the values of a model at the start, and at the validation whose weights were kept."""
    first = pd.DataFrame([member.history.iloc[0] for member in members]).mean()
    kept = _kept(members)
    return (
        f"{name}, {plural(len(members), 'seed')}: loss {first['val_loss']:.3g} and {kept['val_loss']:.3g}, preference "
        f"{100 * first['preference']:.1f} and {100 * kept['preference']:.1f} %"
    )


def _kept(members: Sequence[Tuning]) -> pd.Series:
    """Return the means over seeds at the validation whose weights were kept."""
    return pd.DataFrame([member.history.loc[member.history["val_loss"].idxmin()] for member in members]).mean()


def _aligned(members: Sequence[Tuning]) -> pd.DataFrame:
    """Return a table with steps as rows and (measure, seed) as columns.

    The table has the steps at which all seeds were validated, so each mean is over all seeds.
    """
    frames = {
        member.about["seed"]: member.history.set_index("step").drop(columns="train_loss", errors="ignore")
        for member in members
    }
    return pd.concat(frames, axis=1, join="inner").swaplevel(axis=1).sort_index()


def _curve(axes: Axes, table: pd.DataFrame, measure: str, factor: float, name: str, style: dict[str, Any]) -> None:
    values = factor * table[measure]
    steps = values.index.to_numpy()
    mean, low, high = values.mean(axis=1), values.min(axis=1), values.max(axis=1)
    every = max(1, int(np.ceil(len(steps) / 8)))
    axes.fill_between(steps, low, high, color=str(style["color"]), alpha=0.18, linewidth=0)
    axes.plot(steps, mean, label=name, markevery=every, **style)
