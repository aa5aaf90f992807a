from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from interp.clip.model import Clip, embed_texts, tokenize
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.clip.swap import swap
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, random_basis
from interp.subspaces.trainable_run import trainable_texts
from tests.oracles.plain_forward import random_texts
from tests.wording import raises


@pytest.mark.parametrize("layer", [1, 3, 5])
def test_a_live_run_is_a_clean_run_with_a_graph(small: Clip, layer: int, generator: torch.Generator):
    """Embeddings, streams and counterfactuals equal those of the cached engine, for texts of many lengths."""
    texts = random_texts(40, 3)  # several groups of lengths
    tokens = tokenize(small, texts)
    site = Site("text", layer)
    live = trainable_texts(small, tokens.ids, tokens.eot, site)
    clean = clean_texts(small, texts, [site])
    torch.testing.assert_close(live.embeddings, embed_texts(small, texts))
    torch.testing.assert_close(live.stream(site), clean.stream(site))
    rows, source = torch.randperm(40, generator=generator)[:37], torch.arange(37)
    basis = random_basis(24, 5, generator)
    base = live.take(rows)
    pushed = base.push(site, swap(base.stream(site), live.take(source).stream(site), basis))
    expected = interchange(clean.take(rows), clean.take(source), Rotation(basis, site))
    torch.testing.assert_close(pushed, expected)
    assert (pushed - live.embeddings[rows]).abs().max() > 1e-3


def test_gradients_reach_the_weights_through_streams_keys_and_values(small: Clip):
    tokens, site = tokenize(small, random_texts(6, 4)), Site("text", 3)
    weight = small.model.text_model.encoder.layers[0].mlp.fc1.weight
    embeddings = small.model.text_model.embeddings.token_embedding.weight
    try:
        weight.requires_grad_(True)
        live = trainable_texts(small, tokens.ids, tokens.eot, Site("text", 3))
        frozen = live.stream(site).detach()
        (through_keys,) = torch.autograd.grad(live.push(site, frozen)[:, 0].sum(), weight, retain_graph=True)
        assert through_keys.abs().max() > 1e-6  # by the earlier positions alone
        (everything,) = torch.autograd.grad(live.push(site, live.stream(site))[:, 0].sum(), weight)
        assert (everything - through_keys).abs().max() > 1e-6
    finally:
        weight.requires_grad_(False)
    assert not embeddings.requires_grad


def test_only_its_own_layer(small: Clip):
    tokens = tokenize(small, random_texts(2, 0))
    with raises(SiteError, 9):
        trainable_texts(small, tokens.ids, tokens.eot, Site("text", 9))
    live = trainable_texts(small, tokens.ids, tokens.eot, Site("text", 3))
    with raises(SiteMismatch, "text.3.eot", "text.2.eot"):
        live.stream(Site("text", 2))
    assert replace(live, rows=live.rows[:1]).stream(Site("text", 3)).shape == (1, 24)
