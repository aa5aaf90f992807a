"""Section of the page on attributions of the chosen cell and norms of words, with tests of the whole grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.measures import MEASURED, RELATIONS
from interp.measures.schema import CORRELATION, SHARE, SIGNED_SHARE, written
from interp.report.norm_tests import DRAWS, LEVEL, MODELS, said
from interp.report.page.naming import count, place
from interp.report.sweep_run import NoRatings, SweepRun
from interp.report.tables import is_tuned
from interp.runs.place import Place
from interp.stats.reliability import LEAST_TYPES

if TYPE_CHECKING:
    import pandas as pd

LEAST = 0.0001  # of a p, as the table shows it
_HEADINGS = {"r": "r", "disattenuated": "r, disattenuated", "rho": "ρ", "partial": "partial r", "beta": "β"}


@dataclass(frozen=True)
class _Related:
    """Number with its interval, as text; an empty interval is not defined."""

    value: str
    ends: str


@dataclass(frozen=True)
class Row:
    """Norm and route.

    Attributes:
        types: rated word types.
        covered: share of the attribution that lies on rated words.
        reliability: of mean attribution, over the rated types that occur in two articles.
        related: in the order of the headings.
        p: adjusted for the whole grid.
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
        headings: of numbers with intervals.
        models: name of each model, and a row for each norm and route.
        repeated: number of rated types in two articles by norm, as text.
        least: number of these types below which nothing is disattenuated.
        together: types that all norms rate, which β is of; None where there are fewer than two norms.
        said: number of significant correlations over the grid, as a sentence; empty without ratings.
        level: below which a p is significant.
        draws: of random signs.
    """

    place: str
    headings: Sequence[str]
    models: Sequence[tuple[str, Sequence[Row]]]
    repeated: str
    least: int
    together: str | None
    said: str
    level: float
    draws: int


def norms(sweep: SweepRun) -> Norms:
    """Collect the statistics of the chosen cell."""
    stems = [stem for stem in RELATIONS if stem != "beta" or len(sweep.norms) > 1]
    try:
        tests = sweep.norm_tests
        found = {
            (one["model"], one["norm"], one["route"]): one["p_max"]
            for one in tests.to_dict("records")
            if Place.of(one) == Place.of(sweep.best)
        }
    except NoRatings:
        found, tests = {}, None
    models = []
    for model, within in MODELS.items():
        prefix = f"{within}_" if within else ""
        if not prefix or is_tuned(sweep.frame):
            rows = [
                _row(sweep, prefix, norm, route, stems, found.get((model, norm, route), np.nan))
                for norm in sweep.norms
                for route in MEASURED
            ]
            models.append((model, rows))
    headings, together = [_HEADINGS[stem] for stem in stems], sweep.best.get("n_every_norm")
    repeated = [f"{count(sweep.best[f'n_repeated_{norm}'])} ({norm})" for norm in sweep.norms]
    return Norms(
        place(sweep.best).capitalize(),
        headings,
        models,
        ", ".join(repeated),
        LEAST_TYPES,
        None if together is None else count(together),
        "" if tests is None else said(tests),
        LEVEL,
        DRAWS,
    )


def _row(sweep: SweepRun, prefix: str, norm: str, route: str, stems: Sequence[str], adjusted: float) -> Row:
    best = sweep.best
    keys = [f"{prefix}{stem}_{norm}_{route}" for stem in stems]
    related = [_Related(CORRELATION.text(best[key]), _interval(best, key)) for key in keys]
    covered = SHARE.text(best[f"{prefix}attribution_coverage_{norm}_{route}"])
    reliability = SIGNED_SHARE.text(best[f"{prefix}reliability_{norm}_{route}"])
    return Row(norm, route, count(best[f"n_{norm}"]), covered, reliability, related, _p(adjusted))


def _interval(best: pd.Series, key: str) -> str:
    low, high = best[f"{key}_low"], best[f"{key}_high"]
    return "" if np.isnan(low) else f"[{CORRELATION.text(low)} {CORRELATION.text(high)}]"


def _p(value: float) -> str:
    return f"< {LEAST:g}" if value < LEAST else written(value, ".4f")
