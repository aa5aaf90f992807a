"""Tests of the choice of attributed pairs, against a loop over texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.attribution.sampling import attributed_pairs, draw_rated
from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.data import load_pairs
from interp.data.norms import Norm, load_norms

NORMS = [Norm("one", "made up", {"a": 1.0, "b": 2.0}), Norm("two", "made up", {"c": 3.0})]
text = st.lists(st.sampled_from("abcxyz"), max_size=3).map(tuple)


@pytest.mark.slow
@given(st.lists(st.tuples(text, text), min_size=1, max_size=12), st.integers(1, 15), st.integers(0, 5))
def test_pairs_are_drawn_from_those_whose_texts_both_hold_rated_words(pairs, count: int, seed: int):
    words = [pair[0] for pair in pairs] + [pair[1] for pair in pairs]
    drawn, notes = draw_rated(words, NORMS, count, seed)
    able = [i for i, both in enumerate(pairs) if all(set(each) & set("abc") for each in both)]
    assert drawn == sorted(set(drawn))
    assert len(drawn) == min(count, len(able) or len(pairs))
    assert set(drawn) <= set(able or range(len(pairs)))
    assert drawn == draw_rated(words, NORMS, count, seed)[0]
    if not able:
        assert len(notes) == 1
        assert notes[0].startswith(f"none of {len(pairs)} pairs has a rated word in each text")
    else:
        assert bool(notes) == (len(able) < min(count, len(pairs)))


def test_every_able_pair_is_drawn_as_often_as_any_other():
    words = [("a",), ("x",), ("b",), ("c",), ("a",), ("a",), ("a",), ("x",), ("b",), ("c",)]
    times = np.zeros(5)
    for seed in range(600):
        times[draw_rated(words, NORMS, 2, seed)[0]] += 1
    assert times[[1, 2]].tolist() == [0, 0]
    np.testing.assert_allclose(times[[0, 3, 4]], 400, atol=50)  # five standard deviations


def test_words_are_those_of_the_tokenizer(small: Clip):
    test = load_pairs("toy", limit=60).split("test")
    drawn, notes = attributed_pairs(small, image_features(small, test), load_norms("imageability"), 5)
    assert (len(drawn), notes) == (5, [])
    rated = load_norms("imageability")[0].ratings
    for i in drawn:
        for content in (test.pairs[i].positive, test.pairs[i].negative):
            assert any(word.strip(".,").lower() in rated for word in content.split())
    assert drawn != list(range(5))
