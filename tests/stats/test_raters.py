"""Tests of the variances of people, items and rest, of alpha, and of the order within groups."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.blv import load_blv
from interp.stats import RaterVariances, crossed_effects, krippendorff_alpha, order_within, rater_variances

# Published ratings (Kreiss et al. 2022), 16 people x 68 items: people, items, rest, reliability of four readers
PUBLISHED = {
    "overall": (0.144, 0.455, 1.104, 0.593),
    "imaginability": (0.332, 0.348, 0.770, 0.558),
    "relevance": (0.260, 0.338, 1.158, 0.488),
    "irrelevance": (0.597, 0.106, 1.206, 0.191),
}


@pytest.mark.parametrize("question", PUBLISHED)
def test_variances_of_the_published_ratings(published: Path, question: str):
    texts = load_blv(published / "blv").texts
    ratings = [rating for text in texts for rating in text.answers[question]]
    people = [reader for text in texts for reader in text.readers]
    variances = rater_variances(ratings, people, [str(i) for i, text in enumerate(texts) for _ in text.readers])
    assert len(ratings) == 272
    assert (variances.people, variances.items, variances.rest) == pytest.approx(PUBLISHED[question][:3], abs=6e-4)
    assert variances.reliability(4) == pytest.approx(PUBLISHED[question][3], abs=6e-4)


@pytest.mark.parametrize("seed", range(4))
def test_of_a_full_table_they_are_those_of_the_analysis_of_variance(seed: int):
    """Test a complete table without zero variances, for which REML gives the estimators of mean squares."""
    draw, (p, n) = np.random.default_rng(seed), (7, 12)
    table = draw.normal(0, 1.5, (p, 1)) + draw.normal(0, 2, (1, n)) + draw.normal(0, 0.7, (p, n))
    of_people, of_items = table.mean(1, keepdims=True), table.mean(0, keepdims=True)
    rest = ((table - of_people - of_items + table.mean()) ** 2).sum() / ((p - 1) * (n - 1))
    people = (n * of_people.var(ddof=1) - rest) / n
    items = (p * of_items.var(ddof=1) - rest) / p
    assert min(people, items) > 0
    order = draw.permutation(p * n)
    rows, columns = np.divmod(order, n)
    variances = rater_variances(table.ravel()[order], [f"p{i}" for i in rows], [f"i{i}" for i in columns])
    assert (variances.people, variances.items, variances.rest) == pytest.approx((people, items, rest), rel=1e-3)


def test_missing_ratings_are_left_out():
    draw = np.random.default_rng(0)
    people, items = [f"p{i % 6}" for i in range(60)], [f"i{i // 6}" for i in range(60)]
    ratings = draw.normal(size=60)
    with_gaps = ratings.copy()
    with_gaps[[3, 17, 40]] = math.nan
    rest = [i for i in range(60) if i not in (3, 17, 40)]
    alone = rater_variances(ratings[rest], [people[i] for i in rest], [items[i] for i in rest])
    assert rater_variances(with_gaps, people, items) == alone
    assert alone != rater_variances(ratings, people, items)


@pytest.mark.parametrize(
    ("ratings", "people", "items"),
    [
        ([], [], []),
        ([math.nan], ["p"], ["i"]),
        ([3.0, 3.0, 3.0, 3.0], list("ppqq"), list("ijij")),  # nothing varies
        ([1.0, 2.0, 3.0], list("ppp"), list("ijk")),  # one reader
        ([1.0, 2.0, 3.0, 4.0], list("pqrs"), list("iijj")),  # each reader has one text
    ],
)
def test_where_they_cannot_be_told_apart_there_are_none(ratings: list[float], people: list[str], items: list[str]):
    variances = rater_variances(ratings, people, items)
    assert all(math.isnan(value) for value in (variances.people, variances.items, variances.rest, variances.ceiling(4)))


def test_more_readers_are_more_reliable():
    variances = RaterVariances(0.5, 1.0, 2.0)
    reliabilities = [variances.reliability(raters) for raters in (1, 2, 4, 1000)]
    assert reliabilities == sorted(reliabilities)
    assert variances.reliability(1) == pytest.approx(1 / 3.5)
    assert variances.ceiling(4) == math.sqrt(variances.reliability(4))


values = st.sampled_from([0.0, 1.0, 2.0, 3.0])
rated = st.one_of(values, st.just(math.nan))


@given(st.lists(st.tuples(values, rated, st.sampled_from("abc")), max_size=12))
def test_the_order_is_that_of_a_loop(rows: list[tuple[float, float, str]]):
    hits = []
    for first, other in combinations(rows, 2):
        if first[2] == other[2] and first[1] != other[1] and not math.isnan(first[1] + other[1]):
            low, high = sorted((first, other), key=lambda row: row[1])
            hits.append(1.0 if low[0] < high[0] else 0.5 if low[0] == high[0] else 0.0)
    scores, ratings, groups = ([row[place] for row in rows] for place in range(3))
    estimate = order_within(np.array(scores, dtype=float), np.array(ratings, dtype=float), groups)
    assert estimate.n == len(hits)
    assert estimate.value == pytest.approx(np.mean(hits) if hits else math.nan, nan_ok=True)


def test_the_order_of_published_scores(published: Path):
    rated_texts = load_blv(published / "blv").texts
    ratings, images = [text.ratings["overall"] for text in rated_texts], [text.image for text in rated_texts]
    length = order_within([len(text.description) for text in rated_texts], ratings, images)
    assert (length.n, round(length.value, 3)) == (91, 0.78)
    assert length.low < length.value < length.high


# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units.
OBSERVED = """\
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 ."""


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_own_example(level, alpha: float):
    rows = [
        (float(value), f"observer {observer}", f"unit {unit}")
        for observer, line in enumerate(OBSERVED.splitlines())
        for unit, value in enumerate(line.split())
        if value != "."
    ]
    values, people, items = map(list, zip(*rows, strict=True))
    assert krippendorff_alpha(values, people, items, level) == pytest.approx(alpha, abs=5e-4)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)), min_size=6, max_size=30))
def test_nominal_alpha_is_observed_over_expected_disagreement(rows):
    table = {(person, item): value for value, person, item in rows}
    people, items = zip(*table, strict=True)
    values = list(table.values())
    of_item = {item: [value for (_, other), value in table.items() if other == item] for item in items}
    paired = {item: answers for item, answers in of_item.items() if len(answers) > 1}
    pool = [value for answers in paired.values() for value in answers]
    expected = sum(a != b for a in pool for b in pool) / (len(pool) * (len(pool) - 1)) if len(pool) > 1 else 0
    alpha = krippendorff_alpha(values, [f"p{code}" for code in people], [f"i{code}" for code in items], "nominal")
    if not expected:
        assert math.isnan(alpha)
        return
    observed = sum(
        sum(a != b for a in answers for b in answers) / (len(answers) - 1) for answers in paired.values()
    ) / len(pool)
    assert alpha == pytest.approx(1 - observed / expected, abs=1e-9)


def test_crossed_effects_of_a_full_table_are_those_of_least_squares():
    """Test a fixed effect that is balanced within people and items, whose estimate is the plain contrast."""
    draw = np.random.default_rng(2)
    people, items = np.repeat(np.arange(10), 8), np.tile(np.arange(8), 10)
    side = np.where((people + items) % 2, 0.5, -0.5)
    values = 0.4 * side + draw.normal(size=10)[people] + draw.normal(size=8)[items] + 0.3 * draw.normal(size=80)
    effects = crossed_effects(values, {"side": side}, [f"p{code}" for code in people], [f"i{code}" for code in items])
    assert effects["mean"].value == pytest.approx(values.mean(), abs=1e-6)
    assert effects["side"].value == pytest.approx(values[side > 0].mean() - values[side < 0].mean(), abs=1e-6)
    assert effects["side"].low < 0.4 < effects["side"].high
    assert effects["mean"].high - effects["mean"].low > 2 * (effects["side"].high - effects["side"].low)
