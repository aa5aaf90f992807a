from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.drawing.colours import BLACK, NEGATIVE, POSITIVE, WHITE, as_hex, contrast, ink_on, shade
from interp.drawing.markup import escape, shaded, signed, table

shares = st.floats(0, 1)
colours = st.tuples(shares, shares, shares)


@given(colours)
def test_ink_can_be_read_on_every_colour(colour):
    ink = BLACK if ink_on(colour) == "black" else WHITE
    assert contrast(colour, ink) > 4.5


def test_contrast_is_that_of_the_guidelines():
    assert contrast(WHITE, (0.4667, 0.4667, 0.4667)) == pytest.approx(4.48, abs=0.01)  # #777 on white
    assert contrast((0.0, 0.0, 1.0), WHITE) == pytest.approx(8.59, abs=0.01)


@given(st.floats(-10, 10), st.floats(0.01, 5))
def test_shades_go_from_white_to_the_colour_of_the_sign(value, reach):
    colour = shade(value, reach)
    assert contrast(colour, BLACK) > 7  # black text, AAA
    full = POSITIVE if value >= 0 else NEGATIVE
    assert all(low - 1e-9 <= part <= 1 for part, low in zip(colour, full, strict=True))
    if abs(value) >= reach:
        assert colour == pytest.approx(full)


def test_no_reach_no_colour():
    assert shade(0.3, 0.0) == (1.0, 1.0, 1.0)
    assert as_hex(shade(0.0, 1.0)) == "#ffffff"


@given(st.text())
def test_whatever_is_escaped_stays_text(text):
    written = escape(text)
    assert not set("<>\"'") & set(written)


def test_pieces():
    assert signed(-0.1234) == "\u22120.123"
    assert signed(2.0, 1) == "+2.0"
    assert signed(float("nan")) == "-"
    assert shade(float("nan"), 1.0) == WHITE
    words = shaded(["<b>", "red"], [0.1, -0.2], 0.2)
    assert "&lt;b&gt;" in words
    assert words.count("<ruby") == 2
    assert ">+0.100</rt>" in words
    assert ">\u22120.200</rt>" in words
    assert table(["<a>", "b"], [["x&", "1"]], caption="c<") == (
        '<table><caption>c&lt;</caption><thead><tr><th scope="col">&lt;a&gt;</th><th scope="col">b</th></tr></thead>'
        '<tbody><tr><th scope="row">x&amp;</th><td>1</td></tr></tbody></table>'
    )
