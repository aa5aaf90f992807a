"""Relations between attributions of words and human norms of words. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.attribution.result import Attributions
from interp.data.norms import Norm
from interp.data.words import log_frequency
from interp.stats import Occurrences, correlate_words, disattenuate, regress_words


@dataclass(frozen=True)
class AttributedWords:
    """Words of the attributed texts of some pairs.

    Attributes:
        words: word type of each number, sorted.
        at: the occurrences, in the order of `Attributions.by_occurrence`.
        positive: 1 for each occurrence in a positive text, else 0.
    """

    words: tuple[str, ...]
    at: Occurrences
    positive: np.ndarray

    @classmethod
    def of(cls, attributions: Attributions, articles: Sequence[str]) -> AttributedWords:
        """Number the words of attributed texts and the articles of their pairs.

        Args:
            attributions: of the positive texts of some pairs and then of the negative ones.
            articles: of the pairs.

        Raises:
            ValueError: there are not two texts for each article.
        """
        if len(attributions) != 2 * len(articles):
            raise ValueError(f"articles must be those of {len(attributions) / 2:g} pairs, got {len(articles)}")
        text = np.repeat(np.arange(len(attributions)), [len(words) for words in attributions.words])
        spoken = [word for words in attributions.words for word in words]
        types = {word: number for number, word in enumerate(sorted(set(spoken)))}
        names = np.unique(np.array(articles, dtype=object), return_inverse=True)[1]
        numbers = np.array([types[word] for word in spoken], dtype=np.int64)
        at = Occurrences(numbers, np.tile(names, 2)[text], len(types))
        return cls(tuple(types), at, (text < len(articles)).astype(np.float64))

    def articles(self) -> dict[str, list[int]]:
        """Return the number of the article of each occurrence, by word type."""
        out: dict[str, list[int]] = {word: [] for word in self.words}
        for number, article in zip(self.at.words.tolist(), self.at.articles.tolist(), strict=True):
            out[self.words[number]].append(article)
        return out

    def ratings(self, norm: Norm, only: Callable[[str], bool] = lambda _: True) -> np.ndarray:
        """Return the rating of each word type; NaN for a type that is not rated or not wanted."""
        wanted = np.array([only(word) for word in self.words], dtype=bool)
        return np.where(wanted, norm.of(self.words), np.nan)


def correlations(
    attributions: Attributions,
    norms: Sequence[Norm],
    articles: Sequence[str],
    *,
    only: Callable[[str], bool] = lambda _: True,
    suffix: str = "",
) -> dict[str, Any]:
    """Correlate mean attribution over word types with each norm, by route.

    Args:
        attributions: of the positive texts of some pairs and then of the negative ones.
        articles: of the pairs.
        only: condition on the word types.
        suffix: of the keys.

    Returns:
        ``r_NORM_ROUTE`` -> Pearson's r, with ``_low`` and ``_high`` (`correlate_words`); ``n_NORM`` -> word types that
        are rated.

    Raises:
        ValueError: there are not two texts for each article.
    """
    words = AttributedWords.of(attributions, articles)
    out: dict[str, Any] = {}
    for norm in norms:
        ratings = words.ratings(norm, only)
        out[f"n_{norm.name}{suffix}"] = int(np.isfinite(ratings).sum())
        for route in attributions.tokens:
            found = correlate_words(attributions.by_occurrence(route), ratings, words.at)
            out |= found.columns(f"r_{norm.name}_{route}{suffix}")
    return out


def relations(attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str]) -> dict[str, Any]:
    """Relate attributions of word types to norms, by route, in other ways than by Pearson's r.

    Three variables that go along with norms are held constant in ``partial``: the frequency of a type in English
    (`log_frequency`), its number of letters, and its kind, the share of its occurrences that lie in positive texts.

    Args:
        attributions: of the positive texts of some pairs and then of the negative ones.
        articles: of the pairs.

    Returns:
        ``disattenuated_NORM_ROUTE``: the correlation of a type's expected attribution with its rating
        (`disattenuate`), over the ``n_repeated_NORM`` rated types that occur in at least two articles, and their
        ``reliability_NORM_ROUTE``; ``rho_NORM_ROUTE``: Spearman's correlation; ``partial_NORM_ROUTE``: Pearson's,
        given the three; and with several norms ``beta_NORM_ROUTE``: the standardized coefficient of a norm in a linear
        regression on all norms, over the types that all of them rate, ``n_every_norm``. ``_low`` and ``_high`` are the
        ends of 95 % intervals.

    Raises:
        ValueError: there are not two texts for each article.
    """
    words = AttributedWords.of(attributions, articles)
    at, ratings = words.at, {norm.name: words.ratings(norm) for norm in norms}
    given = np.array([[log_frequency(word), len(word)] for word in words.words]).reshape(-1, 2).T
    out: dict[str, Any] = {}
    for route in attributions.tokens:
        values = attributions.by_occurrence(route)
        for name, rating in ratings.items():
            expected = disattenuate(values, rating, at)
            out[f"n_repeated_{name}"] = expected.r.n
            out[f"reliability_{name}_{route}"] = expected.reliability
            found = {
                "disattenuated": expected.r,
                "rho": correlate_words(values, rating, at, method="spearman"),
                "partial": correlate_words(values, rating, at, given=given, given_means=[words.positive]),
            }
            for key, one in found.items():
                out |= one.columns(f"{key}_{name}_{route}")
        if len(ratings) > 1:
            for name, one in zip(ratings, regress_words(values, list(ratings.values()), at), strict=True):
                out |= one.columns(f"beta_{name}_{route}")
                out["n_every_norm"] = one.n
    return out
