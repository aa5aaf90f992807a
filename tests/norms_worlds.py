"""Made-up worlds of words, articles and ratings of which the truth is known, and simulations of tests and intervals.

`python -m tests.measure_norms_coverage` prints them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from interp import stats
from interp.stats import Estimate, Occurrences


@dataclass(frozen=True)
class World:
    """Articles that speak about half of their tokens in words that all of them know, and half in words of their own.

    Attributes:
        articles: number of articles.
        tokens: number of tokens of each article.
        r: correlation over word types of expected value and rating.
        subject: share of the variance of ratings, and of expected values, that an article's own words have in common.
        article: standard deviation of what an article adds to the values of all its words.
        noise: standard deviation of what a word in an article, and again each of its occurrences, adds to its value.
        hetero: the standard deviation of the noise is the absolute rating.
        skewed: what articles and occurrences add has an exponential distribution, else a normal one.
        ties: ratings are whole numbers.
        rare: factor of the noise of an article's own words.
        shared, own: number of words that all articles know, and of those that one article knows.
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
    own: int = 15

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Occurrences]:
        """Return a sample: the value of each occurrence, the rating of each word type, and the occurrences."""
        homes = np.repeat(np.arange(self.articles), self.own)
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
            known = rng.choice(self.shared, common, p=_zipf(self.shared))
            of_its_own = rng.choice(self.own, self.tokens - common, p=_zipf(self.own))
            words += [known, self.shared + article * self.own + of_its_own]
        return np.concatenate(words), np.repeat(np.arange(self.articles), self.tokens)


def _zipf(count: int) -> np.ndarray:
    weights = 1 / np.arange(1, count + 1)
    return weights / weights.sum()


@dataclass(frozen=True)
class Coverage:
    """Intervals of many samples of a world.

    Attributes:
        types: mean number of word types.
        repeated: mean number of those in at least two articles.
        plain_mean: mean of the plain r, the population quantity that its interval is about.
        plain: share of the intervals of the plain r that hold it.
        truth: share of the intervals of the plain r that hold the correlation of expected values.
        defined: share of samples with an interval of the disattenuated r.
        median: median of the disattenuated r.
        disattenuated: share of its intervals that hold the correlation of expected values.
        width: median width of these.
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
    mean = float(np.mean([one.value for one in plain]))
    known = [one for one in expected if np.isfinite(one.low)]
    values = [one.value for one in known if np.isfinite(one.value)]
    return Coverage(
        float(np.mean([one.n for one in plain])),
        float(np.mean([one.n for one in expected])),
        mean,
        _share(plain, mean),
        _share(plain, world.r),
        len(known) / draws,
        float(np.median(values)) if values else np.nan,
        _share(known, world.r),
        float(np.median([one.high - one.low for one in known])) if known else np.nan,
    )


def _share(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([one.low <= truth <= one.high for one in estimates])) if estimates else np.nan


def family_error(world: World, cells: int, *, draws: int = 500, seed: int = 3, signs: int = 199) -> tuple[float, float]:
    """Return how often a null grid of cells, two norms and three routes has any p below 0.05, and the mean number of
    word types.

    Cells and norms resemble each other: half of the variance of each is common to all of them.
    """
    rng, found, types = np.random.default_rng(seed), 0, 0
    for number in range(draws):
        at, attributions, norms = null_grid(world, cells, rng)
        p = stats.max_statistic(attributions, norms, at.counts, draws=signs, seed=number).adjusted
        found += bool((p <= 0.05).any())
        types += at.types
    return found / draws, types / draws


def null_grid(world: World, cells: int, rng: np.random.Generator) -> tuple[Occurrences, np.ndarray, np.ndarray]:
    """Return occurrences, attributions (cells · 3, words) and two norms (2, words) that are uncorrelated with them.

    Only the noise of attributions depends on a rating, if the world wants that, and articles make words of theirs
    similar in both.
    """
    at = world.draw(rng)[2]
    homes = np.where(at.counts.argmax(1)[:, None] == np.arange(at.counts.shape[1]), 1.0, 0.0)
    own = (at.counts > 0).sum(1) == 1
    shares = np.where(own[:, None], homes, at.counts / at.counts.sum(1, keepdims=True))

    def columns(count: int) -> np.ndarray:
        """Variables of word types, of which words of the same articles are similar."""
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
