"""Pictures."""

from __future__ import annotations

import pytest

from interp.drawing.pictures import Picture


@pytest.mark.parametrize("text", ["a_$x above b_$y", "$", "$$", "$x^2$", r"\frac{", "100 % $\\"])
def test_text_is_drawn_as_text(text: str):
    """A name may hold dollars, between which matplotlib would read mathematics."""

    def drawn(said: str, **options: bool) -> bytes:
        picture = Picture(4, 1)
        picture.text(0.1, 0.4, said, **options)
        return picture.png()

    assert drawn(text) == drawn(text, parse_math=False)
    assert drawn(text) != drawn("something else")
