"""`fig_norms`: attributions of word types against norms, and their correlations by route and model."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from figures.fit import line
from figures.runs import MissingRun, Runs
from figures.style import FONT, GREY, PAGE, SIZE, picture
from interp.attribution.result import Route
from interp.cli import slug
from interp.drawing.colours import BLUE, GREEN, VERMILION
from interp.drawing.markup import MINUS
from interp.drawing.pictures import Picture, at, points, told_apart, width_of
from interp.measures import MEASURED, Key, without_model
from interp.report.sweep_run import SweepRun
from interp.runs.files import StoreError
from interp.runs.place import Place
from interp.runs.ratings import RATINGS
from interp.stats import Estimate
from training.evaluation.compare import words_correlation, words_of

ROUTES: Mapping[Route, str] = {"through": "through Z", "around": "around Z", "full": "full"}
_LOOKS: Mapping[Route, tuple[str, str]] = {"through": (VERMILION, "o"), "around": (BLUE, "s"), "full": (GREEN, "^")}
LEFT, GAP, TOP, HEAD, TALL, BETWEEN = 45.0, 10.0, 12.0, 22.0, 74.0, 28.0  # points
_ROW, FOOT, NAME = 10.5, 25.0, 130.0
_PREFERRED = ("IIT-DAS", "joint")  # labels of the first choices for the word types


Row = tuple[str, Route, dict[str, Estimate]]  # model, route, and the correlation with each norm


@dataclass(frozen=True, eq=False)
class Words:
    """Word types of one model.

    Attributes:
        label: name of the model.
        more: further remarks on the model.
        ratings: norm -> rating of each type.
        attributions: route -> attributions of the types, in the order of the ratings, for each seed.
        correlations: (norm, route) -> correlation.
    """

    label: str
    more: str
    ratings: dict[str, list[float]]
    attributions: Mapping[Route, list[list[float]]]
    correlations: Mapping[tuple[str, Route], Estimate]


def draw(runs: Runs) -> Picture:
    """Draw the word types of one model by norm and route, and the correlations of all models.

    Raises:
        MissingRun: no model with a subspace has attributions of words.
    """
    words = _shown_words(runs)
    norms, models = list(words.ratings), correlations(runs, list(words.ratings))
    labels = told_apart([model for model, _, _ in models], NAME, SIZE, FONT)
    names = [f"{labels[model]}: {ROUTES[route]}" for model, route, _ in models]
    panels = (72 * PAGE - LEFT - 2 * GAP - 4) / 3
    dots_top = TOP + len(norms) * (HEAD + TALL + BETWEEN)
    height = dots_top + 12 + _ROW * len(names) + FOOT
    figure = picture(height / 72)
    page = points(figure)
    page.text(0, 8, f"word types: {words.label}{words.more}", style="italic")
    for i, norm in enumerate(norms):
        row: list[Axes] = []
        for j, route in enumerate(MEASURED):
            left, top, same = (
                LEFT + j * (panels + GAP),
                TOP + HEAD + i * (HEAD + TALL + BETWEEN),
                row[0] if row else None,
            )
            axes = at(figure, left, top, panels, TALL, sharey=same)
            _points(axes, words, norm, route, first=j == 0)
            row.append(axes)
    label = max(width_of(name, SIZE, FONT) for name in names) + 8
    wide = (72 * PAGE - label - GAP * (len(norms) - 1) - 4) / len(norms)
    for i, norm in enumerate(norms):
        axes = at(figure, label + i * (wide + GAP), dots_top + 12, wide, _ROW * len(names))
        _dots(axes, norm, names, models, first=i == 0)
    figure.alt = _alt(words, models)
    return figure


def _shown_words(runs: Runs) -> Words:
    """Return words of a model fine-tuned with a subspace; else words of the sweep's chosen cell."""
    models = runs.models if runs.evaluations else {}
    rated = {label: [member for member in members if member.ratings] for label, members in models.items()}
    with_routes = {
        label: members
        for label, members in rated.items()
        if members and all(route in member.words for route in MEASURED for member in members)
    }
    for label in sorted(with_routes, key=lambda name: [not name.startswith(prefix) for prefix in _PREFERRED]):
        members = with_routes[label]
        norms = list(members[0].ratings)
        ratings: dict[str, list[float]] = {}
        attributions: dict[Route, list[list[float]]] = {}
        for norm in norms:
            for route in MEASURED:
                _, attributions[route], ratings[norm] = words_of(members, norm, route)
        seeds = f", means of {len(members)} seeds; r: mean over seeds" if len(members) > 1 else ""
        estimates = {(norm, route): words_correlation(members, norm, route) for norm in norms for route in MEASURED}
        return Words(label, seeds, ratings, attributions, estimates)
    if runs.sweeps:
        return _of_sweep(runs.sweep)
    raise MissingRun(
        "needs attributions by route: a sweep, or a model fine-tuned by IIT-DAS and evaluated with the task norms"
    )


def _of_sweep(sweep: SweepRun) -> Words:
    try:
        by_route, rated = sweep.words(Place.of(sweep.best)), sweep.ratings
    except StoreError as error:
        raise MissingRun(f"needs {RATINGS} and the words of a cell: {error}") from error
    words = list(by_route["full"])
    ratings = {norm: [table.get(word, math.nan) for word in words] for norm, table in rated.items()}
    layer, size, seed = Place.of(sweep.best)
    state = "fine-tuned at" if sweep.shows_tuned else "frozen,"
    numbers = without_model(sweep.best_numbers, "tuned" if sweep.shows_tuned else "")
    return Words(
        f"{slug(sweep.model_name)}, {state} layer {layer}, size {size}",
        f", seed {seed}",
        ratings,
        {route: [[by_route[route][word][0] for word in words]] for route in MEASURED},
        {(norm, route): numbers[Key("r", norm=norm, route=route)] for norm in rated for route in MEASURED},
    )


def correlations(runs: Runs, norms: Sequence[str]) -> list[Row]:
    """Return the correlations with norms, with intervals over word types, by model and route."""
    out = []
    for label, members in (runs.models if runs.evaluations else {}).items():
        for route in MEASURED:
            estimates = {norm: words_correlation(members, norm, route) for norm in norms}
            if any(not math.isnan(estimate.value) for estimate in estimates.values()):
                out.append((label, route, estimates))
    if runs.sweeps:
        words = _of_sweep(runs.sweep)
        out += [
            (words.label, route, {norm: words.correlations[norm, route] for norm in norms if norm in words.ratings})
            for route in MEASURED
        ]
    return out


def _points(axes: Axes, words: Words, norm: str, route: Route, *, first: bool) -> None:
    """Draw a point for each word type, the fit, and its interval."""
    x, each = np.array(words.ratings[norm]), words.attributions[route]
    y = np.mean(each, axis=0)
    colour, mark = _LOOKS[route]
    axes.axhline(0, color="0.6", linewidth=0.5)
    axes.plot(
        x, y, linestyle="", marker=mark, markersize=2.6, color=colour, markerfacecolor="none", markeredgewidth=0.6
    )
    if (fit := line(x, y)) is not None:
        axes.fill_between(fit.at, fit.low, fit.high, color=GREY, alpha=0.3, linewidth=0)
        axes.plot(fit.at, fit.fit, color="black")
    estimate = words.correlations[norm, route]
    axes.set_title(f"{ROUTES[route]}\n{_in_words(estimate)}, n = {estimate.n}", loc="left", linespacing=1.0)
    axes.set_xlabel(norm)
    if first:
        axes.set_ylabel("attribution")
        axes.locator_params(axis="y", nbins=4)
    axes.tick_params(labelleft=first)
    axes.locator_params(axis="x", nbins=4)


def _dots(axes: Axes, norm: str, names: Sequence[str], models: Sequence[Row], *, first: bool) -> None:
    axes.axvline(0, color="0.6", linewidth=0.5)
    for i, (model, route, estimates) in enumerate(models):
        colour, mark = _LOOKS[route]
        if i and model != models[i - 1][0]:
            axes.axhline(i - 0.5, color="0.85", linewidth=0.4)
        if norm in estimates and not math.isnan(estimates[norm].value):
            estimate = estimates[norm]
            axes.plot([estimate.low, estimate.high], [i, i], color=colour, linewidth=1.2)
            axes.plot([estimate.value], [i], marker=mark, color=colour, markersize=4)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-1, 1)
    axes.set_xticks([-0.5, 0, 0.5])
    axes.set_yticks(range(len(names)), names if first else [])
    axes.tick_params(axis="y", length=0)
    axes.set_title(norm, loc="left")
    if first:
        axes.set_xlabel("Pearson's r, 95 % interval over word types", loc="left")


def _in_words(estimate: Estimate) -> str:
    if math.isnan(estimate.value):
        return "r is not defined"
    interval = "" if math.isnan(estimate.low) else f" [{estimate.low:+.2f}, {estimate.high:+.2f}]"
    return f"r = {estimate.value:+.2f}{interval}".replace("-", MINUS)


def _range_through(models: Sequence[Row]) -> str:
    """Return a sentence for each norm: the lowest and the highest correlation through Z."""
    sentences = ""
    for norm in dict.fromkeys(norm for _, _, estimates in models for norm in estimates):
        values = [
            (estimates[norm].value, model)
            for model, route, estimates in models
            if route == "through" and norm in estimates and not math.isnan(estimates[norm].value)
        ]
        if values:
            (low, lowest), (high, highest) = min(values), max(values)
            ends = [f"{value:+.2f}".replace("-", MINUS) for value in (low, high)]
            sentences += f"Through Z, r with {norm} ranges from {ends[0]} ({lowest}) to {ends[1]} ({highest}). "
    return sentences


def _alt(words: Words, models: Sequence[Row]) -> str:
    above = "; ".join(
        f"{norm}, {ROUTES[route]}: {_in_words(words.correlations[norm, route])}"
        for norm in words.ratings
        for route in MEASURED
    )
    below = "; ".join(
        f"{model}, {ROUTES[route]}: {', '.join(f'{norm} {_in_words(r)}' for norm, r in estimates.items())}"
        for model, route, estimates in models
    )
    return (
        f"{_range_through(models)}Above, scatter plots with a fitted line: the mean attribution of word types against "
        f"norms, for {words.label}{words.more}: {above}. Below, correlations by model and route: {below}."
    )
