"""What attributions of word types have to do with norms, the slow way: every sample is written out, and nothing shared
with the package."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import rankdata
from wordfreq import word_frequency

from tests.oracles.plain_forward import percentiles
from tests.oracles.word_types import sampled_articles

DRAWS = 2000
Columns = Sequence[np.ndarray]  # attribution, and what it is compared with, each of as many word types


def relations(
    texts: Sequence[Sequence[str]],
    values: Mapping[str, Sequence[Sequence[float]]],
    articles: Sequence[str],
    ratings: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """The measures of `interp.attribution.norms.relations`.

    Args:
        texts: words of the positive texts of some pairs, then of the negative ones.
        values: route -> of each word of each text.
        articles: of the pairs.
        ratings: norm -> word -> rating.
    """
    said = [word for text in texts for word in text]
    text_of = [number for number, text in enumerate(texts) for _ in text]
    article = [articles[number % len(articles)] for number in text_of]
    kind = [float(number < len(articles)) for number in text_of]
    samples, frequency = sampled_rows(article), {word: zipf(word) for word in said}
    out: dict[str, float] = {}
    for route, of_texts in values.items():
        flat = [value for text in of_texts for value in text]

        def table(rows: Sequence[int], chosen: Sequence[str], flat: Sequence[float] = flat) -> Columns:
            """Of the types that occur in some rows and that all chosen norms rate."""
            here: dict[str, list[int]] = {}
            for row in rows:
                if all(said[row] in ratings[norm] for norm in chosen):
                    here.setdefault(said[row], []).append(row)
            words = sorted(here)
            columns = [[sum(flat[row] for row in here[word]) / len(here[word]) for word in words]]
            columns += [[ratings[norm][word] for word in words] for norm in chosen]
            columns += [[frequency[word] for word in words], [len(word) for word in words]]
            columns += [[sum(kind[row] for row in here[word]) / len(here[word]) for word in words]]
            return [np.array(column, dtype=float) for column in columns]

        for norm in ratings:
            whole, tables = table(range(len(said)), [norm]), [table(rows, [norm]) for rows in samples]
            for stem, statistic, count in (("r", partial, 2), ("rho", spearman, 2), ("partial", partial, 5)):
                key, value = f"_{norm}_{route}", statistic(whole[:count])
                again = [statistic(columns[:count]) for columns in tables]
                out |= with_ends(f"{stem}_articles{key}", value, again)
                if stem != "r":
                    columns = [rankdata(column) for column in whole[:2]] if stem == "rho" else whole
                    out |= with_ends(f"{stem}{key}", value, of_types(columns, partial))
        if len(ratings) > 1:
            columns = slice(0, 1 + len(ratings))
            whole = table(range(len(said)), list(ratings))[columns]
            over = {"beta": of_types(whole, betas)}
            over["beta_articles"] = [betas(table(rows, list(ratings))[columns]) for rows in samples]
            out["n_every_norm"] = len(whole[0])
            for stem, again in over.items():
                for place, norm in enumerate(ratings):
                    sampled = [each[place] for each in again]
                    out |= with_ends(f"{stem}_{norm}_{route}", betas(whole)[place], sampled)
    return out


def zipf(word: str) -> float:
    """Rounded as wordfreq rounds it; 0 for a word that it does not know."""
    often = word_frequency(word, "en")
    return round(math.log10(1e9 * often), 2) if often > 0 else 0.0


def sampled_rows(articles: Sequence[str]) -> list[list[int]]:
    """The rows of each sample of whole articles."""
    kept: list[list[int]] = []
    sampled_articles(articles, lambda rows: float(kept.append(rows) or 0), DRAWS)  # type: ignore[arg-type]
    return kept


def of_types(columns: Columns, statistic: Callable[[Columns], Any]) -> list[Any]:
    """A statistic in samples of word types."""
    rng, n = np.random.default_rng(0), len(columns[0])
    if n < 3:
        return []
    out = []
    for _ in range(DRAWS):
        times = rng.multinomial(n, [1 / n] * n)
        out.append(statistic([np.repeat(column, times) for column in columns]))
    return out


def with_ends(key: str, value: float, sampled: Sequence[float]) -> dict[str, float]:
    known = not math.isnan(value) and not np.isnan(sampled).all() if len(sampled) else False
    low, high = percentiles(np.array(sampled)) if known else (math.nan, math.nan)
    return {key: value, f"{key}_low": low, f"{key}_high": high}


def partial(columns: Columns) -> float:
    """Pearson's r of what least squares on all further columns leave of the first two."""
    if len(columns[0]) <= len(columns):
        return math.nan
    design = np.stack([np.ones(len(columns[0])), *columns[2:]], axis=1)
    left = []
    for one in columns[:2]:
        rest = one - design @ np.linalg.lstsq(design, one, rcond=None)[0]
        if rest.std() <= 1e-6 * max(one.std(), 1e-300):
            return math.nan
        left.append(rest)
    return float(np.corrcoef(left)[0, 1])


def spearman(columns: Columns) -> float:
    return partial([rankdata(column) for column in columns])


def betas(columns: Columns) -> list[float]:
    """Standardized coefficients of a regression of the first column on the others."""
    if len(columns[0]) <= len(columns) or min(column.std() for column in columns) <= 1e-9:
        return [math.nan] * (len(columns) - 1)
    y, *x = [(column - column.mean()) / column.std() for column in columns]
    if np.linalg.svd(np.stack(x), compute_uv=False)[-1] < 1e-4:
        return [math.nan] * len(x)
    return np.linalg.lstsq(np.stack(x, axis=1), y, rcond=None)[0].tolist()
