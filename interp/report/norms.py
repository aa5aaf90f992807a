"""How attributions of the chosen cell go along with norms of words, with tests of the whole grid beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.measures import MEASURED, RELATIONS
from interp.report.naming import count, place
from interp.results.norm_tests import DRAWS, LEVEL, MODELS, said
from interp.results.sweep_run import Lacking, SweepRun
from interp.results.tables import is_tuned
from interp.runs.place import Place
from interp.schema import CORRELATION, SHARE, written

if TYPE_CHECKING:
    import pandas as pd

UNTESTED = (np.nan, np.nan)
LEAST = 0.0001  # of a p, as the table shows it
HEADINGS = {"r": "r", "rho": "ρ", "partial": "partial r", "beta": "β"}


@dataclass(frozen=True)
class Related:
    """A number with its two intervals, as text; an empty one is not defined or not known.

    Attributes:
        types, articles: the intervals over word types and over articles.
    """

    value: str
    types: str
    articles: str


@dataclass(frozen=True)
class Row:
    """A norm and a route.

    Attributes:
        types: rated word types.
        covered: share of the attribution that lies on rated words.
        related: in the order of the headings.
        holm, largest: adjusted p.
    """

    norm: str
    route: str
    types: str
    covered: str
    related: Sequence[Related]
    holm: str
    largest: str


@dataclass(frozen=True)
class Norms:
    """What the section shows.

    Attributes:
        headings: of numbers with intervals.
        models: of which model, and a row for each norm and route.
        together: types that all norms rate, which β is of; None where it is not shown.
        said: how many correlations hold over the grid; empty if that cannot be told.
        level: below which a p holds.
        draws: of permutations.
    """

    place: str
    headings: Sequence[str]
    models: Sequence[tuple[str, Sequence[Row]]]
    together: str | None
    said: str
    level: float
    draws: int


def norms(sweep: SweepRun) -> Norms:
    """The statistics of the chosen cell; of a run that is older than some, those that it has."""
    known = [one.key for one in sweep.schema]
    stems = [stem for stem in RELATIONS if any(key.startswith(f"{stem}_") for key in known)]
    try:
        tests = sweep.norm_tests
        found = {
            (one["model"], one["norm"], one["route"]): (one["p_holm"], one["p_max"])
            for one in tests.to_dict("records")
            if Place.of(one) == Place.of(sweep.best)
        }
    except Lacking:  # of a run that kept no ratings
        found, tests = {}, None
    models = []
    for model, within in MODELS.items():
        prefix = f"{within}_" if within else ""
        if not prefix or is_tuned(sweep.frame):
            rows = [
                _row(sweep, prefix, norm, route, stems, found.get((model, norm, route), UNTESTED))
                for norm in sweep.norms
                for route in MEASURED
            ]
            models.append((model, rows))
    headings, together = [HEADINGS[stem] for stem in stems], sweep.best.get("n_every_norm")
    return Norms(
        place(sweep.best).capitalize(), headings, models, None if together is None else count(together),
        "" if tests is None else said(tests), LEVEL, DRAWS,
    )  # fmt: skip


def _row(
    sweep: SweepRun, prefix: str, norm: str, route: str, stems: Sequence[str], adjusted: tuple[float, float]
) -> Row:
    best = sweep.best
    related = [
        Related(
            CORRELATION.text(best.get(f"{prefix}{stem}_{norm}_{route}", np.nan)),
            _interval(best, f"{prefix}{stem}_{norm}_{route}"),
            _interval(best, f"{prefix}{stem}_articles_{norm}_{route}"),
        )
        for stem in stems
    ]
    covered = SHARE.text(best.get(f"{prefix}attribution_coverage_{norm}_{route}", np.nan))
    return Row(norm, route, count(best[f"n_{norm}"]), covered, related, *map(_p, adjusted))


def _interval(best: pd.Series, key: str) -> str:
    low, high = (best.get(f"{key}_{end}", np.nan) for end in ("low", "high"))
    return "" if np.isnan(low) else f"[{CORRELATION.text(low)} {CORRELATION.text(high)}]"


def _p(value: float) -> str:
    return f"< {LEAST:g}" if value < LEAST else written(value, ".4f")
