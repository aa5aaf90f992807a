"""Tests of all correlations of a sweep's grid with norms at once, and the table of them. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.measures import MEASURED
from interp.runs.place import Place
from interp.show.markup import plural
from interp.stats import holm, max_statistic, p_value

if TYPE_CHECKING:
    import pandas as pd

FILE = "norms.csv"
LEVEL = 0.05  # below which an adjusted p says that a correlation is significant
DRAWS = 5000  # of permutations
MODELS = {"fine-tuned": "tuned", "frozen": ""}  # model -> where a cell keeps its words

Words = Mapping[str, Mapping[str, Sequence[float]]]  # route -> word type -> mean attribution and count


def norm_tests(
    cells: Mapping[Place, Mapping[str, Any]], ratings: Mapping[str, Mapping[str, float]], *, draws: int = DRAWS
) -> pd.DataFrame:
    """Every correlation of mean attributions over word types with a norm, with p values for the whole grid.

    One family of tests is all of Pearson's r that a sweep shows of one model: all cells, norms and routes. So whichever
    of them is looked at, and whyever, the chance of any false discovery in the family is kept. Attributions in full are
    the same in all cells of the frozen model; Holm's adjustment counts them as many tests, that by the largest
    statistic as one.

    Args:
        cells: with `words`, and those of the model that was fine-tuned there in `tuned`.
        ratings: norm -> word type -> rating.
        draws: of permutations.

    Returns:
        A row for each cell, model, norm and route: place, `model`, `norm`, `route`; Pearson's `r` over the `n` rated
        word types; its two-sided `p` by Student's t, `p_holm` (Holm 1979), and `p_max` by permutation of word types
        (Westfall & Young 1993; `interp.stats.max_statistic`). NaN where attributions or ratings do not vary, or an
        attribution is not finite.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for model, within in MODELS.items():
        known = {place: cell.get(within) if within else cell for place, cell in sorted(cells.items())}
        words = {place: one["words"] for place, one in known.items() if one and one.get("words")}
        if words and ratings:
            rows += _of_model(words, ratings, model, draws)
    columns = [*Place._fields, "model", "norm", "route", "n", "r", "p", "p_holm", "p_max"]
    return pd.DataFrame(rows, columns=columns)


def _of_model(
    cells: Mapping[Place, Words], ratings: Mapping[str, Mapping[str, float]], model: str, draws: int
) -> list[dict[str, Any]]:
    tables = [words[route] for words in cells.values() for route in MEASURED]
    types = [word for word in tables[0] if all(word in table for table in tables)]  # a sweep attributes the same texts
    if not types:
        return []
    values = np.array([[table[word][0] for word in types] for table in tables], dtype=np.float64)
    values[~np.isfinite(values).all(1)] = 0.0  # which has no correlation
    rated = np.array([[one.get(word, math.nan) for word in types] for one in ratings.values()], dtype=np.float64)
    r, largest = max_statistic(values, rated, draws=draws)
    counts = np.isfinite(rated).sum(1).tolist()
    p = np.array([[p_value(one, n) for one, n in zip(row, counts, strict=True)] for row in r])
    adjusted = holm(p)
    labels = [(place, route) for place in cells for route in MEASURED]
    return [
        {
            **place._asdict(), "model": model, "norm": norm, "route": route, "n": counts[j], "r": r[i, j],
            "p": p[i, j], "p_holm": adjusted[i, j], "p_max": largest[i, j],
        }
        for i, (place, route) in enumerate(labels)
        for j, norm in enumerate(ratings)
    ]  # fmt: skip


def said(tests: pd.DataFrame) -> str:
    """How many correlations through Z hold over the whole grid of each model; empty without tests."""
    if tests.empty:
        return ""
    cells, norms = len(tests[[*Place._fields]].drop_duplicates()), int(tests["norm"].nunique())
    grid = f"{plural(cells, 'cell')} x {plural(norms, 'norm')} x {len(MEASURED)} routes"
    through, first = tests[tests["route"] == MEASURED[0]], f"of {plural(cells * norms, 'correlation')} through Z, "
    parts = []
    for model, own in through.groupby("model", sort=False):
        by_holm, by_largest = (int((own[key] < LEVEL).sum()) for key in ("p_holm", "p_max"))
        models = "the frozen model" if model == "frozen" else f"the {model} models"
        parts.append(f"{first}{by_holm} are significant by Holm and {by_largest} by the largest statistic in {models}")
        first = ""
    return f"Over the whole grid ({grid}; p < {LEVEL:g}): {'; '.join(parts)}."
