"""Simulated worlds of words, articles and ratings with known true values, and simulations of tests and intervals.

`python -m tests.measure_norms_coverage` prints them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interp import stats
from interp.stats import Estimate, Occurrences


@dataclass(frozen=True)
class World:
    """Articles that draw half of their tokens from shared words, and half from words of one article.

    Attributes:
        articles: number of articles.
        tokens: number of tokens of each article.
        r: correlation over word types of expected value and rating.
        subject: share of the variance of ratings, and of expected values, that the words of one article have in common.
        article: standard deviation of the effect of an article on the values of all its words.
        noise: standard deviation of the effects of a word in an article and of each occurrence on its value.
        hetero: True if the standard deviation of the noise is the absolute rating.
        skewed: True if effects of articles and occurrences are exponential, False if they are normal.
        ties: True if ratings are whole numbers.
        rare: factor of the noise of words of one article.
        shared, single: number of words that all articles share, and number of words of each article alone.
    """

    articles: int = 20
    tokens: int = 40
    r: float = 0.5
    subject: float = 0.0
    article: float = 0.0
    noise: float = 1.0
    hetero: bool = False
    skewed: bool = False
    ties: bool = False
    rare: float = 1.0
    shared: int = 80
    single: int = 15

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Occurrences]:
        """Return a sample: the value of each occurrence, the rating of each word type, and the occurrences."""
        homes = np.repeat(np.arange(self.articles), self.single)
        x, expected = self._pairs(rng, self.shared + len(homes))
        subjects = self._pairs(rng, self.articles)
        for column, subject in zip((x, expected), subjects, strict=True):
            mixed = np.sqrt(1 - self.subject) * column[self.shared :] + np.sqrt(self.subject) * subject[homes]
            column[self.shared :] = mixed
        words, articles = self._tokens(rng)
        pairs, pair = np.unique(words * self.articles + articles, return_inverse=True)
        scale = np.abs(x) if self.hetero else np.ones(len(x))
        scale[self.shared :] *= self.rare
        noise = self._errors(rng, len(pairs))[pair] + self._errors(rng, len(words))
        values = expected[words] + self.article * self._errors(rng, self.articles)[articles]
        values += self.noise * scale[words] * noise
        present, numbers = np.unique(words, return_inverse=True)
        ratings = np.round(x[present]) if self.ties else x[present]
        return values, ratings, Occurrences(numbers, articles, len(present))

    def _pairs(self, rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        x, rest = rng.normal(size=(2, count))
        return x, self.r * x + np.sqrt(1 - self.r**2) * rest

    def _errors(self, rng: np.random.Generator, count: int) -> np.ndarray:
        return rng.exponential(size=count) - 1 if self.skewed else rng.normal(size=count)

    def _tokens(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the word and the article of each token; the frequencies of words follow Zipf's law."""
        words = []
        for article in range(self.articles):
            common = rng.binomial(self.tokens, 0.5)
            common_words = rng.choice(self.shared, common, p=_zipf(self.shared))
            own_words = rng.choice(self.single, self.tokens - common, p=_zipf(self.single))
            words += [common_words, self.shared + article * self.single + own_words]
        return np.concatenate(words), np.repeat(np.arange(self.articles), self.tokens)


def _zipf(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


@dataclass(frozen=True)
class Coverage:
    """Intervals of many samples of a world.

    Attributes:
        types: mean number of word types.
        repeated: mean number of word types in at least two articles.
        plain_mean: mean of the plain r, the population quantity that its interval is about.
        plain: share of the intervals of the plain r that hold `plain_mean`.
        truth: share of the intervals of the plain r that hold the correlation of expected values.
        defined: share of samples with an interval of the disattenuated r.
        median: median of the disattenuated r.
        disattenuated: share of its intervals that hold the correlation of expected values.
        width: median width of the intervals of the disattenuated r.
    """

    types: float
    repeated: float
    plain_mean: float
    plain: float
    truth: float
    defined: float
    median: float
    disattenuated: float
    width: float


def coverage(world: World, draws: int = 500, seed: int = 1) -> Coverage:
    """Count how often the intervals of both correlations hold their population quantities."""
    rng = np.random.default_rng(seed)
    plain: list[Estimate] = []
    expected: list[Estimate] = []
    for _ in range(draws):
        values, ratings, at = world.draw(rng)
        plain.append(stats.correlate_words(values, ratings, at))
        expected.append(stats.disattenuate(values, ratings, at).r)
    mean = float(np.mean([estimate.value for estimate in plain]))
    with_interval = [estimate for estimate in expected if np.isfinite(estimate.low)]
    values = [estimate.value for estimate in with_interval if np.isfinite(estimate.value)]
    return Coverage(
        float(np.mean([estimate.n for estimate in plain])),
        float(np.mean([estimate.n for estimate in expected])),
        mean,
        _share(plain, mean),
        _share(plain, world.r),
        len(with_interval) / draws,
        float(np.median(values)) if values else np.nan,
        _share(with_interval, world.r),
        float(np.median([estimate.high - estimate.low for estimate in with_interval])) if with_interval else np.nan,
    )


def _share(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in estimates])) if estimates else np.nan


def family_error(world: World, cells: int, *, draws: int = 500, seed: int = 3, signs: int = 199) -> tuple[float, float]:
    """Return how often a null grid of cells, two norms and three routes has any p below 0.05, and the mean number of
    word types.

    Cells and norms resemble each other: half of the variance of each is common to all cells or norms.
    """
    rng, significant, types = np.random.default_rng(seed), 0, 0
    for number in range(draws):
        at, attributions, norms = null_grid(world, cells, rng)
        p = stats.max_statistic(attributions, norms, at.counts, draws=signs, seed=number).adjusted
        significant += bool((p <= 0.05).any())
        types += at.types
    return significant / draws, types / draws


def null_grid(world: World, cells: int, rng: np.random.Generator) -> tuple[Occurrences, np.ndarray, np.ndarray]:
    """Return occurrences, attributions (cells · 3, words) and two norms (2, words) that are uncorrelated with them.

    In a world with `hetero`, the noise of attributions depends on a rating. Words of one article are similar in both
    norms and attributions.
    """
    at = world.draw(rng)[2]
    homes = np.where(at.counts.argmax(1)[:, None] == np.arange(at.counts.shape[1]), 1.0, 0.0)
    in_one_article = (at.counts > 0).sum(1) == 1
    shares = np.where(in_one_article[:, None], homes, at.counts / at.counts.sum(1, keepdims=True))

    def columns(count: int) -> np.ndarray:
        """Return random variables of word types that are similar for words of the same articles."""
        errors = world._errors(rng, (count + 1) * at.types).reshape(count + 1, -1)
        subjects = world._errors(rng, (count + 1) * shares.shape[1]).reshape(count + 1, -1) @ shares.T
        each = np.sqrt(1 - world.subject) * errors + np.sqrt(world.subject) * subjects
        return np.sqrt(0.5) * (each[0] + each[1:])

    norms = columns(2)
    attributions = world.article * columns(3 * cells)
    noise = world._errors(rng, (3 * cells + 1) * at.types).reshape(3 * cells + 1, -1)
    spread = np.abs(norms[0]) if world.hetero else np.ones(at.types)
    attributions += world.noise * spread * (noise[0] + noise[1:]) / np.sqrt(at.counts.sum(1))
    if world.ties:
        norms = np.round(2 * norms) / 2
    norms[1, ::4] = np.nan
    return at, attributions, norms
