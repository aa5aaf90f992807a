"""Layout of figures: on paper, in grey, and with any texts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from figures import runs
from figures.layout import problems
from figures.names import FIGURES
from figures.style import HEIGHT, PAGE, drawn, look, picture
from interp.drawing.colours import BLUE, GREEN, ORANGE, SKY, VERMILION, contrast, shade
from interp.drawing.pictures import (
    LOWERS,
    RAISES,
    Picture,
    points,
    shortened,
    told_apart,
    width_of,
    wrapped,
)
from tests.figures.material import figure, texts
from tests.figures.test_make import FONT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_cut_small_or_on_top_of_something_else(name: str, made: runs.Runs, odd: runs.Runs, few: runs.Runs):
    for each in (made, odd, few):
        shown = figure(name, each)
        assert problems(shown) == []
        assert shown.get_figwidth() == PAGE
        assert shown.get_figheight() <= HEIGHT
        assert len(shown.alt) > 100
        assert len(texts(shown)) > 5


def broken_pictures() -> dict[str, Callable[[Picture], object]]:
    return {
        "cut": lambda shown: shown.text(0.98, 0.5, "a text that goes on"),
        "overlaps": lambda shown: (shown.text(0.3, 0.5, "one text"), shown.text(0.32, 0.5, "another")),
        "less than 8": lambda shown: shown.text(0.3, 0.5, "small", fontsize=7),
    }


@pytest.mark.parametrize("fault", broken_pictures())
def test_the_check_of_layouts_finds_what_is_wrong(fault: str):
    assert problems(drawn(lambda: picture(2))) == []
    shown = drawn(lambda: picture(2))
    drawn(lambda: broken_pictures()[fault](shown) and shown)
    (problem,) = problems(shown)
    assert fault in problem


@pytest.mark.mpl_image_compare(baseline_dir="baseline", tolerance=1.5, savefig_kwargs={"dpi": 60}, style="default")
@pytest.mark.parametrize("name", FIGURES)
def test_figures_look_as_they_did(name: str, made: runs.Runs):
    return figure(name, made)


@given(st.text(max_size=80), st.floats(20, 200), st.integers(1, 4))
def test_wrapped_texts_fit_and_lose_nothing_silently(text: str, width: float, most: int):
    lines = wrapped(text, width, 8.0, FONT, most)
    assert 1 <= len(lines) <= most
    assert all(width_of(wrapped_line, 8.0, FONT) <= width for wrapped_line in lines)
    letters = "".join(text.split())
    kept = "".join("".join(lines).split())
    assert kept == letters or (lines[-1].endswith("\N{HORIZONTAL ELLIPSIS}") and letters.startswith(kept[:-1]))
    short = shortened(text, width, 8.0, FONT)
    assert width_of(short, 8.0, FONT) <= width
    assert short == " ".join(text.split()) or short.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_colours_are_told_apart_in_grey_or_by_their_mark():
    assert len({look(number)["marker"] for number in range(12)}) == 12
    assert all(contrast(ink, (1, 1, 1)) >= 3 for ink in (RAISES, LOWERS))  # WCAG: graphics


# Red, green and blue (linear) as seen without one kind of cone (Machado et al. 2009, severity 1).
BLIND = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


@pytest.mark.parametrize("kind", BLIND)
def test_colours_are_told_apart_by_the_colour_blind(kind: str):
    def seen(colour: object) -> np.ndarray:
        linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)])
        return np.clip(BLIND[kind] @ linear, 0, 1) ** (1 / 2.4)

    for pair in ((shade(1, 1), shade(-1, 1)), (BLUE, VERMILION), (BLUE, GREEN), (VERMILION, GREEN), (ORANGE, SKY)):
        first, other = map(seen, pair)
        assert np.linalg.norm(first - other) > 0.1, pair
    red, green = seen((0.6, 0.2, 0.2)), seen((0.3, 0.35, 0.2))
    assert kind == "tritanopia" or np.linalg.norm(red - green) < 0.1  # pairs of colours that the measure must reject


@given(st.lists(st.text("ab, ()", min_size=1, max_size=60), min_size=1, max_size=4, unique=True), st.floats(30, 200))
def test_shortened_names_fit(names: list[str], width: float):
    labels = told_apart(names, width, 8.0, FONT)
    assert list(labels) == names
    assert all(width_of(label, 8.0, FONT) <= width for label in labels.values())


def test_names_that_begin_alike_are_told_apart():
    names = ["IIT-DAS, LoRA (layer 9, size 64)", "IIT-DAS, LoRA (layer 9, size 16)", "base"]
    labels = told_apart(names, 100, 8.0, FONT)
    assert len(set(labels.values())) == 3
    assert labels["base"] == "base"
    assert labels[names[0]].endswith("64)")
    assert labels[names[0]].startswith("IIT")


def test_points_are_points():
    shown = picture(2, 3)
    axes = points(shown)
    assert axes.transData.transform((0, 0)) == pytest.approx(shown.transFigure.transform((0, 1)))
    assert axes.transData.transform((216, 144)) == pytest.approx(shown.transFigure.transform((1, 0)))
