"""Simulated data in articles with known true values, and the coverage of the 95 % intervals of this project."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import product

import numpy as np

from interp import stats
from interp.stats import Estimate

DRAWS = 500
EACH = 8  # mean number of pairs in an article
GAP, SHIFT, LEFT, R, HIT = 0.8, 1.2, 0.3, 0.5, 0.8  # true values; the value of a pair has variance 1
WITHIN = 0.5  # effect of swaps within a kind, relative to swaps across kinds


@dataclass(frozen=True)
class Sample:
    """Settings for drawing articles and pairs.

    Attributes:
        articles: number of articles.
        uneven: True for log-normal sizes (σ 1.2), False for equal sizes.
        skewed: True for exponential effects of articles, False for normal effects.
        icc: share of the variance that the effects of articles explain.
    """

    articles: int
    uneven: bool
    skewed: bool
    icc: float

    def sizes(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw the article of each pair."""
        sizes = np.full(count, EACH)
        if self.uneven:
            sizes = np.maximum(1, np.round(rng.lognormal(math.log(EACH) - 1.2**2 / 2, 1.2, count))).astype(int)
        return np.repeat(np.arange(count), sizes)

    def effects(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draw the effect of each article, with mean 0 and variance 1."""
        return rng.exponential(size=count) - 1 if self.skewed else rng.normal(size=count)

    def values(self, rng: np.random.Generator, article: np.ndarray) -> np.ndarray:
        """Draw the value of each pair, with mean 0 and variance 1."""
        effects = self.effects(rng, article.max() + 1)
        return math.sqrt(self.icc) * effects[article] + math.sqrt(1 - self.icc) * rng.normal(size=len(article))

    def swaps(self, rng: np.random.Generator, base: np.ndarray, source: np.ndarray) -> np.ndarray:
        """Draw the value of each intervention, with mean 0 and variance 1; half of an article's effect is as source."""
        as_base, as_source = (self.effects(rng, base.max() + 1) for _ in range(2))
        articles = math.sqrt(self.icc / 2) * (as_base[base] + as_source[source])
        return articles + math.sqrt(1 - self.icc) * rng.normal(size=len(base))

    @cache  # noqa: B019 (few entries)
    def threshold(self, roles: int) -> float:
        """Return the threshold that a share of `HIT` of the values exceeds."""
        rng, n = np.random.default_rng(0), 2_000_000
        effects = sum(self.effects(rng, n) for _ in range(roles)) / math.sqrt(roles)
        values = math.sqrt(self.icc) * effects + math.sqrt(1 - self.icc) * rng.normal(size=n)
        return float(np.quantile(values, 1 - HIT))


def sources(rng: np.random.Generator, article: np.ndarray, draws: int = 2) -> np.ndarray:
    """Draw sources of all pairs in random rings, if possible from another article than the base."""
    out = []
    for _ in range(draws):
        order = rng.permutation(len(article))
        source = np.empty(len(article), int)
        source[order] = np.roll(order, 1)
        for i in np.flatnonzero(article[source] == article):
            if article[source[i]] == article[i]:
                able = np.flatnonzero((article[source] != article[i]) & (article != article[source[i]]))
                if len(able):
                    j = rng.choice(able)
                    source[i], source[j] = source[j], source[i]
                else:
                    source[i] = rng.choice(np.flatnonzero(article != article[i]))
        out.append(source)
    return np.concatenate(out)


def _interventions(rng: np.random.Generator, sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    article = sample.sizes(rng, sample.articles)
    return np.tile(article, 2), article[sources(rng, article)]


def _yardstick(rng: np.random.Generator, sample: Sample) -> stats.Yardstick:
    """Draw the gap of train pairs, with three times as many articles as the test pairs."""
    article = sample.sizes(rng, 3 * sample.articles)
    return stats.yardstick(GAP + sample.values(rng, article), article)


def preference(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate the share of pairs whose gap is above a threshold."""
    article = sample.sizes(rng, sample.articles)
    return stats.clustered_share(sample.values(rng, article) > sample.threshold(1), article)


def gap(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate the mean over pairs."""
    article = sample.sizes(rng, sample.articles)
    return stats.clustered_mean(GAP + sample.values(rng, article), article)


def iia(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate the share of interventions that move a score far enough, averaged over both directions."""
    base, source = _interventions(rng, sample)
    hits = [sample.swaps(rng, base, source) > sample.threshold(2) for _ in range(2)]
    return stats.clustered_share(np.mean(hits, axis=0), base, source)


def shift_over_gap(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate the mean of interventions, divided by the gap of train pairs."""
    base, source = _interventions(rng, sample)
    moves = SHIFT * GAP + sample.swaps(rng, base, source)
    return stats.ratio_to(moves, _yardstick(rng, sample), base, source)


def r2(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate 1 - squared errors of interventions, in units of the gap, across kinds and within kinds."""
    base, source = _interventions(rng, sample)
    by, crossed = _yardstick(rng, sample), SHIFT * GAP + sample.swaps(rng, base, source)
    alike = WITHIN * sample.swaps(rng, base, source)
    moved = np.concatenate([crossed, alike]) / by.value
    missed = moved - np.repeat([1, 0], len(base))
    bases, given = np.tile(base, 2), np.tile(source, 2)
    return stats.measured_mean(2 * missed**2, -4 * missed * moved / by.value, by, bases, given).complement()


def gap_left(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate the ratio of the means of two values of the same pairs."""
    article = sample.sizes(rng, sample.articles)
    whole, other = GAP + sample.values(rng, article), sample.values(rng, article)
    return stats.ratio(LEFT * whole + 0.5 * other, whole, article)


def correlation(rng: np.random.Generator, sample: Sample) -> Estimate:
    """Estimate Pearson's r of two values of pairs."""
    article = sample.sizes(rng, sample.articles)
    x, other = sample.values(rng, article), sample.values(rng, article)
    return stats.correlate(x, R * x + math.sqrt(1 - R**2) * other, article)


STATISTICS: dict[str, tuple[Callable[[np.random.Generator, Sample], Estimate], float]] = {
    "preference": (preference, HIT),
    "gap": (gap, GAP),
    "IIA": (iia, HIT),
    "shift over gap": (shift_over_gap, SHIFT),
    "R²": (r2, 1 - (1 + WITHIN**2) / GAP**2 - (SHIFT - 1) ** 2),
    "gap left": (gap_left, LEFT),
    "correlation": (correlation, R),
}
SAMPLES = [
    Sample(articles, uneven, skewed, icc)
    for articles, uneven, skewed, icc in product([8, 20, 85], [False, True], [False, True], [0.1, 0.3])
]


@dataclass(frozen=True)
class Coverage:
    """Share of intervals that hold the true value, and share of draws without an interval."""

    covered: float
    refused: float


@cache
def measure(name: str, sample: Sample, draws: int = DRAWS, seed: int = 0) -> Coverage:
    """Measure how often intervals of a statistic hold the true value."""
    interval, truth = STATISTICS[name]
    rng = np.random.default_rng(seed)
    estimates = [interval(rng, sample) for _ in range(draws)]
    given = [estimate for estimate in estimates if math.isfinite(estimate.low)]
    covered = [estimate.low <= truth <= estimate.high for estimate in given]
    return Coverage(float(np.mean(covered)) if covered else math.nan, 1 - len(given) / draws)
