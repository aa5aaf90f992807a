"""How attributions of words follow human norms of words. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from interp.attribution.result import Attributions
from interp.data.norms import Norm
from interp.data.words import log_frequency
from interp.stats import Occurrences, correlate, correlate_words, regress, regress_words


def correlations(attributions: Attributions, norms: Sequence[Norm]) -> dict[str, Any]:
    """Correlation over word types of mean attribution with each norm, by route.

    The interval resamples word types, the units of the correlation.

    Returns:
        ``r_NORM_ROUTE`` -> Pearson's r, with ``_low`` and ``_high``; ``n_NORM`` -> word types that are rated.
    """
    out: dict[str, Any] = {}
    types = {route: attributions.by_type(route) for route in attributions.tokens}
    for norm in norms:
        for route, table in types.items():
            values = [mean for mean, _ in table.values()]
            found = correlate(values, norm.of(table))
            out |= found.columns(f"r_{norm.name}_{route}")
            out[f"n_{norm.name}"] = found.n
    return out


def relations(attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str]) -> dict[str, Any]:
    """What else mean attribution over word types has to do with norms, by route; each with two intervals.

    What is held constant in ``partial`` goes along with norms and may be all that they tell of attributions: how often
    a type is used (`log_frequency`), how many letters it has, and its kind, the share of its occurrences that lie in
    positive texts.

    Args:
        attributions: of the positive texts of some pairs and then of the negative ones.
        articles: of the pairs.

    Returns:
        ``rho_NORM_ROUTE``: Spearman's correlation; ``partial_NORM_ROUTE``: Pearson's, given the three; and with several
        norms ``beta_NORM_ROUTE``: the standardized coefficient of a norm in a linear regression on all norms, over the
        types that all of them rate, ``n_every_norm``. With ``_low`` and ``_high``: ends of an interval that resamples
        word types. ``rho_articles_NORM_ROUTE`` and so on, also ``r_articles_NORM_ROUTE``: the same numbers with an
        interval that resamples articles (`correlate_words`).

    Raises:
        ValueError: there are not two texts for each article.
    """
    if len(attributions) != 2 * len(articles):
        raise ValueError(f"articles must be those of {len(attributions) / 2:g} pairs, got {len(articles)}")
    text = np.repeat(np.arange(len(attributions)), [len(words) for words in attributions.words])
    said = [word for words in attributions.words for word in words]
    types = {word: number for number, word in enumerate(sorted(set(said)))}
    names = np.unique(np.array(articles, dtype=object), return_inverse=True)[1]
    at = Occurrences(np.array([types[word] for word in said], dtype=np.int64), np.tile(names, 2)[text], len(types))
    of_types = np.array([[log_frequency(word), len(word)] for word in types]).reshape(-1, 2).T
    positive = (text < len(articles)).astype(np.float64)
    held, ratings = [*of_types, at.means(positive)], {norm.name: norm.of(types) for norm in norms}
    out: dict[str, Any] = {}
    for route in attributions.tokens:
        values = attributions.by_occurrence(route)
        means = at.means(values)
        for name, rating in ratings.items():
            found = {
                "r_articles": correlate_words(values, rating, at),
                "rho": correlate(means, rating, method="spearman"),
                "rho_articles": correlate_words(values, rating, at, method="spearman"),
                "partial": correlate(means, rating, given=held),
                "partial_articles": correlate_words(values, rating, at, given=of_types, given_means=[positive]),
            }
            for key, one in found.items():
                out |= one.columns(f"{key}_{name}_{route}")
        if len(ratings) > 1:
            every = list(ratings.values())
            for key, each in (("beta", regress(means, every)), ("beta_articles", regress_words(values, every, at))):
                for name, one in zip(ratings, each, strict=True):
                    out |= one.columns(f"{key}_{name}_{route}")
                    out["n_every_norm"] = one.n
    return out
