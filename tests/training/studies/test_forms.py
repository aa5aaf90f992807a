"""Order, sides and rated texts are balanced over forms."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.studies.design import CHECK, ITEM, REPEAT
from training.studies.forms import make_forms


def forms_of(items: int, people: int, each: int, *, checks: int = 2, repeats: int = 2, seed: int = 0):
    names = [f"i{number}" for number in range(items)]
    return make_forms(names, people, each=each, checks=checks, repeats=repeats, rng=np.random.default_rng(seed))


@given(
    st.integers(3, 40), st.integers(1, 30), st.integers(2, 40), st.integers(0, 4), st.integers(0, 4), st.integers(0, 3)
)
def test_every_form_has_what_was_asked_for(items, people, each, checks, repeats, seed):
    blocks = -(-items // each)
    if people < blocks:
        with pytest.raises(ValueError, match=f"{blocks} people"):
            forms_of(items, people, each)
        return
    forms = forms_of(items, people, each, checks=checks, repeats=repeats, seed=seed)
    codes = [code for form in forms for code in form.codes]
    assert len(codes) == len(set(codes)) == people
    assert all(code.startswith(f"{form.name}-") for form in forms for code in form.codes)
    counts = [len(form.codes) for form in forms]
    assert max(counts) - min(counts) <= 1
    seen = Counter()
    for form in forms:
        shown = [screen for screen in form.screens if screen.kind == ITEM]
        assert len(shown) == len({screen.item for screen in shown}) <= each
        again = [screen for screen in form.screens if screen.kind == REPEAT]
        assert len(again) == min(repeats, len(shown) // 2)
        first = {screen.item: screen.first for screen in shown}
        assert all(screen.first == 1 - first[screen.item] and screen.rated is None for screen in again)
        assert sum(screen.kind == CHECK for screen in form.screens) == checks
        seen.update(first)
    assert len(seen) == items


def test_four_forms_are_a_latin_square():
    """Each text comes first in two forms and is rated in two, in all four combinations; each item has four places."""
    forms = forms_of(12, 24, 12)
    assert [form.name for form in forms] == ["A1", "A2", "A3", "A4"]
    cells = {
        item: [
            (place, screen.first, screen.rated)
            for form in forms
            for place, screen in enumerate(each for each in form.screens if each.kind == ITEM)
            if screen.item == item
        ]
        for item in (screen.item for screen in forms[0].screens if screen.kind == ITEM)
    }
    for screens in cells.values():
        assert Counter((first, rated) for _, first, rated in screens) == Counter([(0, 0), (0, 1), (1, 0), (1, 1)])
        assert len({place // 3 for place, *_ in screens}) == 4  # each quarter once


@given(st.integers(8, 40), st.integers(0, 50))
def test_within_a_form_nothing_can_be_foreseen(items: int, seed: int):
    """The four combinations are equally frequent, and sides do not simply alternate."""
    for form in forms_of(items, 24, items, checks=0, repeats=0, seed=seed):
        sides = Counter((screen.first, screen.rated) for screen in form.screens)
        assert max(sides.values()) - min(sides.values()) <= 1
    first = [screen.first for screen in forms_of(40, 24, 40, checks=0, repeats=0, seed=seed)[0].screens]
    same = sum(form == other for form, other in pairwise(first))
    assert 8 < same < 31  # of 39; the chance of less is 1 in 10,000


@pytest.mark.parametrize(("people", "turns"), [(24, 4), (7, 4), (4, 4), (3, 2), (2, 2), (1, 1)])
def test_sides_are_balanced_as_far_as_there_are_people(people: int, turns: int):
    forms = forms_of(8, people, 8, checks=0, repeats=0)
    assert len(forms) == turns
    for item in (f"i{number}" for number in range(8)):
        seen = [screen for form in forms for screen in form.screens if screen.item == item]
        for side in ([screen.first for screen in seen], [screen.rated for screen in seen]):
            assert turns == 1 or sum(side) == turns / 2


def test_items_are_dealt_out_to_blocks():
    forms = forms_of(20, 12, 8)
    blocks = {form.name[0]: {screen.item for screen in form.screens if screen.kind == ITEM} for form in forms}
    assert sorted(map(len, blocks.values())) == [6, 7, 7]
    assert len(set.union(*blocks.values())) == 20
