from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data import toy
from interp.data.norms import load_norm
from interp.data.toy_pictures import THEME_RGB, Scene, render


def scenes(n: int, split: str = "train", seed: int = 0) -> list[Scene]:
    return toy.sample_scenes(split, n, np.random.default_rng(seed))


@pytest.mark.parametrize("names", [toy.OBJECT_FIELDS, toy.CUE_FIELDS])
def test_combinations_are_divided_between_splits(names):
    parts = [set(toy.combinations(split, names)) for split in ("train", "val", "test")]
    total = np.prod([len(toy.WORDS[name]) for name in names])
    assert len(set.union(*parts)) == sum(map(len, parts)) == total
    for part in parts:  # every value of every attribute can be learned, and be asked for
        assert all({combination[i] for combination in part} == set(toy.WORDS[name]) for i, name in enumerate(names))


def test_both_kinds_of_text_single_out_about_as_many_scenes():
    sizes = [np.prod([len(toy.WORDS[name]) for name in names]) for names in (toy.OBJECT_FIELDS, toy.CUE_FIELDS)]
    assert 0.9 < sizes[0] / sizes[1] < 1.1


def test_texts_hold_only_words_of_the_vocabulary_and_tell_their_scenes_apart():
    rng, words = np.random.default_rng(0), set(toy.vocabulary())
    for scene in scenes(200):
        for templates in (toy.DESCRIPTIONS, toy.CAPTIONS, toy.PARTIAL_DESCRIPTIONS, toy.PARTIAL_CAPTIONS):
            assert set(toy.write(templates, scene, rng).split()) <= words
    for name, table in toy.WORDS.items():
        phrases = [phrase for phrases in table.values() for phrase in phrases]
        assert len(phrases) == len(set(phrases)), name


def test_enough_words_are_rated_and_span_the_scale():
    """The issue: at least 60 words of the world in the MRC norms, spanning imageability."""
    values = load_norm("imageability").of(toy.vocabulary())
    values = values[np.isfinite(values)]
    assert len(values) >= 60
    assert values.min() < 250
    assert values.max() > 600
    assert all((np.abs(values - middle) < 50).any() for middle in range(250, 650, 50))


def test_every_attribute_changes_the_picture():
    scene = scenes(1)[0]
    for name, table in toy.WORDS.items():
        pictures = []
        for value in table:
            changed = Scene(**(vars(scene) | {name: value}))
            pictures.append(render(changed, np.random.default_rng(0)).astype(int))
        for i, one in enumerate(pictures):
            for other in pictures[:i]:
                assert (np.abs(one - other).max(-1) > 25).sum() >= 12, name  # pixels that differ plainly


def test_unlike_flags_differ_in_two_bands():
    flags = list(THEME_RGB.values())
    assert all(sum(a != b for a, b in zip(x, y, strict=True)) >= 2 for i, x in enumerate(flags) for y in flags[:i])


@given(st.integers(0, 10_000))
def test_pictures_are_made_from_the_seed(seed):
    scene = scenes(1, seed=seed)[0]
    first, again = (render(scene, np.random.default_rng(seed)) for _ in range(2))
    assert (first.shape, first.dtype) == ((64, 64, 3), np.uint8)
    np.testing.assert_array_equal(first, again)


def test_distinct_scenes_share_nothing_that_a_text_could_name():
    chosen = toy.distinct_scenes("test", 64, np.random.default_rng(0))
    for names in (toy.OBJECT_FIELDS, toy.CUE_FIELDS):
        assert len({tuple(getattr(scene, name) for name in names) for scene in chosen}) == 64
    with pytest.raises(ValueError, match="too few combinations"):
        toy.distinct_scenes("test", 10_000, np.random.default_rng(0))


def test_pairs_of_the_world():
    pairs = toy.load_toy(toy.ToySize(6, 3, 4), seed=1)
    assert [pair.split for pair in pairs.pairs] == ["train"] * 6 + ["val"] * 3 + ["test"] * 4
    again = toy.load_toy(toy.ToySize(6, 3, 4), seed=1)
    assert again.pairs == pairs.pairs
    assert again.fingerprint == pairs.fingerprint
    assert again.open_image(again.pairs[5]).tobytes() == pairs.open_image(pairs.pairs[5]).tobytes()
    assert toy.load_toy(toy.ToySize(6, 3, 4), seed=2).fingerprint != pairs.fingerprint


def test_alike_scenes_differ_from_the_first_of_their_group_by_one_attribute_of_each_kind():
    chosen = toy.alike_scenes("train", 30, 8, np.random.default_rng(0))
    assert len(chosen) == 30
    for number, scene in enumerate(chosen):
        first = chosen[number // 8 * 8]
        for names in (toy.OBJECT_FIELDS, toy.CUE_FIELDS):
            assert tuple(getattr(scene, name) for name in names) in toy.combinations("train", names)
            differing = sum(getattr(scene, name) != getattr(first, name) for name in names)
            assert differing == (number % 8 != 0)


def test_sets_for_retrieval():
    pairs = toy.load_distinct(3, 20, seed=1)
    assert [pair.group for pair in pairs.pairs] == ["0"] * 20 + ["1"] * 20 + ["2"] * 20
    assert len({pair.id for pair in pairs.pairs}) == 60
    for group in "012":
        chosen = [pair for pair in pairs.pairs if pair.group == group]
        assert len({pair.positive for pair in chosen}) == len({pair.negative for pair in chosen}) == 20
    again, other = toy.load_distinct(3, 20, seed=1), toy.load_distinct(3, 20, seed=2)
    assert again.pairs == pairs.pairs
    assert again.fingerprint == pairs.fingerprint != other.fingerprint
    assert again.open_image(pairs.pairs[7]).tobytes() == pairs.open_image(pairs.pairs[7]).tobytes()
    assert pairs.open_image(pairs.pairs[8]).tobytes() != pairs.open_image(pairs.pairs[7]).tobytes()
    with pytest.raises(ValueError, match="too few combinations"):
        toy.load_distinct(1, 10_000)
