from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.contrast import DIRECTIONS, PAPER, Contrast
from interp.data.pairs import DataError
from tests.wording import raises

names = st.text(st.characters(codec="utf-8", exclude_characters=","), max_size=12).map(str.strip)


@given(names, names, st.sampled_from(["", " ", "\t"]))
def test_what_can_be_a_contrast_is_read_as_it_is_written(positive, negative, space):
    try:
        contrast = Contrast(positive, negative)
    except DataError:
        with raises(DataError, snapshot=False):
            Contrast.parse(f"{positive},{negative}")
        return
    assert Contrast.parse(f"{space}{positive}{space},{space}{negative}{space}") == contrast
    assert Contrast.parse(str(contrast)) == contrast
    assert len({contrast.short(direction) for direction in DIRECTIONS}) == 2


@pytest.mark.parametrize("text", ["", "alt", "alt,", ",alt", "a,b,c", " , ", "alt;caption", "a\nb"])
def test_other_than_two_names_are_no_contrast(text: str):
    with raises(DataError):
        Contrast.parse(text)


@pytest.mark.parametrize("text", ["a,A", "a b,a-b", "?,b", "a,!"])
def test_names_that_cannot_be_told_apart_are_no_contrast(text: str):
    with raises(DataError):
        Contrast.parse(text)


def test_contrasts_agree_whatever_the_case():
    assert PAPER.agrees(Contrast("Description", " CAPTION "))
    assert not PAPER.agrees(Contrast("caption", "description"))
    assert not PAPER.agrees(Contrast("description", "alt"))
