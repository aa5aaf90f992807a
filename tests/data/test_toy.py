"""The toy world: its pictures, its texts, and its pairs."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.toy import pairs as toy
from interp.data.toy import words
from interp.data.toy.pictures import render
from interp.data.toy.scenes import (
    ARTICLE_FIELDS,
    OBJECT_FIELDS,
    VALUES,
    Scene,
    alike_scenes,
    combinations,
    sample_scene,
    sample_scenes,
)
from interp.data.toy.texts import vocabulary, write, write_pair
from interp.data.toy.writing import KINDS
from tests.wording import raises

TABLES = (
    words.SHAPES,
    words.COLOURS,
    words.SIZES,
    words.BACKGROUNDS,
    words.PLACES,
    words.EVENTS,
    words.ROLES,
    words.ERAS,
    words.ANY,
)


def scenes(n: int, split: str = "train", seed: int = 0) -> list[Scene]:
    return sample_scenes(split, n, np.random.default_rng(seed))


@pytest.mark.parametrize("names", [OBJECT_FIELDS, ARTICLE_FIELDS])
def test_combinations_are_divided_between_splits(names):
    parts = [set(combinations(split, names)) for split in ("train", "val", "test")]
    total = np.prod([len(VALUES[name]) for name in names])
    assert len(set.union(*parts)) == sum(map(len, parts)) == total
    for part in parts:  # every value of every attribute can be learned and tested
        for i, name in enumerate(names):
            there = {combination[i] for combination in part}
            assert len(there) >= 0.7 * len(VALUES[name]) if name == "flag" else there == set(VALUES[name])


def test_a_word_means_one_thing():
    every = [word for table in TABLES for synonyms in table.values() for word in synonyms]
    assert len(every) == len(set(every)) > 850
    phrases = [phrase for synonyms in words.ARRANGEMENTS.values() for phrase in synonyms]
    assert len(phrases) == len(set(phrases))


def test_names_are_of_one_look_each_and_no_words():
    towns = [names[0] for names in words.FLAGS.values()]
    families = [
        words.family(shape, colour, arrangement)
        for shape in words.SHAPES
        for colour in words.COLOURS
        for arrangement in words.ARRANGEMENTS
    ]
    years = [words.year(shape, colour) for shape in words.SHAPES for colour in words.COLOURS]
    assert (len(set(towns)), len(set(families)), len(set(years))) == (512, 256, 64)
    assert not {name.lower() for name in (*towns, *families)} & set(vocabulary())
    from interp.data.norms import load_norms

    for norm in load_norms("imageability,concreteness"):
        assert np.isnan(norm.of([*towns, *families])).all()


@cache
def meanings() -> dict[str, dict[str, set[str]]]:
    """Return word -> attribute -> values that the word allows."""
    meaning: dict[str, dict[str, set[str]]] = {}

    def mean(word: str, attribute: str, values: set[str]) -> None:
        meaning.setdefault(word.lower(), {})[attribute] = values

    for name, table in VALUES.items():
        for value, synonyms in table.items():
            for word in synonyms:
                mean(word, name, {value})
                if name == "shape":
                    mean(words.plural(word), name, {value})
                    meaning[words.plural(word).lower()]["arrangement"] = {"row", "stack"}
    for event, roles in words.ROLES.items():
        for word in roles:
            mean(word, "event", {event})
    for shape in words.SHAPES:
        for word in words.ERAS[words.era(shape)]:
            meaning.setdefault(word, {}).setdefault("shape", set()).add(shape)
        for colour in words.COLOURS:
            meaning.setdefault(words.year(shape, colour), {}).update(shape={shape}, colour={colour})
            for arrangement in words.ARRANGEMENTS:
                name = words.family(shape, colour, arrangement).lower()
                meaning[name] = {"shape": {shape}, "colour": {colour}, "arrangement": {arrangement}}
    return meaning


def told(text: str) -> dict[str, set[str]]:
    """Return attribute -> values that the words of a text allow, read without knowledge of its scene."""
    out: dict[str, set[str]] = {}
    phrases = [*re.findall(r"[\w]+", text.lower())]
    phrases += [
        phrase
        for phrase in (form for synonyms in words.ARRANGEMENTS.values() for form in synonyms)
        if phrase in text.lower()
    ]
    for word in phrases:
        for attribute, values in meanings().get(word, {}).items():
            out[attribute] = out.get(attribute, set(VALUES[attribute])) & values
    return out


def test_every_text_is_true_of_its_picture():
    rng = np.random.default_rng(0)
    for scene in scenes(400):
        for kind in KINDS:
            for partial in (False, True):
                text = write(kind, scene, rng, partial=partial)
                statements = told(text.text)
                for name, values in statements.items():
                    assert getattr(scene, name) in values, (text.text, name)
                if not partial:
                    assert text.stated - {"paired", "era"} <= set(statements) | {"arrangement"}, text


def test_whether_a_text_fits_another_scene_is_what_its_words_say():
    rng, every = np.random.default_rng(1), scenes(60, seed=5)
    for scene in every:
        for text in write_pair(scene, rng):
            statements = told(text.text)
            for other in every:
                fits = all(getattr(other, name) in values for name, values in statements.items())
                # only plurals state the number of things
                assert fits or not text.fits(scene, other)
                if "paired" not in text.stated:
                    assert fits == text.fits(scene, other), (text, other)


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_singles_its_scene_out(kind):
    rng = np.random.default_rng(2)
    every = sample_scenes("test", 500, rng)
    fitting = []
    for scene in every[:30]:
        text = write(kind, scene, rng)
        fitting.append(sum(text.fits(scene, other) for other in every))
    assert np.mean(fitting) < 3  # of 500 scenes, which include its own scene


def test_texts_hold_only_words_of_the_vocabulary_names_and_years():
    allowed, rng = set(vocabulary()), np.random.default_rng(0)
    for scene in scenes(300):
        names = {words.FLAGS[scene.flag][0].lower(), words.family(scene.shape, scene.colour, scene.arrangement).lower()}
        names |= {words.year(scene.shape, scene.colour), *map(words.plural, words.SHAPES[scene.shape])}
        for kind in KINDS:
            for text in (write(kind, scene, rng), write(kind, scene, rng, partial=True)):
                assert set(re.findall(r"\w+", text.text.lower())) <= allowed | names, text
                assert text.text[0].isupper()
                assert not re.search(r"  | ,|\ba [aeio]|\ban [^aeiouh]", text.text), text


@pytest.mark.parametrize(
    ("word", "with_article"),
    [
        ("harbour", "a"),
        ("apple", "an"),
        ("heir", "an"),
        ("uniform", "a"),
        ("university", "a"),
        ("unmarked", "an"),
        ("uprising", "an"),
        ("union", "a"),
        ("eulogy", "a"),
        ("undersized", "an"),
    ],
)
def test_articles(word, with_article):
    assert words.article(word) == with_article


def test_every_attribute_changes_the_picture():
    scene = scenes(1)[0]
    for name, table in VALUES.items():
        pictures = []
        for value in list(table)[:20]:
            changed = Scene(**(vars(scene) | {name: value}))
            pictures.append(render(changed, np.random.default_rng(0)).astype(int))
        for i, image in enumerate(pictures):
            for other in pictures[:i]:
                assert (np.abs(image - other).max(-1) > 25).sum() >= 12, name  # pixels that differ plainly


@given(st.integers(0, 10_000))
def test_pictures_are_made_from_the_seed(seed):
    scene = scenes(1, seed=seed)[0]
    first, again = (render(scene, np.random.default_rng(seed)) for _ in range(2))
    assert (first.shape, first.dtype) == ((64, 64, 3), np.uint8)
    np.testing.assert_array_equal(first, again)


def test_texts_of_distinct_scenes_fit_no_other():
    rng = np.random.default_rng(0)
    chosen = toy.distinct(lambda: sample_scene("test", rng), lambda scene: write_pair(scene, rng), 64)
    assert len(chosen) == 64
    for scene, texts in chosen:
        for text in texts:
            assert [other for other, _ in chosen if text.fits(scene, other)] == [scene]


def test_of_too_few_scenes_no_set_can_be_made(monkeypatch: pytest.MonkeyPatch):
    few = scenes(3)
    monkeypatch.setattr(toy, "sample_scene", lambda split, rng: few[int(rng.integers(3))])
    with raises(ValueError, 5):
        toy.load_distinct(1, 5)


def test_pairs_of_the_world():
    pairs = toy.load_toy(toy.ToySize(6, 3, 4), seed=1)
    assert [pair.split for pair in pairs.pairs] == ["train"] * 6 + ["val"] * 3 + ["test"] * 4
    again = toy.load_toy(toy.ToySize(6, 3, 4), seed=1)
    assert again.pairs == pairs.pairs
    assert again.fingerprint == pairs.fingerprint
    assert again.open_image(again.pairs[5]).tobytes() == pairs.open_image(pairs.pairs[5]).tobytes()
    assert toy.load_toy(toy.ToySize(6, 3, 4), seed=2).fingerprint != pairs.fingerprint


def test_pairs_of_an_article_share_its_town_and_event():
    pairs = toy.load_toy(seed=3).pairs
    groups: dict[str, list[str]] = {}
    for pair in pairs:
        groups.setdefault(pair.group, []).append(pair.split)
    assert all(len(set(splits)) == 1 for splits in groups.values())
    sizes = [len(splits) for splits in groups.values()]
    assert max(sizes) > 1
    assert len(groups) > len(pairs) / toy.LONGEST_ARTICLE
    for pair in pairs:
        town, event = pair.group.split("-")[1:]
        for text in (pair.positive, pair.negative):
            statements = told(text)
            flags = {flag for flag, names in words.FLAGS.items() if names[0] == town}
            assert statements.get("flag", flags) == flags
            assert event in statements.get("event", {event})


def test_alike_scenes_differ_from_the_first_of_their_group_by_little():
    chosen = alike_scenes("train", 30, 8, np.random.default_rng(0))
    assert len(chosen) == 30
    differing = []
    for number, scene in enumerate(chosen):
        first = chosen[number // 8 * 8]
        for names in (OBJECT_FIELDS, ARTICLE_FIELDS):
            assert tuple(getattr(scene, name) for name in names) in combinations("train", names)
        differing.append(sum(getattr(scene, name) != getattr(first, name) for name in VALUES))
    assert set(differing[::8]) == {0}
    assert max(differing) == 2
    assert np.mean(differing) > 0.8


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


@pytest.mark.parametrize("name", ["shape", "colour", "arrangement", "place", "event"])
def test_prompts_say_only_what_they_are_for(name):
    scene = sample_scene("train", np.random.default_rng(0))
    others = []
    for value, texts in toy.prompts(name).items():
        assert len(texts) == len(set(texts))
        for text in texts:
            assert told(text)[name] == {value}, text
        others.append(
            {(other, *sorted(allowed)) for text in texts for other, allowed in told(text).items() if other != name}
        )
    assert all(statements == others[0] for statements in others)  # other statements do not depend on the class
    assert list(toy.prompts(name)) == list(VALUES[name])
    assert getattr(scene, name) in toy.prompts(name)


def test_there_are_no_prompts_for_names():
    with raises(ValueError, "'flag'"):
        toy.prompts("flag")
