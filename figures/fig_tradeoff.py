"""`fig_tradeoff`: preference of each model against lost abilities and training time, with the Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes

from figures.runs import MissingRun, Runs
from figures.style import FONT, GREY, PAGE, SIZE, legend_below, look, picture
from interp.drawing.markup import MINUS
from interp.drawing.pictures import Picture, at, told_apart, width_of
from interp.stats import Estimate, pareto_front
from training.evaluation.compare import lost, preferred
from training.evaluation.grouping import base_among

LEFT, GAP, TOP, TALL, FOOT, RIGHT = 30.0, 16.0, 14.0, 150.0, 26.0, 8.0  # points
_LEGEND_LINE, _HANDLE, NAME = 11.0, 24.0, 190.0  # legend: a line, a handle with the space after it, a label
_LEAST_SECONDS = 0.05  # smallest value in the figure; run folders keep tenths of a second
_COSTS = {
    "retrieval": "retrieval lost (points)",
    "transfer": "zero-shot accuracy lost (points)",
    "seconds": "seconds of training",
}


@dataclass(frozen=True)
class _Model:
    """Seeds of a model: mean preference in %, with the mean interval, and the costs of each seed."""

    preference: Estimate
    costs: Mapping[str, Sequence[float]]

    def cost(self, name: str) -> float:
        """Return the mean over seeds; NaN if the cost is missing."""
        return fmean(self.costs[name]) if self.costs[name] else math.nan


def draw(runs: Runs) -> Picture:
    """Draw points with 95 % intervals of the preference, ranges of the cost over seeds, and a line along the front.

    The interval of several seeds is the mean of their intervals. Since the seeds share the pairs, the interval is no
    narrower than the interval of the mean.

    Raises:
        MissingRun: the base or all other models were not evaluated for preference and abilities.
    """
    models = _models(runs)
    if len(models) < 2:
        raise MissingRun(
            "needs the base and trained models, evaluated with the tasks preference and transfer: "
            "python -m training.paper, or python -m training.evaluate"
        )
    labels = told_apart(list(models), NAME, SIZE, FONT)
    across = int(72 * PAGE // (max(width_of(label, SIZE, FONT) for label in labels.values()) + _HANDLE))
    width = (72 * PAGE - LEFT - 2 * GAP - RIGHT) / 3
    figure = picture((TOP + TALL + FOOT + _LEGEND_LINE * -(-(len(models) + 1) // across) + 6) / 72)
    first: Axes | None = None
    for number, (cost, title) in enumerate(_COSTS.items()):
        axes = at(figure, LEFT + number * (width + GAP), TOP, width, TALL, sharey=first)
        _panel(axes, models, labels, cost)
        axes.set_xlabel(title)
        if first is None:
            first = axes
            axes.set_title("preference (%)", loc="left")
        else:
            axes.tick_params(labelleft=False)
    assert first is not None
    legend_below(figure, first.lines, across)
    figure.alt = _alt(models)
    return figure


def _models(runs: Runs) -> dict[str, _Model]:
    """Return the models with preference and abilities, the base first."""
    by_label = runs.models
    base = base_among([member for members in by_label.values() for member in members])
    seconds = {(tuning.about["group"], tuning.about["seed"]): tuning.seconds for tuning in runs.tunings}
    out = {}
    for label, members in by_label.items():
        numbers = [preferred(member) for member in members if not member.given]
        costs = {name: [100 * lost(base, member, name) for member in members] for name in ("retrieval", "transfer")}
        needed = [number.value for number in numbers] + costs["retrieval"] + costs["transfer"]
        if not numbers or any(map(math.isnan, needed)):
            continue
        times = [seconds.get((member.about["group"], member.about["seed"]), math.nan) for member in members]
        costs["seconds"] = [] if any(map(math.isnan, times)) else [max(time, _LEAST_SECONDS) for time in times]
        value, low, high = (100 * fmean(getattr(number, end) for number in numbers) for end in ("value", "low", "high"))
        out[label] = _Model(Estimate(value, numbers[0].n, low, high), costs)
    return out


def _panel(axes: Axes, models: Mapping[str, _Model], labels: Mapping[str, str], cost: str) -> None:
    """Draw all models that have a cost."""
    axes.grid(linewidth=0.4, color="0.88")
    if not any(model.costs[cost] for model in models.values()):
        axes.text(0.5, 0.5, "no run has this cost", transform=axes.transAxes, ha="center")
        axes.set(xticks=[])
        return
    if cost == "seconds":
        _log_scale(axes, [value for model in models.values() for value in model.costs[cost]])
    front = sorted((models[label].cost(cost), models[label].preference.value) for label in _front(models, cost))
    axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, zorder=1, label="Pareto front")
    for i, (label, model) in enumerate(models.items()):
        if not model.costs[cost]:
            continue
        x, y, style = model.cost(cost), model.preference, look(i) | {"linestyle": "none"}
        ranges = [[max(0.0, x - min(model.costs[cost]))], [max(0.0, max(model.costs[cost]) - x)]]
        ends = None if math.isnan(y.low) else [[y.value - y.low], [y.high - y.value]]
        axes.errorbar([x], [y.value], ends, ranges, fmt="none", ecolor=style["color"], elinewidth=0.6, zorder=2)
        axes.plot([x], [y.value], label=labels[label], zorder=3, **style)


def _log_scale(axes: Axes, values: Sequence[float]) -> None:
    """Give the x axis a logarithmic scale with round ticks in the range of the values."""
    low, high = min(values) / 1.5, max(values) * 1.5
    axes.set(xscale="log", xlim=(low, high))
    rounds = [digit * 10.0**power for power in range(-2, 7) for digit in (1, 2, 5)]
    ticks = [value for value in rounds if low <= value <= high]
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks], minor=False)
    axes.minorticks_off()


def _front(models: Mapping[str, _Model], cost: str) -> list[str]:
    """Return the models on the Pareto front of a panel."""
    labels = [label for label, model in models.items() if model.costs[cost]]
    here = pareto_front(
        [models[label].cost(cost) for label in labels], [models[label].preference.value for label in labels]
    )
    return [label for label, on_front in zip(labels, here, strict=True) if on_front]


def _alt(models: Mapping[str, _Model]) -> str:
    """Return a description of the front, and all numbers."""
    each = "; ".join(
        f"{label}: {model.preference.value:.1f} %, {_points(model.cost('retrieval'))}, "
        f"{_points(model.cost('transfer'))}" + (f", {model.cost('seconds'):.1f} s" if model.costs["seconds"] else "")
        for label, model in models.items()
    )
    top = max(models, key=lambda label: models[label].preference.value)
    return (
        f"{top} has the highest preference, {models[top].preference.value:.1f} %, and loses "
        f"{_points(models[top].cost('retrieval'))} points of retrieval. Preference of each model against "
        "retrieval lost, zero-shot accuracy lost and seconds of training. Points further up and further left are "
        "better. Vertical lines are 95 % intervals, and horizontal lines are ranges over seeds. "
        f"Pareto front of preference and retrieval lost: {'; '.join(_front(models, 'retrieval'))}. "
        f"Preference, points of retrieval and of zero-shot accuracy lost, seconds: {each}."
    )


def _points(value: float) -> str:
    return f"{value:.1f}".replace("-", MINUS)
