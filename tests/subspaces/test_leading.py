"""Tests of leading directions of a subspace, against an oracle in the whole stream and against a planted truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.runs.directions import LEAST_ARTICLES, LEAST_TEXTS, End, LeadingDirection
from interp.subspaces.leading import FOLDS, MEANS, TEXTS, WORDS, Text, axes, cross_fitted, leading, word_differences
from tests.oracles import leading as oracle

VOCABULARY = ["the", "of", "red", "star", "harbour", "3", ","]


def orthonormal(rng: np.random.Generator, d: int, k: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(d, k)))[0]


def worded(rng: np.random.Generator, pairs: int, articles: int) -> list[Text]:
    """Return texts of few words, so that some texts are equal."""
    article = rng.integers(0, articles, pairs)
    out = []
    for kind in ("alt", "caption"):
        for number in range(pairs):
            words = [VOCABULARY[i] for i in rng.integers(0, len(VOCABULARY), rng.integers(1, 5))]
            text = " ".join(words)
            text = text.title() if rng.random() < 0.3 else text
            out.append(Text(kind, text, words, f"p{number}", f"a{article[number]}"))
    return out


Case = tuple[np.ndarray, np.ndarray, list[Text]]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw streams of positive and then negative texts, shape (2 n, d), an orthonormal basis, and the texts."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    d, pairs = draw(st.integers(1, 9)), draw(st.integers(1, 25))
    k = draw(st.integers(1, d))
    streams = rng.normal(size=(2 * pairs, d)) * rng.uniform(0.2, 3, d) + rng.normal(size=d)
    streams[:pairs] += draw(st.sampled_from([0.0, 0.5, 2.0])) * rng.normal(size=d)
    return streams, orthonormal(rng, d, k), worded(rng, pairs, draw(st.integers(1, 12)))


def described(
    streams: np.ndarray, basis: np.ndarray, texts: list[Text], most: int = 3
) -> list[tuple[np.ndarray, LeadingDirection]]:
    """Return for each direction its unit vector in the whole stream, and its description."""
    inside = (streams - streams.mean(0)) @ basis
    return [(basis @ axis, leading(inside, title, axis, texts)) for title, axis in axes(inside, most)]


@given(cases(), st.integers(1, 9))
def test_directions_are_those_of_the_oracle(case: Case, most: int):
    streams, basis, texts = case
    directions, expected = described(streams, basis, texts, most), oracle.directions(streams, basis, most)
    assert len(directions) == len(expected) == min(most, len(oracle.directions(streams, basis, 9)))
    inside = oracle.projected(streams, basis)
    for (axis, direction), wanted in zip(directions, expected, strict=True):
        assert np.linalg.norm(axis) == pytest.approx(1)
        np.testing.assert_allclose(abs(axis @ wanted), 1, atol=1e-6)
        assert direction.share == pytest.approx(np.sum((inside @ axis) ** 2) / np.sum(inside**2))
    vectors = np.stack([axis for axis, _ in directions])
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(len(vectors)), atol=1e-6)
    if len(directions) == len(oracle.directions(streams, basis, 9)) < most:
        assert sum(direction.share for _, direction in directions) == pytest.approx(1)


@pytest.mark.slow
@given(cases())
def test_a_direction_is_described_as_by_the_oracle(case: Case):
    streams, basis, texts = case
    half = len(texts) // 2
    for axis, direction in described(streams, basis, texts):
        values = oracle.projected(streams, basis) @ axis
        auc = oracle.above(values[:half], values[half:])
        if direction.title == MEANS:
            assert values[:half].mean() > values[half:].mean()
            auc = oracle.cross_fitted(streams, basis, [text.article for text in texts[:half]], FOLDS)
        else:
            assert auc >= 0.5 - 1e-12
        assert direction.auc == pytest.approx(auc, nan_ok=True)
        values = values / values.std()
        differences = oracle.word_differences(values, texts, LEAST_TEXTS, LEAST_ARTICLES)
        for sign, end in zip((1, -1), direction.ends, strict=True):
            rows = oracle.texts_at(values, texts, sign, TEXTS)
            assert [(shown.kind, shown.text, shown.pair) for shown in end.texts] == [
                (texts[row].kind, texts[row].text, texts[row].pair) for row in rows
            ]
            np.testing.assert_allclose([shown.value for shown in end.texts], values[rows], atol=1e-9)
            wanted = sorted((-sign * value, word) for word, (value, _) in differences.items() if sign * value > 0)
            assert [word.word for word in end.words] == [word for _, word in wanted[:WORDS]]
            for word in end.words:
                assert (word.difference, word.texts) == (
                    pytest.approx(differences[word.word][0]),
                    differences[word.word][1],
                )


@given(cases(), st.integers(0, 2**31))
def test_another_basis_of_the_same_subspace_says_the_same(case: Case, seed: int):
    streams, basis, texts = case
    k = basis.shape[1]
    turned = basis @ orthonormal(np.random.default_rng(seed), k, k)
    original, rotated = described(streams, basis, texts), described(streams, turned, texts)
    for (axis, direction), (axis_again, again) in zip(original, rotated, strict=True):
        np.testing.assert_allclose(axis, axis_again, atol=1e-6)
        assert direction.title == again.title
        assert (again.share, again.auc) == pytest.approx((direction.share, direction.auc), nan_ok=True)
        for end, end_again in zip(direction.ends, again.ends, strict=True):
            assert [text.text for text in end.texts] == [text.text for text in end_again.texts]
            assert [word.word for word in end.words] == [word.word for word in end_again.words]


def planted() -> Case:
    """Return a case in which kinds differ along axis 1, texts with the word `star` along axis 2; axis 3 is noise."""
    rng, pairs = np.random.default_rng(3), 60
    texts = worded(rng, pairs, 20)
    streams = 0.3 * rng.normal(size=(2 * pairs, 6))
    streams[:pairs, 0] += 4
    streams[:, 1] += [2.0 * ("star" in text.words) for text in texts]
    return streams, np.eye(6)[:, :3], texts


def test_planted_directions_are_found():
    streams, basis, texts = planted()
    (first, kinds), (second, words), (_, noise) = described(streams, basis, texts)
    assert abs(first[0]) > 0.99
    assert kinds.auc == 1
    assert {text.kind for text in kinds.upper.texts} == {"alt"}
    assert {text.kind for text in kinds.lower.texts} == {"caption"}
    assert all(abs(word.difference) < 0.7 for end in kinds.ends for word in end.words)
    assert abs(second[1]) > 0.99
    assert words.auc == pytest.approx(0.5, abs=0.1)
    ((end, sign),) = [(end, sign) for end, sign in zip(words.ends, (1, -1), strict=True) if "star" in _first(end)]
    assert sign * end.words[0].difference > 1.5
    assert all("star" in text.text.lower() for text in end.texts)
    assert kinds.share > words.share > 5 * noise.share


def _first(end: End) -> str:
    return end.words[0].word if end.words else ""


def test_kinds_that_nothing_tells_apart_are_not_told_apart():
    """Along the difference of the same texts' means, the kinds would be separated."""
    rng = np.random.default_rng(0)
    inside = rng.normal(size=(200, 80))
    values = inside @ axes(inside, 1)[0][1]
    assert oracle.above(values[:100], values[100:]) > 0.75
    assert cross_fitted(inside, [str(i) for i in range(100)]) == pytest.approx(0.5, abs=0.08)


def test_one_article_cannot_be_judged_by_others():
    assert math.isnan(cross_fitted(np.random.default_rng(0).normal(size=(8, 2)), ["a"] * 4))


def test_means_that_agree_leave_components_alone():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(30, 4))
    inside = np.concatenate([half, half])
    assert [title for title, _ in axes(inside - inside.mean(0), 9)] == [
        f"principal component {number} of the rest" for number in range(1, 5)
    ]
    assert axes(np.zeros((6, 2)), 3) == []
    assert axes(np.zeros((6, 0)), 3) == []


@pytest.mark.parametrize(
    ("holders", "articles", "named"),
    [(5, 3, True), (4, 3, False), (5, 2, False), (10, 9, False)],  # in the last case, all texts contain the word
)
def test_words_of_few_texts_or_articles_are_left_out(holders: int, articles: int, named: bool):
    texts = [Text("alt", str(i), ["star"] if i < holders else ["of"], "p", str(i % articles)) for i in range(10)]
    words = {word.word for word in word_differences(np.arange(10.0), texts)}
    assert ("star" in words) == named
