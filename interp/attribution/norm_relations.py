"""Relations between attributions of words and human norms of words. No torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from interp.attribution.result import Attributions
from interp.data.norms import Norm
from interp.data.words import log_frequency
from interp.measures import Key
from interp.measures.number import WordsOf
from interp.stats import Estimate, Occurrences, correlate_words, disattenuate, regress_words


@dataclass(frozen=True)
class AttributedWords:
    """Words of the attributed texts of pairs.

    Attributes:
        words: word type of each number, sorted.
        at: occurrences, in the order of `Attributions.by_occurrence`.
        positive: 1 for each occurrence in a positive text, else 0.
    """

    words: tuple[str, ...]
    at: Occurrences
    positive: np.ndarray

    @classmethod
    def of(cls, attributions: Attributions, articles: Sequence[str]) -> AttributedWords:
        """Number the words of attributed texts and the articles of their pairs.

        Args:
            attributions: attributions of the positive texts of some pairs, then of the negative texts.
            articles: articles of the pairs.

        Raises:
            ValueError: there are not two texts for each article.
        """
        if len(attributions) != 2 * len(articles):
            raise ValueError(f"{len(attributions) / 2:g} pairs need as many articles, got {len(articles)} articles")
        text = np.repeat(np.arange(len(attributions)), [len(words) for words in attributions.words])
        spoken = [word for words in attributions.words for word in words]
        types = {word: number for number, word in enumerate(sorted(set(spoken)))}
        names = np.unique(np.array(articles, dtype=object), return_inverse=True)[1]
        numbers = np.array([types[word] for word in spoken], dtype=np.int64)
        at = Occurrences(numbers, np.tile(names, 2)[text], len(types))
        return cls(tuple(types), at, (text < len(articles)).astype(np.float64))

    def articles(self) -> dict[str, list[int]]:
        """Return the article numbers of the occurrences of each word type."""
        out: dict[str, list[int]] = {word: [] for word in self.words}
        for number, article in zip(self.at.words.tolist(), self.at.articles.tolist(), strict=True):
            out[self.words[number]].append(article)
        return out

    def ratings(self, norm: Norm, only: Callable[[str], bool] = lambda _: True) -> np.ndarray:
        """Return the rating of each word type; NaN for a type that is not rated or not selected by `only`."""
        wanted = np.array([only(word) for word in self.words], dtype=bool)
        return np.where(wanted, norm.of(self.words), np.nan)


def correlations(
    attributions: Attributions,
    norms: Sequence[Norm],
    articles: Sequence[str],
    *,
    only: Callable[[str], bool] = lambda _: True,
    subset: WordsOf = "",
) -> dict[Key, Estimate]:
    """Correlate mean attribution over word types with each norm, by route.

    Args:
        attributions: attributions of the positive texts of some pairs, then of the negative texts.
        norms: norms to correlate with.
        articles: articles of the pairs.
        only: condition on the word types.
        subset: name of the selected words in the keys.

    Returns:
        Pearson's ``r`` (`correlate_words`) by norm and route, and ``n``, the number of word types that a norm rates.

    Raises:
        ValueError: there are not two texts for each article.
    """
    words = AttributedWords.of(attributions, articles)
    numbers: dict[Key, Estimate] = {}
    for norm in norms:
        ratings = words.ratings(norm, only)
        numbers[Key("n", norm=norm.name, words=subset)] = Estimate(int(np.isfinite(ratings).sum()), len(ratings))
        for route in attributions.tokens:
            key = Key("r", norm=norm.name, route=route, words=subset)
            numbers[key] = correlate_words(attributions.by_occurrence(route), ratings, words.at)
    return numbers


def relations(attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str]) -> dict[Key, Estimate]:
    """Relate attributions of word types to norms, by route, with other measures than Pearson's r.

    ``partial`` holds three variables constant that correlate with norms: the frequency of a type in English
    (`log_frequency`), its number of letters, and its kind, that is, the share of its occurrences in positive texts.

    Args:
        attributions: attributions of the positive texts of some pairs, then of the negative texts.
        norms: norms to relate to the attributions.
        articles: articles of the pairs.

    Returns:
        By norm and route: ``disattenuated``, the correlation of a type's expected attribution with its rating
        (`disattenuate`), over the ``n_repeated`` rated types that occur in at least two articles, and their
        ``reliability``; ``rho``, Spearman's correlation; ``partial``, Pearson's correlation given the three variables.
        If a norm has covariates, also ``held``, Pearson's correlation given the covariates and the three variables,
        over the ``n_held`` types that the covariates rate. With several norms also ``beta``, the standardized
        coefficient of a norm in a linear regression on all norms, over the ``n_every_norm`` types that all norms rate.

    Raises:
        ValueError: there are not two texts for each article.
    """
    words = AttributedWords.of(attributions, articles)
    at, ratings = words.at, {norm.name: words.ratings(norm) for norm in norms}
    given = np.array([[log_frequency(word), len(word)] for word in words.words]).reshape(-1, 2).T
    covariates = [words.ratings(each) for norm in norms for each in norm.covariates]
    held = np.vstack([given, np.nan_to_num(covariates)]) if covariates else given
    numbers: dict[Key, Estimate] = {}
    for route in attributions.tokens:
        values = attributions.by_occurrence(route)
        for norm, rating in ratings.items():
            expected, types = disattenuate(values, rating, at), len(rating)
            numbers[Key("n_repeated", norm=norm)] = Estimate(expected.r.n, types)
            by_measure = {
                "reliability": Estimate(expected.reliability, expected.r.n),
                "disattenuated": expected.r,
                "rho": correlate_words(values, rating, at, method="spearman"),
                "partial": correlate_words(values, rating, at, given=given, given_means=[words.positive]),
            }
            if covariates:
                rating_held = np.where(np.isfinite(covariates).all(0), rating, np.nan)
                by_measure["held"] = correlate_words(values, rating_held, at, given=held, given_means=[words.positive])
                numbers[Key("n_held", norm=norm)] = Estimate(int(np.isfinite(rating_held).sum()), types)
            numbers |= {Key(measure, norm=norm, route=route): number for measure, number in by_measure.items()}
        if len(ratings) > 1:
            betas = regress_words(values, list(ratings.values()), at)
            for norm, beta in zip(ratings, betas, strict=True):
                numbers[Key("beta", norm=norm, route=route)] = beta
                numbers[Key("n_every_norm")] = Estimate(beta.n, len(words.words))
    return numbers
