"""Tests of attributions of words: sums of pieces, means of types, tables, and HTML for notebooks."""

from __future__ import annotations

import numpy as np
import pytest
from html5lib import HTMLParser

from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import ROUTES, Attributions
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.drawing.markup import signed
from interp.subspaces.rotation import Rotation, random_basis
from tests.attribution.test_mediated import an_image


def test_words_are_sums_of_pieces_and_types_are_means(small: Clip):
    texts = ["the star , the", "a quokka"]
    attributions = MediatedIntegratedGradients(small).attribute(texts, an_image(2), n_steps=4)
    assert attributions.words == (("the", "star", ",", "the"), ("a", "quokka"))
    first = attributions.by_word("full")[0]
    np.testing.assert_allclose(first, attributions.tokens["full"][0, 1:5])
    assert attributions.tokens["full"][0, [0, 5]].tolist() == [0, 0]  # the baseline has the same BOS and EOT
    mean, count = attributions.by_type("full")["the"]
    assert count == 2
    assert mean == pytest.approx((first[0] + first[3]) / 2)


def test_pieces_of_a_word_are_summed():
    owners = np.array([[-1, 0, 0, 1, -1]])
    attributions = Attributions(
        (("star", "dust"),),
        owners,
        {"full": np.array([[9.0, 1.0, 2.0, 4.0, 9.0]])},
        np.zeros(1),
        np.zeros(1),
        np.ones(1),
    )
    np.testing.assert_array_equal(attributions.by_word("full")[0], [3.0, 4.0])


def test_a_table_of_words(small: Clip):
    attributions = MediatedIntegratedGradients(small).attribute(["a red star", "", "a quokka"], an_image(3), n_steps=4)
    assert isinstance(attributions, Attributions)
    frame = attributions.to_frame()
    assert list(frame.columns) == ["text", "place", "word", "full"]
    assert frame["word"].tolist() == ["a", "red", "star", "a", "quokka"]
    assert frame["text"].tolist() == [0, 0, 0, 2, 2]
    assert frame["place"].tolist() == [0, 1, 2, 0, 1]
    np.testing.assert_array_equal(frame["full"], np.concatenate(attributions.by_word("full")))


def test_notebooks_show_words_with_their_values(small: Clip, generator):
    rotation = Rotation(
        random_basis(24, 3, generator), Site("text", 2), {"method": "das", "steps": 3, "history": [[1, 0.5]]}
    )
    texts = ["a <b>red</b> star", *["a moon"] * 9]
    attributions = MediatedIntegratedGradients(small, rotation).attribute(texts, an_image(10), n_steps=4)
    assert isinstance(attributions, Attributions)
    page = attributions._repr_html_()
    assert "<b>" not in page
    assert "&lt;" in page
    for route in ROUTES:
        assert signed(attributions.by_word(route)[1][1]) in page
    assert "and 2 more texts" in page
    HTMLParser(strict=True).parseFragment(page)
    about = rotation._repr_html_()
    assert "text.2.eot" in about
    assert "3 of 24" in about
    assert "history" not in about
    HTMLParser(strict=True).parseFragment(about)
    nothing = MediatedIntegratedGradients(small).attribute([""], an_image(1), n_steps=2)
    assert isinstance(nothing, Attributions)
    assert "text 0" in nothing._repr_html_()
