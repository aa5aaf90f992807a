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
from interp.stats import Occurrences, reliability
from interp.stats.moments import coefficients, covariances, covariances_without_each
from tests.agreement import agree
from tests.norms_worlds import World
from tests.oracles.word_types import (
    expected_correlation,
    jackknife,
    means_by_word,
    partial_by_residuals,
)
from tests.wording import raises


@dataclass(frozen=True)
class Texts:
    """Occurrences of word types in 12 articles, with variables of occurrences and of types."""

    at: Occurrences
    values: np.ndarray
    described: np.ndarray
    ratings: np.ndarray
    other: np.ndarray
    length: np.ndarray

    @property
    def kept(self) -> list[int]:
        """Word types that occur and have a rating."""
        return [word for word in sorted(set(self.at.words.tolist())) if not np.isnan(self.ratings[word])]

    @property
    def places(self) -> list[list[int]]:
        """Articles of the occurrences of each type in `kept`."""
        return [self.at.articles[self.at.words == word].tolist() for word in self.kept]

    def means(self, values: np.ndarray, rows: list[int]) -> dict[int, float]:
        return means_by_word(self.at.words[rows].tolist(), values[rows].tolist())


@pytest.fixture
def texts() -> Texts:
    """Return occurrences of 40 types, of which two do not occur and three have no rating."""
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
    estimate = stats.correlate(
        table.x, table.y, given=table[names[2:]].T.to_numpy() if count else None, method=method, draws=10
    )
    if not count:
        r, p = getattr(scipy_stats, {"pearson": "pearsonr", "spearman": "spearmanr"}[method])(table.x, table.y)
    else:
        theirs = pingouin.partial_corr(table, "x", "y", names[2:], method=method)
        r, p = theirs.r.item(), theirs.filter(regex="p.?val").iloc[0, 0]
    agree("partial correlation", estimate.value, r)
    freedom = estimate.n - 2 - count
    t = abs(estimate.value) * math.sqrt(freedom / (1 - estimate.value**2))
    assert 2 * scipy_stats.t.sf(t, freedom) == pytest.approx(p, abs=1e-10)


@given(st.integers(0, 1000), st.integers(1, 3))
def test_standardized_coefficients_are_those_of_statsmodels(seed: int, count: int):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 25)) + rng.normal(size=25)
    y = x.sum(0) + rng.normal(0, 2, 25)
    (betas,), (scaled,) = (
        coefficients(covariances(np.stack(columns), np.ones((1, 25))))
        for columns in ([y, *x], [-3 * y + 1, *(1e6 * x)])
    )
    theirs = OLS(scipy_stats.zscore(y), scipy_stats.zscore(x, axis=1).T).fit().params
    agree("coefficients", betas, theirs)
    assert scaled == pytest.approx(-betas, abs=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman"])
@pytest.mark.parametrize("controlled", [False, True])
def test_a_correlation_over_words_is_that_of_word_types_left_out_one_by_one(
    texts: Texts, method: stats.CorrelationMethod, controlled: bool
):
    rows = list(range(len(texts.values)))
    means, kind = texts.means(texts.values, rows), texts.means(texts.described, rows)
    columns = np.array([[means[w], texts.ratings[w], texts.length[w], kind[w]] for w in texts.kept]).T
    columns = columns if controlled else columns[:2]
    columns = scipy_stats.rankdata(columns, axis=1) if method == "spearman" else columns
    value, low, high = jackknife(
        columns, texts.places, lambda sample: partial_by_residuals(sample[0], sample[1], sample[2:]), fisher=True
    )
    rest = {"given": [texts.length], "given_means": [texts.described]} if controlled else {}
    estimate = stats.correlate_words(texts.values, texts.ratings, texts.at, **rest, method=method)
    assert estimate.n == len(texts.kept) == 35
    agree("words", [estimate.value, estimate.low, estimate.high], [value, low, high])
    assert low < value < high
    if not controlled:
        by_type = stats.correlate(texts.at.means(texts.values), texts.ratings, method=method, draws=10)
        assert (by_type.value, by_type.n) == (pytest.approx(estimate.value, abs=1e-12), estimate.n)


def test_a_regression_over_words_is_that_of_statsmodels_without_each_type(texts: Texts):
    means = texts.means(texts.values, list(range(len(texts.values))))
    columns = np.array([[means[w], texts.ratings[w], texts.other[w]] for w in texts.kept]).T

    def coefficient(number: int, sample: np.ndarray) -> float:
        y, *x = scipy_stats.zscore(sample, axis=1)
        return OLS(y, np.array(x).T).fit().params[number]

    estimates = stats.regress_words(texts.values, [texts.ratings, texts.other], texts.at)
    for number, estimate in enumerate(estimates):
        wanted = jackknife(columns, texts.places, lambda sample, i=number: coefficient(i, sample), fisher=False)
        agree("words", [estimate.value, estimate.low, estimate.high], wanted)
    assert all(estimate.low < estimate.value < estimate.high for estimate in estimates)


@given(st.integers(0, 1000), st.floats(-5, 5), st.sampled_from([1e-3, 1.0, -1e3]))
def test_correlations_over_words_follow_neither_scale_nor_order_nor_names(seed: int, shift: float, scale: float):
    rng, n, m = np.random.default_rng(seed), 200, 20
    words, articles = rng.integers(0, m, n), rng.integers(0, 9, n)
    ratings = rng.normal(size=m)
    values = ratings[words] + rng.normal(size=n)
    order, named = rng.permutation(n), rng.permutation(9)
    at, mixed = Occurrences(words, articles, m), Occurrences(words[order], named[articles[order]], m)
    for correlate in (stats.correlate_words, lambda *arguments: stats.disattenuate(*arguments).r):
        estimate, other = correlate(values, ratings, at), correlate(scale * values[order] + shift, ratings, mixed)
        ends = (
            [estimate.value, estimate.low, estimate.high]
            if scale > 0
            else [-estimate.value, -estimate.high, -estimate.low]
        )
        assert [other.value, other.low, other.high] == pytest.approx(ends, abs=1e-7, nan_ok=True)


@given(st.integers(0, 1000), st.integers(1, 4), st.integers(3, 12))
def test_covariances_without_each_unit_are_weighted_ones(seed: int, p: int, n: int):
    columns = np.random.default_rng(seed).normal(size=(p, n)).round(1)
    ours = covariances_without_each(columns)
    np.testing.assert_allclose(ours, covariances(columns, 1 - np.eye(n)), atol=1e-12)
    spread = np.where(columns.std(1) > 0, columns.std(1), 1)
    naive = np.cov(np.delete(columns, n - 1, axis=1), bias=True).reshape(p, p) / np.outer(spread, spread)
    np.testing.assert_allclose(ours[n - 1], naive, atol=1e-12)


def test_words_of_the_same_articles_count_as_one():
    """Test twenty similar types in each of four articles, whose interval is that of four units instead of eighty."""
    rng, articles = np.random.default_rng(0), np.repeat(np.arange(4), 20)
    subject = rng.normal(size=(2, 4))
    values, ratings = subject[:, articles] + 0.1 * rng.normal(size=(2, 80))
    together = stats.correlate_words(values, ratings, Occurrences(np.arange(80), articles, 80))
    apart = stats.correlate_words(values, ratings, Occurrences(np.arange(80), np.arange(80), 80))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 3 * (apart.high - apart.low)


def test_what_is_undefined_of_words_is_nan(texts: Texts):
    constant = np.ones(40)
    for estimate in (
        stats.correlate_words(texts.values, constant, texts.at),
        stats.correlate_words(0 * texts.values, texts.ratings, texts.at),
        stats.correlate_words(texts.values, texts.ratings * np.nan, texts.at),
        stats.correlate_words(texts.values, texts.length, texts.at, given=[texts.length]),
        *stats.regress_words(texts.values, [texts.ratings, texts.ratings * 2], texts.at),
        *stats.regress_words(texts.values, [texts.ratings, constant], texts.at),
    ):
        assert np.isnan([estimate.value, estimate.low, estimate.high]).all(), estimate
    nowhere = Occurrences(np.zeros(0, int), np.zeros(0, int), 40)
    assert math.isnan(stats.correlate_words([], texts.ratings, nowhere).value)
    two = Occurrences(texts.at.words, texts.at.articles // 6, 40)
    few = stats.correlate_words(texts.values, texts.ratings, two)
    assert math.isfinite(few.value)
    assert math.isnan(few.low)
    same = stats.correlate_words(texts.length[texts.at.words], texts.length, texts.at)
    assert same.value == pytest.approx(1)
    assert math.isnan(same.low)  # Fisher's z is infinite


@pytest.mark.parametrize("seed", range(4))
def test_a_disattenuated_correlation_is_that_of_pairs_of_types_and_of_articles_one_by_one(texts: Texts, seed: int):
    noise = np.random.default_rng(seed).normal(size=len(texts.values))
    values = texts.values + (0.5, 1.0, 6.0, 40.0)[seed] * noise
    occurrences: list[list[tuple[int, float]]] = [[] for _ in range(40)]
    for word, article, value in zip(texts.at.words, texts.at.articles, values, strict=True):
        occurrences[word].append((int(article), float(value)))
    n, reliability, wanted = expected_correlation(occurrences, texts.ratings.tolist())
    corrected = stats.disattenuate(values, texts.ratings, texts.at)
    assert corrected.r.n == n
    agree("words", corrected.reliability, reliability)
    agree("words", [corrected.r.value, corrected.r.low, corrected.r.high], wanted, or_nan=True)
    assert (corrected.reason == "") == math.isfinite(corrected.r.value)
    assert math.isfinite(corrected.r.value) == (seed < 2)
    if seed == 0:
        plain = stats.correlate_words(values, texts.ratings, texts.at)
        assert abs(corrected.r.value) > abs(plain.value)
        assert 0 < corrected.reliability < 1


def test_without_noise_nothing_is_disattenuated(texts: Texts):
    """Test types with equal values in all articles: they are reliable, and r is the plain r over repeated types."""
    rng = np.random.default_rng(0)
    expected = np.nan_to_num(texts.ratings) + rng.normal(size=40)
    corrected = stats.disattenuate(expected[texts.at.words], texts.ratings, texts.at)
    repeated = [word for word in texts.kept if len(set(texts.at.articles[texts.at.words == word].tolist())) > 1]
    assert corrected.reliability == pytest.approx(1)
    assert corrected.r.n == len(repeated) < len(texts.kept)
    assert corrected.r.value == pytest.approx(np.corrcoef(expected[repeated], texts.ratings[repeated])[0, 1], abs=0.02)


def test_a_disattenuated_correlation_says_why_it_is_undefined(texts: Texts):
    rng = np.random.default_rng(1)
    ratings = np.where(np.arange(40) < 8, texts.ratings, np.nan)
    cases = {
        reliability.FEW: stats.disattenuate(texts.values, ratings, texts.at),
        reliability.CONSTANT: stats.disattenuate(texts.values, np.ones(40), texts.at),
        reliability.UNRELIABLE: stats.disattenuate(rng.normal(size=len(texts.values)), texts.ratings, texts.at),
    }
    for reason, corrected in cases.items():
        assert corrected.reason == reason
        assert np.isnan([corrected.r.value, corrected.r.low, corrected.r.high]).all()
    once = Occurrences(np.arange(40), np.arange(40) // 4, 40)
    assert stats.disattenuate(texts.length, texts.length, once).reason == reliability.FEW
    two = Occurrences(texts.at.words, texts.at.articles // 6, 40)
    assert stats.disattenuate(texts.values, texts.length, two).reason == reliability.FEW


def test_an_estimate_beyond_one_is_no_number_and_its_interval_stays():
    """Test expected values close to the ratings, for which noise makes half of the estimates too large."""
    world = World(articles=85, tokens=20, r=0.98)
    rng, beyond, intervals = np.random.default_rng(0), 0, 0
    for _ in range(40):
        corrected = stats.disattenuate(*world.draw(rng))
        assert corrected.reason == (reliability.BEYOND if math.isnan(corrected.r.value) else "")
        beyond += math.isnan(corrected.r.value)
        if math.isfinite(corrected.r.low):  # an interval may lie beyond 1 as a whole
            assert 0 < corrected.r.low < corrected.r.high <= 1
            intervals += 1
    assert 8 <= beyond <= 32
    assert intervals >= 36


def test_variances_of_means_are_unbiased():
    rng, articles = np.random.default_rng(0), np.array([0, 0, 0, 0, 1, 1, 2, 3])
    at = Occurrences(np.zeros(8, int), articles, 1)
    variances = []
    for _ in range(4000):
        values = rng.normal(size=4)[articles]  # all occurrences in an article share a value
        variances.append(reliability.variances_of_means(at.counts, at.totals(values))[0])
    shares = np.array([4, 2, 1, 1]) / 8
    assert np.mean(variances) == pytest.approx((shares**2).sum(), rel=0.05)


def test_what_does_not_fit_is_refused(texts: Texts):
    with raises(ValueError, "words", "articles", "(2,)", "(3,)"):
        Occurrences(np.array([0, 1]), np.array([0, 1, 2]), 2)
    with raises(ValueError, "words", 2, 0, 1):
        Occurrences(np.array([0, 2]), np.array([0, 1]), 2)
    with raises(ValueError, "ratings", "(40,)", "(3,)"):
        stats.correlate_words(texts.values, [1, 2, 3], texts.at)
    with raises(ValueError, "values", "(300,)", "(2,)"):
        stats.correlate_words(texts.values, texts.ratings, texts.at, given_means=[[1.0, 2.0]])
    with raises(ValueError, "(300,)", "(40,)", "(3,)"):
        stats.disattenuate(texts.values, [1, 2, 3], texts.at)
