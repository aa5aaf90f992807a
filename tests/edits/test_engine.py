"""Tests of edited models: the engine, the model's own forward pass and an explicit hook agree."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from interp.attribution.all_layers import run_path
from interp.attribution.integral import PathSettings, integrate
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.clip.blocks import embed_tokens
from interp.clip.edits.edit import Edit
from interp.clip.hooks import patch
from interp.clip.model import Clip, embed_images, embed_texts, tokenize, unit_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.edits.edited_runs import edited_part
from interp.subspaces.clean_run import clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import Rotation, random_basis
from interp.subspaces.trainable_run import trainable_texts
from tests.agreement import agree
from tests.oracles.noncausal import registered, two_way
from tests.oracles.plain_forward import random_texts
from tests.wording import raises

LAYER, SIZE = 2, 5
TEXTS = random_texts(6, 0)
NATURAL = ["a red circle", "two stars at the harbour", "blue"]


def loreft(clip: Clip, layer: int = LAYER, tower: str = "text", seed: int = 0) -> Edit:
    width, draw = clip.width(tower), torch.Generator().manual_seed(seed)  # type: ignore[arg-type]
    rows = random_basis(width, SIZE, draw).T.contiguous()
    weight, bias = torch.randn(SIZE, width, generator=draw) / 4, torch.randn(SIZE, generator=draw)
    return Edit("loreft", Site(tower, layer), {"rows": rows, "weight": weight, "bias": bias})  # type: ignore[arg-type]


@contextmanager
def by_hook(clip: Clip, edit: Edit, ends: Tensor) -> Iterator[None]:
    """Add R'(W h + b - R h) to one position of each input after a block, row by row."""
    parts = {name: tensor.double() for name, tensor in edit.tensors.items()}

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).clone()
        for row, end in enumerate(ends.tolist()):
            h = hidden[row, end].double()
            moved = parts["weight"] @ h + parts["bias"] - parts["rows"] @ h
            hidden[row, end] = (h + parts["rows"].T @ moved).to(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    handle = edit.site.module(clip).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def plain(clip: Clip, edit: Edit, texts: list[str]) -> Tensor:
    tokens = tokenize(clip, texts)
    with by_hook(clip, edit, tokens.eot), torch.no_grad():
        return unit_texts(clip.model, tokens.ids)


@pytest.mark.parametrize("layer", [1, LAYER, 4])
def test_texts_are_embedded_as_with_a_hook(small: Clip, layer: int):
    edit = loreft(small, layer)
    edited, wanted = edit.apply(small), plain(small, edit, TEXTS)
    assert (wanted - embed_texts(small, TEXTS)).abs().max() > 1e-2  # the edit does something
    agree("edits", embed_texts(edited, TEXTS), wanted)
    agree("edits", embed_tokens(edited, tokenize(edited, TEXTS)), wanted)
    every = [Site("text", number) for number in range(1, small.depth("text") + 1)]
    run = clean_texts(edited, TEXTS, every)
    for site in every:
        agree("edits", run.push(site, run.stream(site)), wanted)


def test_the_model_that_was_given_stays_as_it_is(small: Clip):
    before, hooks = embed_texts(small, TEXTS), sum(len(module._forward_hooks) for module in small.model.modules())
    edit = loreft(small)
    edited = edit.apply(small)
    assert edited.fingerprint != small.fingerprint
    assert edited.image_fingerprint == small.image_fingerprint
    assert {id(tensor) for tensor in edited.model.parameters()} == {id(tensor) for tensor in small.model.parameters()}
    with edit.on(small):
        torch.testing.assert_close(embed_texts(small, TEXTS), embed_texts(edited, TEXTS), atol=0, rtol=0)
        assert not torch.equal(embed_texts(small, TEXTS), before)
    assert torch.equal(embed_texts(small, TEXTS), before)
    assert torch.equal(embed_tokens(small, tokenize(small, TEXTS)), embed_tokens(small, tokenize(small, TEXTS)))
    assert sum(len(module._forward_hooks) for module in small.model.modules()) == hooks


@pytest.mark.parametrize("component", ["block", "attn", "mlp"])
@pytest.mark.parametrize("layer", [1, LAYER, 3])
def test_counterfactuals_are_those_of_hooks(small: Clip, layer: int, component: str):
    """The edit comes first, so a swap at the edit's site uses the edited streams."""
    edit, site = loreft(small), Site("text", layer, component)
    edited = edit.apply(small)
    z = Rotation(random_basis(24, 7, torch.Generator().manual_seed(3)), site)
    base, source = random_texts(5, 1), random_texts(5, 2)
    runs = [clean_texts(edited, texts, [site]) for texts in (base, source)]
    tokens, lent = tokenize(small, base), runs[1].stream(site)
    with by_hook(small, edit, tokens.eot), patch(small, site, tokens.eot, lambda h: z.swap(h, lent)), torch.no_grad():
        wanted = unit_texts(small.model, tokens.ids)
    counterfactual = interchange(runs[0], runs[1], z)
    agree("edits", counterfactual, wanted)
    assert (counterfactual - embed_texts(edited, base)).abs().max() > 1e-3


def test_gradients_of_a_training_step_are_those_of_plain_passes(small: Clip):
    """The trainable run is edited too. Its gradients of the embeddings' weights equal those with the hook."""
    edit, site = loreft(small), Site("text", 3)
    edited, tokens = edit.apply(small), tokenize(small, TEXTS)
    weight = small.model.text_projection.weight
    weight.requires_grad_(True)
    try:
        run = trainable_texts(edited, tokens.ids, tokens.eot, site)
        (ours,) = torch.autograd.grad(run.embeddings.square().sum(0)[3], weight)
        with by_hook(small, edit, tokens.eot):
            (plain_one,) = torch.autograd.grad(unit_texts(small.model, tokens.ids).square().sum(0)[3], weight)
    finally:
        weight.requires_grad_(False)
    torch.testing.assert_close(ours, plain_one, atol=1e-5, rtol=1e-4)
    assert ours.abs().max() > 1e-3


def test_images_are_edited_at_cls(small: Clip):
    edit = loreft(small, tower="vision")
    edited, pairs = edit.apply(small), load_pairs("toy", limit=6)
    images = [pairs.open_image(pair) for pair in pairs.pairs[:4]]
    with by_hook(small, edit, torch.zeros(4, dtype=torch.long)):
        wanted = embed_images(small, images)
    agree("edits", embed_images(edited, images), wanted)
    assert (wanted - embed_images(small, images)).abs().max() > 1e-2
    assert edited.image_fingerprint != small.image_fingerprint
    for layer in (1, LAYER, 3):
        site = Site("vision", layer)
        run = clean_images(edited, images, [site])
        agree("edits", run.push(site, run.stream(site)).cpu(), wanted)


def test_attributions_are_of_the_edited_model(small: Clip):
    """Both methods agree on all routes, and sums equal differences of the edited model's scores."""
    edit, layer = loreft(small), 3
    edited, tokens = edit.apply(small), tokenize(small, TEXTS[:3])
    images = nn.functional.normalize(torch.randn(3, 16, generator=torch.Generator().manual_seed(0)), dim=-1)
    z = Rotation(random_basis(24, 6, torch.Generator().manual_seed(2)), Site("text", layer))
    shared, through = integrate(edited, tokens, images, layer, {"z": z}, PathSettings(24))
    scores = (plain(small, edit, TEXTS[:3]) * images).sum(-1).numpy()
    np.testing.assert_allclose(shared.score, scores, atol=1e-6)
    assert shared.full is not None
    np.testing.assert_allclose(shared.full.sum(1), shared.score - shared.baseline_score, atol=2e-3)
    for row in range(3):
        path = run_path(edited, tokens.take(torch.tensor([row])), images[row : row + 1], [layer], PathSettings(24))
        np.testing.assert_allclose(path.full, shared.full[row][path.moved.numpy()], atol=2e-6)
        moved = path.through(layer, z)
        np.testing.assert_allclose(moved, through["z"][row][path.moved.numpy()], atol=2e-6)
    attributor = MediatedIntegratedGradients(edited, z, routes=("through", "full"))
    attributions = attributor.attribute(TEXTS[:3], images, n_steps=24)
    np.testing.assert_allclose(attributions.tokens["full"], shared.full, atol=1e-6)
    unedited, _ = integrate(small, tokens, images, layer, {"z": z}, PathSettings(24))
    assert unedited.full is not None
    assert np.abs(unedited.full - shared.full).max() > 1e-3


def test_a_tower_that_is_not_causal_is_edited_too(toy: Clip):
    """The oracle makes whole passes in float64 with a hook on the block. Above the edit, every position runs again."""
    with registered():
        other = two_way(toy)
        width, draw = other.width("text"), torch.Generator().manual_seed(0)
        rows = random_basis(width, SIZE, draw).T.contiguous().double()
        weight, bias = torch.randn(SIZE, width, generator=draw).double() / 4, torch.randn(SIZE, generator=draw).double()
        edit = Edit("loreft", Site("text", 1), {"rows": rows, "weight": weight, "bias": bias})
        edited, tokens = edit.apply(other), tokenize(other, NATURAL)
        wanted = []
        for row in range(len(tokens)):
            alone = tokens.take(torch.tensor([row]))
            with by_hook(other, edit, alone.eot), torch.no_grad():
                wanted.append(unit_texts(other.model, alone.ids)[0])
        expected = torch.stack(wanted)
        agree("edits", embed_tokens(edited, tokens), expected)
        for site in (Site("text", 1), Site("text", 2), Site("text", 1, "mlp")):
            run = clean_texts(edited, NATURAL, [site])
            agree("edits", run.push(site, run.stream(site)), expected)
        assert (expected - embed_tokens(other, tokens)).abs().max() > 1e-3


def test_adapters_are_merged_below_an_edit(small: Clip):
    clip = replace(small, model=copy.deepcopy(small.model))
    config = LoraConfig(r=2, target_modules=["q_proj", "fc1"], init_lora_weights=False)
    inject_adapter_in_model(config, clip.model)
    edit = loreft(clip)
    wanted = plain(clip, edit, TEXTS)
    assert (wanted - plain(small, edit, TEXTS)).abs().max() > 1e-4
    agree("edits", embed_tokens(edit.apply(clip), tokenize(clip, TEXTS)), wanted)


@pytest.mark.parametrize("tower", ["text", "two_way"])
def test_pairs_of_an_edited_model_need_no_run_of_it(small: Clip, toy: Clip, tower: str):
    """Streams and pushed embeddings equal those of a clean run of the edited model."""
    with registered() if tower == "two_way" else nullcontext():
        clip = two_way(toy, dtype=torch.float32) if tower == "two_way" else small
        edit, n = loreft(clip), len(NATURAL)
        images = unit_texts(clip.model, tokenize(clip, NATURAL).ids)

        def part(model: Clip) -> PairsAtSite:
            run = clean_texts(model, [*NATURAL, *reversed(NATURAL)], [edit.site])
            return PairsAtSite(PairRun(run, images, model.logit_scale), edit.site)

        ours, theirs = edited_part(part(clip), edit), part(edit.apply(clip))
        rows = torch.tensor([1, 0])
        agree("edits", ours.streams, theirs.streams)
        agree("edits", ours.clean, theirs.clean)
        agree("edits", ours.mean_gradient, theirs.mean_gradient)
        h = torch.randn(2 * len(rows), 2, clip.width("text"), generator=torch.Generator().manual_seed(1))
        mine, whole = (each.pairs.take(rows).run.push(edit.site, h) for each in (ours, theirs))
        agree("edits", mine, whole)
        assert not torch.allclose(ours.clean, part(clip).clean, atol=1e-4)
        assert len(ours) == n
        with raises(ValueError, "text.1.eot", edit.site):
            edited_part(part(clip), replace(edit, site=Site("text", 1)))
