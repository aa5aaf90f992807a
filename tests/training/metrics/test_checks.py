"""Checks change only what their names say."""

from __future__ import annotations

import string
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.metrics.checks import CHECKS, variants_of
from training.metrics.items import Item, item_key
from training.metrics.words import COLOUR_WORDS, ERRORS, OBJECTS

WORDS = st.text(string.ascii_letters + " .,é", min_size=1, max_size=40).filter(str.strip)
TEXTS = ("A red star in Velmo", "The old man near Paris", "Two apples", "a boat of Anna Berg", "cat cat")


def items_of(texts=TEXTS, groups="aabbc") -> list[Item]:
    return [
        Item(str(i), i, text, f"context {group}", group)
        for i, (text, group) in enumerate(zip(texts, groups, strict=True))
    ]


def variants(name: str, items=None, seed: int = 0) -> dict[int, Item]:
    (variants,) = variants_of(items_of() if items is None else items, [name], seed)
    return dict(zip(variants.rows, variants.items, strict=True))


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_changes_one_part_and_keeps_the_rest(name):
    items, part = items_of(), CHECKS[name].part
    changed = variants(name, items)
    assert changed
    for row, item in changed.items():
        assert getattr(item, part) != getattr(items[row], part)
        assert replace(item, **{part: getattr(items[row], part)}) == items[row]
        assert item_key(name, item) != item_key("", items[row])


@given(st.lists(st.tuples(WORDS, st.sampled_from("abcd")), min_size=1, max_size=6), st.integers(0, 3))
def test_any_texts_can_be_checked_and_the_same_seed_gives_the_same_items(pairs, seed):
    items = items_of([text for text, _ in pairs], [group for _, group in pairs])
    every, again = (variants_of(items, list(CHECKS), seed) for _ in range(2))
    assert every == again
    alone = variants_of(items, [every[-1].name], seed)  # a check does not depend on the others
    assert alone == every[-1:]
    for variants in every:
        for row, item in zip(variants.rows, variants.items, strict=True):
            assert item.group == items[row].group
            assert (item.text, item.image, item.context) != (items[row].text, items[row].image, items[row].context)


def test_texts_come_from_where_they_say():
    items = items_of()
    for row, item in variants("text of another image", items).items():
        assert item.text in {
            other.text for other in items if other.group == items[row].group and other is not items[row]
        }
    same = items_of(["a b", "c d", "e f"], "aaa")
    same = [replace(item, image=item.image % 2) for item in same]  # the third pair has the picture of the first
    assert variants("text of another image", same)[0].text == "c d"
    for name in ("text of another article", "continued elsewhere"):
        for row, item in variants(name, items).items():
            others = [other.text for other in items if other.group != items[row].group]
            assert any(item.text.endswith(text) for text in others)
    assert 4 not in variants("text of another image")  # alone in its article


def test_words_are_kept_repeated_or_replaced():
    items = items_of()
    for row, item in variants("shuffled words", items).items():
        assert Counter(item.text.split()) == Counter(items[row].text.split())
    assert 4 not in variants("shuffled words")  # one word twice has no other order
    assert variants("exact repetition")[2].text == "Two apples. Two apples"
    names = variants("other names")
    assert set(names) == {0, 1, 3}
    assert "Velmo" not in names[0].text
    assert names[0].text.startswith("A red star in ")
    accents = variants("other names", items_of(["Near Élysée and Åse", "At the Ñandú and Zürich"], "ab"))
    assert accents[0].text in ("Near Ñandú and Zürich", "Near Zürich and Ñandú")  # no name twice
    colours = variants("other colours")
    assert set(colours) == {0}
    assert colours[0].text.split()[1] in COLOUR_WORDS["red"]
    assert variants("frequent errors")[1].text == "The young woman near Paris"
    objects = variants("other objects")
    assert objects[0].text.split()[2] in OBJECTS["star"]
    assert "star" not in OBJECTS["comet"]


def test_errors_go_both_ways():
    for word, others in ERRORS.items():
        assert all(word in ERRORS[other] for other in others)
        assert word not in others


def test_an_item_alone_has_only_checks_of_its_own_words():
    item = items_of(["A comet in Velmo"], "a")
    names = {variants.name for variants in variants_of(item, list(CHECKS), 0) if len(variants)}
    assert names == {"shuffled words", "other objects", "irrelevant sentence", "exact repetition"}


def test_choices_are_spread():
    many = items_of([f"text {i}" for i in range(60)], [str(i) for i in range(60)])
    images = [item.image for item in variants("image of another article", many).values()]
    assert len(set(images)) > 25
    assert not any(np.array(images) == np.arange(60))
