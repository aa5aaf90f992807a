"""Tests of pictures."""

from __future__ import annotations

import pytest

from interp.drawing.markup import shaded
from interp.drawing.pictures import Block, Picture, draw_words, points


@pytest.mark.parametrize("text", ["a_$x above b_$y", "$", "$$", "$x^2$", r"\frac{", "100 % $\\"])
def test_text_is_drawn_as_text(text: str):
    """Draw names with dollars, between which matplotlib reads mathematics by default."""

    def drawn(content: str, **options: bool) -> bytes:
        picture = Picture(4, 1)
        picture.text(0.1, 0.4, content, **options)
        return picture.png()

    assert drawn(text) == drawn(text, parse_math=False)
    assert drawn(text) != drawn("something else")


@pytest.mark.parametrize(("words", "leftwards"), [(["מגדלור", "אדום", "ליד"], True), (["a", "red", "star"], False)])
def test_words_begin_at_the_side_at_which_their_language_does(words: list[str], leftwards: bool):
    axes = points(Picture(6, 2))
    draw_words(axes, words, [0.1, -0.2, 0.3], 0.3, Block(10, 10, 200, 9))
    shown = [(text.get_text(), text.get_position()[0]) for text in axes.texts]
    assert [text for text, _ in shown[::2]] == words
    places = [place for _, place in shown[::2]]
    assert places == sorted(places, reverse=leftwards)
    assert places == [place for _, place in shown[1::2]]  # each value below its word
    assert all(10 <= place <= 210 for place in places)
    assert max(places) > 190 if leftwards else min(places) < 30


def test_words_are_isolated_on_a_page():
    html = shaded(["מגדלור", "3"], [0.5, -0.25], 0.5)
    assert html.count("<bdi") == 2
    assert html.count('<rt dir="ltr">') == 2
    assert "\u22120.250" in html
