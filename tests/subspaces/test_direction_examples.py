"""Tests of `describe`, from the texts of pairs to the HTML of a notebook."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.model import Clip
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.data import load_pairs
from interp.data.errors import DataError
from interp.data.pairs import Pair, PairSet
from interp.subspaces.direction_examples import describe
from interp.subspaces.rotation import Rotation, RotationError, random_basis
from tests.oracles import leading as oracle
from tests.wording import raises

LAYER, SIZE = 3, 5


@pytest.fixture(scope="module")
def pairs() -> PairSet:
    return load_pairs("toy", limit=120).split("test")


@pytest.fixture(scope="module")
def rotation(small: Clip) -> Rotation:
    return Rotation(random_basis(small.width("text"), SIZE, torch.Generator().manual_seed(0)), Site("text", LAYER))


def streams(clip: Clip, texts: list[str]) -> np.ndarray:
    """Return the streams at EOT from transformers' forward pass, which runs each text alone."""
    out = []
    for text in texts:
        ids = clip.tokenizer(text, return_tensors="pt")["input_ids"]
        out.append(clip.model.text_model(input_ids=ids, output_hidden_states=True).hidden_states[LAYER][0, -1])
    return torch.stack(out).double().numpy()


@torch.inference_mode()
def test_directions_are_those_of_plain_forward_passes(small: Clip, pairs: PairSet, rotation: Rotation):
    h, basis = streams(small, pairs.texts), rotation.basis.double().numpy()
    examples = describe(rotation, small, pairs, most=4)
    expected = oracle.directions(h, basis, 4)
    assert (examples.size, examples.rotation.size, len(examples.leading)) == (SIZE, 4, 4)
    assert examples.rotation.site == rotation.site
    inside = oracle.projected(h, basis)
    for number, (direction, wanted) in enumerate(zip(examples.leading, expected, strict=True)):
        axis = examples.rotation.basis[:, number].double().numpy()
        assert abs(axis @ wanted) == pytest.approx(1, abs=1e-4)
        values = inside @ axis
        assert direction.share == pytest.approx((values**2).sum() / (inside**2).sum(), abs=1e-5)
        values /= values.std()
        kinds = np.repeat(pairs.contrast.kinds, len(pairs))
        for sign, end in zip((1, -1), direction.ends, strict=True):
            assert len(end.texts) == 5
            assert end.texts[0].value == pytest.approx((sign * values).max() * sign, abs=1e-4)
            for text in end.texts:
                row = pairs.texts.index(text.text)
                assert text.value == pytest.approx(values[row], abs=1e-4)
                assert text.kind == kinds[row]
                assert pairs.pairs[row % len(pairs)].id == text.pair
            for word in end.words:
                holders = [word.word in re.findall(r"[a-z]+|\d|[^\w\s]+", text.lower()) for text in pairs.texts]
                assert word.texts == sum(holders)
                apart = values[holders].mean() - values[np.logical_not(holders)].mean()
                assert word.difference == pytest.approx(apart, abs=1e-4)
    assert any(end.words for direction in examples.leading for end in direction.ends)


def test_embedded_pairs_say_the_same_without_images(small: Clip, pairs: PairSet, rotation: Rotation):
    with_images = describe(rotation, small, pairs)
    without_images = describe(rotation, small, image_features(small, pairs))
    assert with_images.leading == without_images.leading
    assert repr(with_images) == "Described(3 leading of 5 directions at text.3.eot)"
    assert with_images._repr_html_().count("<img ") == 30
    assert "<img" not in without_images._repr_html_()


def test_a_notebook_shows_texts_as_text_and_does_without_images_that_are_lost(
    small: Clip, pairs: PairSet, rotation: Rotation
):
    evil = '<script>x</script> " onerror="x'
    spoiled = tuple(replace(pair, positive=f"{pair.positive} {evil}") for pair in pairs.pairs)
    lost = spoiled[0].id

    def open_image(pair: Pair):
        if pair.id == lost:
            raise DataError("it is not there")
        return pairs.open_image(pair)

    examples = describe(rotation, small, replace(pairs, pairs=spoiled, open_image=open_image))
    shown = examples._repr_html_()
    assert "<script" not in shown
    assert 'onerror="' not in shown
    assert "&lt;script&gt;" in shown
    ends = [text.pair for direction in examples.leading for end in direction.ends for text in end.texts]
    assert shown.count("<img ") == len(ends) - ends.count(lost)


def test_one_direction_and_none(small: Clip, pairs: PairSet, rotation: Rotation):
    alone = replace(rotation, basis=rotation.basis[:, :1])
    (only,) = describe(alone, small, pairs).leading
    assert only.share == pytest.approx(1)
    assert len(describe(alone, small, pairs).leading) == 1
    nothing = describe(replace(rotation, basis=rotation.basis[:, :0]), small, pairs)
    assert (nothing.leading, nothing.rotation.size) == ((), 0)
    assert "no direction in Z" in nothing._repr_html_()


def test_what_cannot_be_described(small: Clip, pairs: PairSet, rotation: Rotation):
    of_images = Rotation(random_basis(small.width("vision"), 2, torch.Generator()), Site("vision", 2))
    with raises(RotationError, "vision.2.cls", "clean_images"):
        describe(of_images, small, pairs)
    with raises(RotationError, "pairs"):
        describe(rotation, small, EmbeddedPairs(PairSet("none", ()), torch.zeros(0, 4)))
    with raises(SiteMismatch, 7, 24):
        describe(Rotation(torch.eye(7)[:, :2], Site("text", 2)), small, pairs)
    with raises(SiteError, 9):
        describe(replace(rotation, site=Site("text", 9)), small, pairs)
