"""`fig_dose`: preference, gap, retrieval and zero-shot accuracy as functions of the dose of Z."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from figures.runs import MissingRun, Runs
from figures.style import FONT, PAGE, SIZE, legend_below, look, picture
from interp.drawing.markup import MINUS
from interp.drawing.pictures import Picture, at, told_apart, width_of
from training.evaluation.doses import ALPHAS, curves_of
from training.evaluation.stored import Evaluation

LEFT, GAP, TOP, TALL, BETWEEN, FOOT = 30.0, 40.0, 14.0, 84.0, 32.0, 26.0  # points
_LEGEND_LINE, _HANDLE, NAME = 11.0, 36.0, 130.0  # legend: a line, a handle with the space after it, a label
_PANELS = {
    "preference": ("preference (%)", 100.0),
    "gap": ("gap of the scores", 1.0),
    "retrieval": ("retrieval among 64 (%)", 100.0),
    "accuracy": ("zero-shot accuracy (%)", 100.0),
}

_Curves = Mapping[str, np.ndarray]  # measure -> value, low and high at each alpha, shape (3, alphas)


def draw(runs: Runs) -> Picture:
    """Draw curves over alpha for all models with the task `dose`: means over seeds, in bands of 95 % intervals.

    The band of several seeds is the mean of their intervals. Since the seeds share the pairs, the band is no narrower
    than the interval of the mean.

    Raises:
        MissingRun: no evaluation has the task.
    """
    by_model = {label: curves for label, members in runs.models.items() if (curves := _means(members))}
    if not by_model:
        raise MissingRun(
            "needs the task dose of models with a rotation: python -m training.evaluate --model RUN --tasks dose"
        )
    labels = told_apart(list(by_model), NAME, SIZE, FONT)
    across = int(72 * PAGE // (max(width_of(label, SIZE, FONT) for label in labels.values()) + _HANDLE))
    width = (72 * PAGE - LEFT - GAP - 8) / 2
    figure = picture((TOP + 2 * TALL + BETWEEN + FOOT + _LEGEND_LINE * -(-len(by_model) // across) + 4) / 72)
    for number, (measure, (title, factor)) in enumerate(_PANELS.items()):
        row, column = divmod(number, 2)
        same = figure.axes[2] if number == 3 else None  # same scale as retrieval, for comparison
        axes = at(figure, LEFT + column * (width + GAP), TOP + row * (TALL + BETWEEN), width, TALL, sharey=same)
        axes.set_title(title, loc="left")
        axes.grid(linewidth=0.4, color="0.88")
        axes.axvline(0, color="0.4", linewidth=0.8, linestyle=":")
        for i, (label, curves) in enumerate(by_model.items()):
            value, low, high = factor * curves[measure]
            style = look(i)
            axes.fill_between(ALPHAS, low, high, color=str(style["color"]), alpha=0.18, linewidth=0)
            axes.plot(ALPHAS, value, label=labels[label], **style)
        if row:
            axes.set_xlabel(f"alpha ({MINUS}1 erases Z, 0 changes nothing)")
    legend_below(figure, figure.axes[0].lines[1:], across)
    figure.alt = _alt(by_model)
    return figure


def _means(members: Sequence[Evaluation]) -> _Curves:
    """Return means over the seeds with the task; an empty mapping without such seeds."""
    each = [curves for member in members if (curves := curves_of(member.numbers))]
    values = [
        {name: [[row.value, row.low, row.high] for row in curve] for name, curve in curves.items()} for curves in each
    ]
    return {name: np.mean([curves[name] for curves in values], axis=0).T for name in (values[0] if values else ())}


def _alt(by_model: Mapping[str, _Curves]) -> str:
    """Return a description of the curves, with their values at three doses."""
    shown = [ALPHAS.index(alpha) for alpha in (-1.0, 0.0, 1.0)]
    models = "; ".join(
        f"{label}: "
        + ", ".join(
            f"{title} {', '.join(_number(factor * curves[measure][0][i]) for i in shown)}"
            for measure, (title, factor) in _PANELS.items()
        )
        for label, curves in by_model.items()
    )
    steep = max(by_model, key=lambda label: abs(np.subtract(*by_model[label]["preference"][0][[shown[0], shown[2]]])))
    erased, doubled = (100 * by_model[steep]["preference"][0][i] for i in (shown[0], shown[2]))
    return (
        f"Preference changes most for {steep}: {_number(erased)} % with Z erased, {_number(doubled)} % with the "
        "deviation of Z doubled. Curves over alpha, in bands of 95 % intervals. The deviation of Z from the midpoint "
        "of the kinds of text is multiplied by 1 + alpha. A dotted line marks alpha = 0, the unchanged model. Values "
        f"at alpha = {MINUS}1, 0 and 1: {models}."
    )


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", MINUS)
