"""Functions set the mode of autograd that they need, and return tensors with which a loss can be computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import pytest
import torch

import interp
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.edits.train import EditConfig, train_edits
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, random_basis

SITE = Site("text", 3)
TEXTS = ["a red cat", "a dog"]


@contextmanager
def switched_off() -> Iterator[None]:
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


MODES: list[Callable[[], AbstractContextManager[None]]] = [nullcontext, switched_off, torch.inference_mode]


def rotation(clip: Clip) -> Rotation:
    return Rotation(random_basis(clip.width("text"), 2, torch.Generator().manual_seed(0)), SITE)


@pytest.fixture(scope="module")
def features(small: Clip) -> EmbeddedPairs:
    return interp.image_features(small, interp.load_pairs("toy", limit=60))


@pytest.mark.parametrize("mode", MODES)
def test_searches_and_trainings_work_in_any_mode_and_give_the_same(small: Clip, features: EmbeddedPairs, mode):
    def fitted() -> list[torch.Tensor]:
        train, val = (interp.pair_run(small, features.split(name), [SITE]) for name in ("train", "val"))
        config = interp.SearchConfig(max_steps=4)
        searched = interp.fit_rotation("das", train, val, SITE, 2, config)
        assert isinstance(searched, Rotation)
        edited = train_edits(
            PairsAtSite(train, SITE), PairsAtSite(val, SITE), [2], retain=(0.0,), config=EditConfig(max_steps=4)
        )
        return [searched.basis, *edited[0].edit.tensors.values()]

    expected = fitted()
    with mode():
        again = fitted()
    for first, second in zip(expected, again, strict=True):
        torch.testing.assert_close(second, first, rtol=0, atol=0)


@pytest.mark.parametrize("mode", MODES[:2])
def test_attributions_work_in_any_mode(small: Clip, features: EmbeddedPairs, mode):
    images = features.embeddings[:2]
    attributor = interp.MediatedIntegratedGradients(small, rotation(small))
    expected = attributor.attribute(TEXTS, images, n_steps=3)
    with mode():
        attributions = attributor.attribute(TEXTS, images, n_steps=3)
    assert (attributions.tokens["through"] == expected.tokens["through"]).all()
    with torch.inference_mode():
        made_there = images + 0
    attributor.attribute(TEXTS, made_there, n_steps=3)


@pytest.mark.parametrize("mode", MODES)
def test_a_loss_of_ones_own_can_be_computed_from_what_functions_return(small: Clip, features: EmbeddedPairs, mode):
    base, source = (interp.clean_texts(small, texts, [SITE]) for texts in (TEXTS, TEXTS[::-1]))
    picture = features.data.open_image(features.pairs[0])
    with mode():
        given = [
            interp.embed_texts(small, TEXTS),
            interp.embed_images(small, picture),
            interp.interchange(base, source, rotation(small)),
            interp.image_features(small, features.data).embeddings,
        ]
    probe = torch.nn.Linear(small.embed_dim, 1)
    for embeddings in given:
        assert not embeddings.is_inference()
        assert not embeddings.requires_grad
        probe(embeddings).sum().backward()
    assert probe.weight.grad is not None
    assert torch.is_grad_enabled()
