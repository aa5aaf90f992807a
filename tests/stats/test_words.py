from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pingouin
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.regression.linear_model import OLS

from interp import stats
from interp.stats import Occurrences
from tests.agreement import agree
from tests.oracles.plain_forward import percentiles
from tests.oracles.word_types import means_by_word, partial_by_residuals, sampled_articles


@dataclass(frozen=True)
class Texts:
    """Occurrences of word types in 12 articles, with what is known of occurrences and of types."""

    at: Occurrences
    values: np.ndarray
    described: np.ndarray
    ratings: np.ndarray
    other: np.ndarray
    length: np.ndarray

    @property
    def kept(self) -> list[int]:
        """Word types that occur and are rated."""
        return [word for word in sorted(set(self.at.words.tolist())) if not np.isnan(self.ratings[word])]

    def means(self, values: np.ndarray, rows: list[int]) -> dict[int, float]:
        return means_by_word(self.at.words[rows].tolist(), values[rows].tolist())


@pytest.fixture
def texts() -> Texts:
    """40 types, of which two do not occur and three have no rating."""
    rng, n, m = np.random.default_rng(0), 300, 40
    words, articles = rng.choice(m - 2, n, p=np.arange(1, m - 1) / (m - 2) / (m - 1) * 2), rng.integers(0, 12, n)
    length = rng.normal(size=m)
    ratings = length + rng.normal(size=m)
    described = rng.integers(0, 2, n).astype(float)
    values = 0.5 * ratings[words] + length[words] + described + rng.normal(size=12)[articles] + rng.normal(size=n)
    ratings[[3, 20, 30]] = np.nan
    other = np.nan_to_num(ratings) + rng.normal(size=m)
    return Texts(Occurrences(words, articles, m), values, described, ratings, other, length)


@given(st.integers(0, 1000), st.integers(0, 4), st.sampled_from(["pearson", "spearman"]))
def test_partial_correlations_are_pingouins(seed: int, count: int, method: stats.CorrelationMethod):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(30, 2 + count)).round(1) + rng.normal(size=(30, 1)).round(1))
    table.columns = names = ["x", "y", *(f"z{i}" for i in range(count))]
    found = stats.correlate(
        table.x, table.y, given=table[names[2:]].T.to_numpy() if count else None, method=method, draws=10
    )
    if not count:
        r, p = getattr(scipy_stats, {"pearson": "pearsonr", "spearman": "spearmanr"}[method])(table.x, table.y)
    else:
        theirs = pingouin.partial_corr(table, "x", "y", names[2:], method=method)
        r, p = theirs.r.item(), theirs.filter(regex="p.?val").iloc[0, 0]
    agree("partial correlation", found.value, r)
    assert stats.p_value(found.value, found.n, count) == pytest.approx(p, abs=1e-10)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_standardized_coefficients_are_those_of_statsmodels(seed: int, count: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 25)) + rng.normal(size=25)
    y = x.sum(0) + rng.normal(0, 2, 25)
    found = stats.regress(y, x, draws=300)
    theirs = OLS(scipy_stats.zscore(y), scipy_stats.zscore(x, axis=1).T).fit().params
    agree("coefficients", [one.value for one in found], theirs)
    assert all(one.low < one.value < one.high for one in found)
    scaled = stats.regress(-3 * y + 1, 1e6 * x, draws=300)
    for one, other in zip(found, scaled, strict=True):
        assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low), abs=1e-9)


def test_an_interval_of_a_coefficient_is_that_of_samples_written_out():
    rng = np.random.default_rng(0)
    x, groups = rng.normal(size=(2, 40)), np.arange(40) // 2
    y = x[0] + rng.normal(size=40)

    def coefficient(rows: list[int]) -> float:
        return OLS(scipy_stats.zscore(y[rows]), scipy_stats.zscore(x[:, rows], axis=1).T).fit().params[0]

    found, _ = stats.regress(y, x, groups, draws=100)
    naive = np.array(sampled_articles(groups.tolist(), coefficient, 100))
    assert (found.low, found.high) == pytest.approx(percentiles(naive), abs=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("controlled", [False, True])
def test_samples_of_articles_take_the_means_of_words_anew(
    texts: Texts, method: stats.CorrelationMethod, controlled: bool
):
    def naive(rows: list[int]) -> float:
        means, kind = texts.means(texts.values, rows), texts.means(texts.described, rows)
        words = [word for word in texts.kept if word in means]
        columns = [[means[w] for w in words], texts.ratings[words], texts.length[words], [kind[w] for w in words]]
        columns = [scipy_stats.rankdata(one) if method == "spearman" else one for one in columns]
        return partial_by_residuals(columns[0], columns[1], columns[2:] if controlled else ())

    rest = {"given": [texts.length], "given_means": [texts.described]} if controlled else {}
    found = stats.correlate_words(texts.values, texts.ratings, texts.at, **rest, method=method, draws=60)
    assert found.n == len(texts.kept) == 35
    assert found.value == pytest.approx(naive(list(range(300))), abs=1e-10)
    sampled = sampled_articles(texts.at.articles.tolist(), naive, 60)
    assert (found.low, found.high) == pytest.approx(percentiles(np.array(sampled)), abs=1e-9)
    if not controlled:
        means = texts.at.means(texts.values)
        by_type = stats.correlate(means, texts.ratings, method=method, draws=10)
        assert (by_type.value, by_type.n) == (pytest.approx(found.value, abs=1e-12), found.n)


def test_a_regression_over_words_is_that_of_statsmodels_in_each_sample(texts: Texts):
    def naive(rows: list[int]) -> float:
        means = texts.means(texts.values, rows)
        words = [word for word in texts.kept if word in means]
        x = scipy_stats.zscore(np.stack([texts.ratings[words], texts.other[words]]), axis=1)
        return OLS(scipy_stats.zscore([means[word] for word in words]), x.T).fit().params[0]

    found, other = stats.regress_words(texts.values, [texts.ratings, texts.other], texts.at, draws=60)
    assert found.value == pytest.approx(naive(list(range(300))), abs=1e-10)
    sampled = np.array(sampled_articles(texts.at.articles.tolist(), naive, 60))
    assert (found.low, found.high) == pytest.approx(percentiles(sampled), abs=1e-9)
    assert found.low > 0 > other.low


def test_articles_that_say_the_same_make_no_interval_narrower(texts: Texts):
    """Words that 12 articles repeat word for word: of types there are as many, of articles nothing varies."""
    at = Occurrences(np.tile(np.arange(20), 12), np.repeat(np.arange(12), 20), 20)
    rng = np.random.default_rng(0)
    values, ratings = rng.normal(size=20), rng.normal(size=20)
    found = stats.correlate_words(np.tile(values, 12), ratings, at, draws=50)
    assert (found.low, found.high) == pytest.approx((found.value, found.value))
    by_type = stats.correlate(values, ratings)
    assert by_type.high - by_type.low > 0.5


def test_what_is_undefined_of_words_is_nan(texts: Texts):
    constant = np.ones(40)
    for found in (
        stats.correlate_words(texts.values, constant, texts.at, draws=10),
        stats.correlate_words(0 * texts.values, texts.ratings, texts.at, draws=10),
        stats.correlate_words(texts.values, texts.ratings * np.nan, texts.at, draws=10),
        stats.correlate_words(texts.values, texts.length, texts.at, given=[texts.length], draws=10),
        *stats.regress_words(texts.values, [texts.ratings, texts.ratings * 2], texts.at, draws=10),
        *stats.regress_words(texts.values, [texts.ratings, constant], texts.at, draws=10),
        *stats.regress(texts.length, [texts.other, texts.other + 1], draws=10),
        *stats.regress([1, 2, 3], [[1, 3, 2], [2, 2, 1]], draws=10),
        *stats.regress([], np.zeros((2, 0)), draws=10),
    ):
        assert np.isnan([found.value, found.low, found.high]).all(), found
    nowhere = Occurrences(np.zeros(0, int), np.zeros(0, int), 40)
    assert math.isnan(stats.correlate_words([], texts.ratings, nowhere).value)
    one = Occurrences(texts.at.words, texts.at.articles // 6, 40)
    few = stats.correlate_words(texts.values, texts.ratings, one)
    assert math.isfinite(few.value)
    assert math.isnan(few.low)


def test_what_does_not_fit_is_refused(texts: Texts):
    with pytest.raises(ValueError, match=r"words and articles must be .* of one length, got \(2,\) and \(3,\)"):
        Occurrences(np.array([0, 1]), np.array([0, 1, 2]), 2)
    with pytest.raises(ValueError, match="with 2 word types, words are numbers from 0 to 1"):
        Occurrences(np.array([0, 2]), np.array([0, 1]), 2)
    with pytest.raises(ValueError, match=r"ratings must be of shape \(40,\), got \(3,\)"):
        stats.correlate_words(texts.values, [1, 2, 3], texts.at)
    with pytest.raises(ValueError, match=r"values must be of shape \(300,\), got \(300,\) and \(2,\)"):
        stats.correlate_words(texts.values, texts.ratings, texts.at, given_means=[[1.0, 2.0]])
