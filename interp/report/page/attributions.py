"""Section of the page on attributions of the chosen cell and norms of words, with tests of the whole grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.measures import MEASURED, Key, Numbers, Route, relations, without_model
from interp.measures.schema import CORRELATION, SHARE, SIGNED_SHARE, written
from interp.report.norm_tests import DRAWS, LEVEL, MODELS, sentence
from interp.report.page.labels import count, place
from interp.report.sweep_run import SweepRun, models_of
from interp.runs.place import Place
from interp.runs.ratings import NoRatings
from interp.stats import Estimate
from interp.stats.reliability import LEAST_TYPES

LEAST = 0.0001  # smallest p that the table shows
_HEADINGS = {
    "r": "r",
    "disattenuated": "r, disattenuated",
    "rho": "ρ",
    "partial": "partial r",
    "held": "partial r, age",
    "beta": "β",
}


@dataclass(frozen=True)
class _Related:
    """Number with its interval, as text; the interval is empty if it is undefined."""

    value: str
    ends: str


@dataclass(frozen=True)
class Row:
    """Row of the table, for a norm and a route.

    Attributes:
        norm, route: norm and route.
        types: number of rated word types.
        covered: share of the attribution that lies on rated words.
        reliability: reliability of mean attribution, over the rated types that occur in two articles.
        related: numbers in the order of the headings.
        p: p adjusted for the whole grid.
    """

    norm: str
    route: str
    types: str
    covered: str
    reliability: str
    related: Sequence[_Related]
    p: str


@dataclass(frozen=True)
class Norms:
    """Content of the section.

    Attributes:
        place: place of the cell, in words.
        headings: headings of numbers with intervals.
        models: name of each model, and a row for each norm and route.
        repeated: number of rated types in two articles by norm, as text.
        least: number of these types below which no correlation is disattenuated.
        together: number of types that all norms rate, over which β is computed; None with fewer than two norms.
        sentence: number of significant correlations over the grid, as a sentence; empty without ratings.
        level: level below which a p is significant.
        draws: number of draws of random signs.
    """

    place: str
    headings: Sequence[str]
    models: Sequence[tuple[str, Sequence[Row]]]
    repeated: str
    least: int
    together: str | None
    sentence: str
    level: float
    draws: int


def norms(sweep: SweepRun) -> Norms:
    """Collect the statistics of the chosen cell."""
    related = relations(sweep.norms)
    try:
        tests = sweep.norm_tests
        adjusted = {
            (row["model"], row["norm"], row["route"]): row["p_max"]
            for row in tests.to_dict("records")
            if Place.of(row) == Place.of(sweep.best)
        }
    except NoRatings:
        adjusted, tests = {}, None
    models, types = [], {norm: sweep.best_numbers[Key("n", norm=norm)].value for norm in sweep.norms}
    for name, model in MODELS.items():
        if not model or model in models_of(sweep.trained):
            numbers = without_model(sweep.best_numbers, model)
            rows = [
                _row(numbers, norm, route, types[norm], related, adjusted.get((name, norm, route), np.nan))
                for norm in sweep.norms
                for route in MEASURED
            ]
            models.append((name, rows))
    headings, together = [_HEADINGS[measure] for measure in related], sweep.best_numbers.get(Key("n_every_norm"))
    repeated = [f"{count(sweep.best_numbers[Key('n_repeated', norm=norm)].value)} ({norm})" for norm in sweep.norms]
    return Norms(
        place(sweep.best).capitalize(),
        headings,
        models,
        ", ".join(repeated),
        LEAST_TYPES,
        None if together is None else count(together.value),
        "" if tests is None else sentence(tests),
        LEVEL,
        DRAWS,
    )


def _row(numbers: Numbers, norm: str, route: Route, types: float, related: Sequence[str], adjusted: float) -> Row:
    def number(measure: str) -> Estimate:
        return numbers[Key(measure, norm=norm, route=route)]

    shown = [_Related(CORRELATION.text(number(name).value), _interval(number(name))) for name in related]
    covered = SHARE.text(number("attribution_coverage").value)
    reliability = SIGNED_SHARE.text(number("reliability").value)
    return Row(norm, route, count(types), covered, reliability, shown, _p(adjusted))


def _interval(number: Estimate) -> str:
    if np.isnan(number.low):
        return ""
    return f"[{CORRELATION.text(number.low)} {CORRELATION.text(number.high)}]"


def _p(value: float) -> str:
    return f"< {LEAST:g}" if value < LEAST else written(value, ".4f")
