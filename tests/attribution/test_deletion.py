"""Tests of deletion and insertion against a loop over whole texts with transformers, in float64."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.attribution.deletion import deletion_areas
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.result import Attributions
from interp.clip.loading import load_clip
from interp.clip.model import Clip, tokenize
from tests.oracles.plain_forward import random_clip, random_texts
from tests.wording import raises

DRAWS = 3


def images(n: int) -> Tensor:
    drawn = torch.randn(n, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return functional.normalize(drawn, dim=-1)


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return load_clip(str(random_clip(tmp_path_factory.mktemp("double"))), dtype=torch.float64)


def area(clip: Clip, ids: list[int], owners: list[int], image: Tensor, order: list[int]) -> float:
    """Return the area from one forward pass for each deleted word, with a trapezoid between two passes."""
    ids, curve = list(ids), []
    for word in [None, *order]:
        pad = clip.tokenizer.pad_token_id
        ids = [pad if owner == word else token for token, owner in zip(ids, owners, strict=True)]
        # get_text_features would read the first padding if padding is EOT
        end = clip.model.text_model(input_ids=torch.tensor([ids])).last_hidden_state[0, -1]
        curve.append(float(functional.normalize(clip.model.text_projection(end), dim=0) @ image))
    if not order:
        return curve[0]
    return sum((left_score + right_score) / 2 for left_score, right_score in pairwise(curve)) / len(order)


@pytest.mark.parametrize("seed", [0, 1])
def test_areas_are_those_of_a_loop(double: Clip, seed: int):
    texts = [*random_texts(4, seed), "", "quokka"]
    tokens = tokenize(double, texts)
    attributions = MediatedIntegratedGradients(double).attribute(tokens, images(6), n_steps=4)
    assert isinstance(attributions, Attributions)
    ours = deletion_areas(double, tokens, images(6), attributions, draws=DRAWS, seed=seed)
    draw = np.random.default_rng(seed)
    for row, values in enumerate(attributions.by_word("full")):
        falling = sorted(range(len(values)), key=lambda word: -values[word])
        length = int(tokens.eot[row]) + 1
        ids, owners = tokens.ids[row, :length].tolist(), tokens.word_of[row, :length].tolist()
        others = [draw.permutation(len(values)).tolist() for _ in range(DRAWS)]
        first, last, *rest = (
            area(double, ids, owners, images(6)[row], order) for order in (falling, falling[::-1], *others)
        )
        assert ours.deletion[row] == pytest.approx(first, abs=1e-12)
        assert ours.insertion[row] == pytest.approx(last, abs=1e-12)  # the word inserted first is deleted last
        assert ours.random[row] == pytest.approx(np.mean(rest), abs=1e-12)
    assert not np.allclose(ours.deletion[:4], ours.insertion[:4], atol=1e-3)
    for areas in (ours.deletion, ours.insertion, ours.random):
        assert areas[4] == pytest.approx(attributions.score[4], abs=1e-12)  # nothing to delete


@pytest.mark.slow
def test_attributions_of_the_toy_order_words_better_than_chance(toy: Clip):
    texts = ["a red circle at the left of a blue star", "a wedding at the old harbour in the evening"]
    tokens = tokenize(toy, texts)
    image = functional.normalize(torch.randn(2, toy.embed_dim, generator=torch.Generator().manual_seed(0)), dim=-1)
    attributions = MediatedIntegratedGradients(toy).attribute(tokens, image, tolerance=0.01)
    assert isinstance(attributions, Attributions)
    areas = deletion_areas(toy, tokens, image, attributions)
    assert (areas.deletion < areas.random).all()
    assert (areas.random < areas.insertion).all()


def test_what_cannot_be_asked(double: Clip):
    tokens = tokenize(double, ["a star", "a moon"])
    attributions = MediatedIntegratedGradients(double).attribute(tokens, images(2), n_steps=2)
    assert isinstance(attributions, Attributions)
    with raises(ValueError):
        deletion_areas(double, tokens, images(1), attributions)
    with raises(ValueError, "draws", 1):
        deletion_areas(double, tokens, images(2), attributions, draws=0)
