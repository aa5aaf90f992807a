"""Joint tests of all correlations of a sweep's grid with norms, and their table. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.drawing.markup import plural
from interp.measures import MEASURED, Model
from interp.runs.place import Place
from interp.stats import Occurrences, max_statistic

if TYPE_CHECKING:
    import pandas as pd

FILE = "norms.csv"
LEVEL = 0.05  # a correlation with an adjusted p below it is significant
DRAWS = 2000  # number of draws of random signs
MODELS: Mapping[str, Model] = {"trained": "tuned", "edited": "edited", "frozen": ""}

Words = Mapping[str, Mapping[str, Sequence[float]]]  # route -> word type -> mean attribution and count


def norm_tests(
    models: Mapping[Model, Mapping[Place, Words]],
    articles: Mapping[str, Sequence[int]],
    ratings: Mapping[str, Mapping[str, float]],
    *,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Test every correlation of mean attributions over word types with a norm, for the whole grid.

    A family of tests comprises all of Pearson's r that a sweep shows for one model: all cells, norms and routes. The
    chance of any false discovery in the family is controlled, whichever correlations are looked at. Full attributions
    are the same in all cells of the frozen model, and count as one test.

    Args:
        models: words of the models at each cell.
        articles: word type -> number of the article of each occurrence, the same in all cells.
        ratings: norm -> word type -> rating.
        draws: number of draws of random signs.

    Returns:
        A row for each cell, model, norm and route: place, `model`, `norm`, `route`; Pearson's `r` over the `n` rated
        word types; its two-sided `p`, and `p_max`, adjusted for the family (`interp.stats.max_statistic`). The values
        are NaN if attributions or ratings do not vary, or if an attribution is not finite.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    for name, model in MODELS.items():
        if model in models and ratings:
            rows += _of_model(dict(sorted(models[model].items())), articles, ratings, name, draws)
    columns = [*Place._fields, "model", "norm", "route", "n", "r", "p", "p_max"]
    return pd.DataFrame(rows, columns=columns)


def _of_model(
    cells: Mapping[Place, Words],
    articles: Mapping[str, Sequence[int]],
    ratings: Mapping[str, Mapping[str, float]],
    model: str,
    draws: int,
) -> list[dict[str, Any]]:
    tables = [words[route] for words in cells.values() for route in MEASURED]
    # a sweep attributes the same texts in each cell
    types = [word for word in tables[0] if articles.get(word) and all(word in table for table in tables)]
    if not types:
        return []
    numbers = np.repeat(np.arange(len(types)), [len(articles[word]) for word in types])
    at = Occurrences(numbers, np.array([article for word in types for article in articles[word]]), len(types))
    values = np.array([[table[word][0] for word in types] for table in tables], dtype=np.float64)
    values[~np.isfinite(values).all(1)] = 0.0  # a constant has no correlation
    rated = np.array([[rating.get(word, math.nan) for word in types] for rating in ratings.values()], dtype=np.float64)
    statistic = max_statistic(values, rated, at.counts, draws=draws)
    counts = np.isfinite(rated).sum(1).tolist()
    labels = [(place, route) for place in cells for route in MEASURED]
    return [
        {
            **place._asdict(),
            "model": model,
            "norm": norm,
            "route": route,
            "n": counts[j],
            "r": statistic.r[i, j],
            "p": statistic.p[i, j],
            "p_max": statistic.adjusted[i, j],
        }
        for i, (place, route) in enumerate(labels)
        for j, norm in enumerate(ratings)
    ]


def sentence(tests: pd.DataFrame) -> str:
    """Return a sentence on the correlations through Z that are significant over the whole grid; empty without tests."""
    if tests.empty:
        return ""
    cells, norms = len(tests[[*Place._fields]].drop_duplicates()), int(tests["norm"].nunique())
    grid = f"{plural(cells, 'cell')} x {plural(norms, 'norm')} x {len(MEASURED)} routes"
    through, first = tests[tests["route"] == MEASURED[0]], f"of {plural(cells * norms, 'correlation')} through Z, "
    parts = []
    for model, rows in through.groupby("model", sort=False):
        models = "the frozen model" if model == "frozen" else f"the {model} models"
        parts.append(f"{first}{int((rows['p_max'] < LEVEL).sum())} are significant in {models}")
        first = ""
    return f"Over the whole grid ({grid}; p < {LEVEL:g}, adjusted): {'; '.join(parts)}."
