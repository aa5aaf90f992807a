"""Picture of the preference of a sweep's trained models against lost abilities and seconds of training."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from interp.measures import EDIT, TRAINED, Key
from interp.report.sweep_run import SweepRun
from interp.runs.place import Place
from interp.stats import pareto_front

LEFT, TOP, WIDTH, HEIGHT, GAP = 46, 34, 230, 200, 30  # lengths of a panel, in units of the picture
_MARGIN = 0.06  # margin at the ends of a scale, relative to its length
_SECONDS = "seconds of training"
_ROUND_SECONDS = [digit * 10**power for power in range(-2, 6) for digit in (1, 3)]
Shape = Literal["base", "edit", "trained"]


@dataclass(frozen=True)
class Model:
    """Model of a sweep: preference accuracy, and its cost.

    Attributes:
        shape: shape of its mark.
        name: name of the model in words.
        cell: layer and size, as "layer/size"; empty for the base.
        preference, low, high: preference accuracy with its interval, in %.
        retrieval, transfer: loss against the base, in points.
        seconds: duration of the training, 0 for the base.
        chosen: True for the model of the chosen cell.
    """

    shape: Shape
    name: str
    cell: str
    preference: float
    low: float
    high: float
    retrieval: float = 0.0
    transfer: float = 0.0
    seconds: float = 0.0
    chosen: bool = False


@dataclass(frozen=True)
class _Mark:
    """Mark of a model in a panel.

    Attributes:
        shape: shape of the mark.
        cell: layer and size of the model, as "layer/size"; empty for the base.
        description: model and its numbers, in words.
        x, y: position.
        low, high: ends of the interval; None if they are not drawn.
        front: True if the model is on the Pareto front of the panel.
    """

    shape: Shape
    cell: str
    description: str
    x: float
    y: float
    low: float | None
    high: float | None
    front: bool


@dataclass(frozen=True)
class _Panel:
    """Panel of the picture: preference against one cost.

    Attributes:
        title: title of the cost.
        left: horizontal position of the panel.
        ticks: each label with its x.
        marks: marks of the models.
    """

    title: str
    left: int
    ticks: Sequence[tuple[str, float]]
    marks: Sequence[_Mark]


@dataclass(frozen=True)
class _Tradeoff:
    """Content of the picture.

    Attributes:
        finding: finding of the picture, in a sentence.
        width, height: size of the picture.
        panel: width of a panel.
        legend: each symbol with its label and its x.
        levels: each label of the shared scale of preference with its y.
        panels: panels of the picture.
    """

    finding: str
    width: int
    panel: int
    height: int
    legend: Sequence[tuple[Shape, str, int]]
    levels: Sequence[tuple[str, float]]
    panels: Sequence[_Panel]


def models(sweep: SweepRun) -> list[Model]:
    """Return the base, the edited models and the trained models of a sweep."""
    frozen = sweep.best_numbers[Key("preference")]
    out = [Model("base", "base", "", 100 * frozen.value, 100 * frozen.low, 100 * frozen.high)]
    for objective, cells in sweep.trained.items():
        shape: Shape = "edit" if objective == EDIT else "trained"
        for place, cell in cells.items():
            measures = cell["measures"]
            value, low, high = (100 * _number(measures, f"preference{end}") for end in ("", "_low", "_high"))
            retrieval, transfer = (100 * _number(measures, name) for name in ("retrieval_drop", "transfer_drop"))
            is_chosen = objective == sweep.objective and Place.of(sweep.best) == place
            name = f"{TRAINED[objective]} at layer {place.layer}, size {place.size}, seed {place.seed}"
            seconds, at = _number(measures, "seconds"), f"{place.layer}/{place.size}"
            out.append(Model(shape, name, at, value, low, high, retrieval, transfer, seconds, is_chosen))
    return out


def tradeoff(sweep: SweepRun) -> _Tradeoff:
    """Return the picture of a sweep that trains models."""
    every = [model for model in models(sweep) if math.isfinite(model.preference)]
    ends = [end for model in every if model.chosen or model.shape == "base" for end in (model.low, model.high)]
    bounds = _bounds([model.preference for model in every] + [end for end in ends if math.isfinite(end)])

    def y(value: float) -> float:
        return TOP + HEIGHT * (bounds[1] - value) / (bounds[1] - bounds[0])

    trained = [model for model in every if model.seconds > 0]
    panels = [
        _panel(0, "retrieval lost, points", every, [model.retrieval for model in every], y),
        _panel(1, "zero-shot accuracy lost, points", every, [model.transfer for model in every], y),
        _panel(2, _SECONDS, trained, [math.log10(model.seconds) for model in trained], y),
    ]
    levels = [(f"{value:.0f}", y(value)) for value in _ticks(*bounds)]
    width = LEFT + len(panels) * (WIDTH + GAP)
    return _Tradeoff(_finding(sweep, every), width, WIDTH, TOP + HEIGHT + 46, _legend(sweep), levels, panels)


def _panel(
    number: int, title: str, models: Sequence[Model], costs: Sequence[float], y: Callable[[float], float]
) -> _Panel:
    """Return a panel of the picture; seconds are passed as logarithms."""
    left, (low, high) = LEFT + number * (WIDTH + GAP), _bounds(costs or [0.0])

    def x(cost: float) -> float:
        return left + WIDTH * (cost - low) / (high - low)

    on_front = pareto_front(costs, [model.preference for model in models])
    marks = [_mark(model, x(cost), y, here) for model, cost, here in zip(models, costs, on_front, strict=True)]
    if title == _SECONDS:
        ticks = [(f"{value:g}", x(math.log10(value))) for value in _ROUND_SECONDS if low <= math.log10(value) <= high]
    else:
        ticks = [(f"{value:.3g}", x(value)) for value in _ticks(low, high)]
    return _Panel(title, left, ticks, marks)


def _legend(sweep: SweepRun) -> list[tuple[Shape, str, int]]:
    labels: list[tuple[Shape, str, int]] = [("base", "base", 130)]
    for number, objective in enumerate(sweep.trained):
        shape: Shape = "edit" if objective == EDIT else "trained"
        labels.append((shape, TRAINED[objective], 200 + 90 * number))
    return labels


def _finding(sweep: SweepRun, every: Sequence[Model]) -> str:
    """Return a sentence on the models that lie on the Pareto front of preference and lost retrieval."""
    trained = [model for model in every if model.shape != "base"]
    on_front = pareto_front([model.retrieval for model in trained], [model.preference for model in trained])
    there = [model for model, here in zip(trained, on_front, strict=True) if here]
    edits, others = (sum(model.shape == shape for model in there) for shape in ("edit", "trained"))
    counts = [f"{edits} of {sum(model.shape == 'edit' for model in trained)} edits"]
    if sweep.objective != EDIT:
        count = sum(model.shape == "trained" for model in trained)
        counts.append(f"{others} of {count} models trained by {TRAINED[sweep.objective]}")
    return (
        f"{' and '.join(counts)} are on the Pareto front of preference and lost retrieval: no other model prefers "
        f"{sweep.contrast.positive} as often and loses as little retrieval"
    )


def _mark(model: Model, x: float, y: Callable[[float], float], here: bool) -> _Mark:
    drawn = (model.chosen or model.shape == "base") and math.isfinite(model.low)
    low, high = (y(model.low), y(model.high)) if drawn else (None, None)
    description = (
        f"{model.name}: preference {model.preference:.1f} %, retrieval lost {model.retrieval:.1f}, zero-shot lost "
        f"{model.transfer:.1f} points" + (f", {model.seconds:.1f} s" if model.seconds else "")
    )
    return _Mark(model.shape, model.cell, description, x, y(model.preference), low, high, here)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = _MARGIN * (high - low) or 0.5
    return low - margin, high + margin


def _ticks(low: float, high: float) -> list[float]:
    """Return round numbers within a scale, three to eight of them."""
    step = 10 ** math.floor(math.log10(high - low))
    step = next(step * part for part in (1, 0.5, 0.2) if (high - low) / (step * part) >= 3)
    first = math.ceil(low / step)
    return [number * step for number in range(first, math.floor(high / step) + 1)]


def _number(measures: Mapping[str, float | None], name: str) -> float:
    value = measures.get(name)
    return math.nan if value is None else float(value)
