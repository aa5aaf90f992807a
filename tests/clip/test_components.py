"""Tests of swaps at components of a block, in both towers, against plain hooks and pyvene."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from interp.clip.blocks import blocks, embed_ids, embed_patches, run_parts
from interp.clip.components import COMPONENTS
from interp.clip.families.family import Tower
from interp.clip.hooks import capture, patch
from interp.clip.model import Clip, pixel_values, tokenize
from interp.clip.pyvene import COMPONENTS as OF_PYVENE
from interp.clip.pyvene import import_pyvene, register
from interp.clip.sites import Site, SiteError, SiteMismatch
from interp.data.toy.pairs import load_toy
from interp.subspaces.clean_run import TextRun, clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, orthonormal, random_basis
from interp.subspaces.trainable_run import trainable_texts
from tests.agreement import agree
from tests.oracles.plain_forward import interchange_by_hook, random_texts
from tests.wording import raises

INSIDE = ("attn", "mlp")
CLOSE: dict[str, Any] = {"atol": 1e-6, "rtol": 0.0}
N = 4  # inputs


def some_images(n: int) -> list[Any]:
    world = load_toy()
    return [world.open_image(pair) for pair in world.pairs[:n]]


def rotation_at(clip: Clip, site: Site, size: int, seed: int = 0) -> Rotation:
    return Rotation(random_basis(clip.width(site.tower), size, torch.Generator().manual_seed(seed)), site)


def runs_of(clip: Clip, site: Site, n: int = N, seed: int = 0) -> tuple[Any, Any]:
    """Return base and source runs of n inputs."""
    if site.tower == "text":
        base, source = (clean_texts(clip, random_texts(n, seed + number), [site]) for number in (0, 1))
        return base, source
    run = clean_images(clip, some_images(2 * n), [site])
    return run.take(torch.arange(n)), run.take(torch.arange(n, 2 * n))


def images_by_hook(clip: Clip, base: Any, source: Any, rotation: Rotation) -> Tensor:
    """Return counterfactual embeddings of images from full forward passes of transformers."""
    site, projector = rotation.site, rotation.basis @ rotation.basis.T
    with capture(clip, [site]) as seen:
        clip.model.get_image_features(pixel_values=source.pixels[source.rows])
    given = seen[site][:, 0]
    with patch(clip, site, torch.zeros(len(base), dtype=torch.long), lambda h: h + (given - h) @ projector):
        features = clip.model.get_image_features(pixel_values=base.pixels[base.rows]).pooler_output
    return features / features.norm(dim=-1, keepdim=True)


def by_hook(clip: Clip, base: Any, source: Any, rotation: Rotation, seed: int = 0) -> Tensor:
    if rotation.site.tower == "vision":
        return images_by_hook(clip, base, source, rotation)
    texts = (random_texts(len(base), seed + number) for number in (0, 1))
    return interchange_by_hook(clip, *texts, rotation.site, rotation.basis)


def by_pyvene(clip: Clip, base: Any, source: Any, rotation: Rotation) -> Tensor:
    """Return counterfactual embeddings from pyvene alone, after `register`."""
    pv, site = import_pyvene(), rotation.site
    register()
    intervention = pv.LowRankRotatedSpaceIntervention(embed_dim=rotation.width, low_rank_dimension=rotation.size).to(
        clip.model.dtype
    )
    intervention.rotate_layer.parametrizations.weight[0].base = torch.linalg.svd(rotation.basis)[0]
    intervention.rotate_layer.weight = rotation.basis.clone()
    name = ("vision_" if site.tower == "vision" else "") + site.part.pyvene
    config = pv.RepresentationConfig(site.block, name, intervention=intervention)
    model = pv.IntervenableModel([config], model=copy.deepcopy(clip.model))
    ids = tokenize(clip, ["a star"] * len(base)).ids
    if site.tower == "vision":
        inputs = [{"input_ids": ids, "pixel_values": run.pixels[run.rows]} for run in (base, source)]
        places: Any = 0
        key = "image_embeds"
    else:
        pixels = pixel_values(clip, some_images(len(base)))
        tokens = [run.tokens.take(run.rows) for run in (base, source)]
        inputs = [{"input_ids": batch.ids, "pixel_values": pixels} for batch in tokens]
        where = [[[[int(place)] for place in batch.eot]] for batch in tokens]
        places, key = (where[1], where[0]), "text_embeds"
    with torch.no_grad():
        _, out = model(inputs[0], [inputs[1]], {"sources->base": places})
    return out[key] / out[key].norm(dim=-1, keepdim=True)


@pytest.mark.slow
@pytest.mark.parametrize("tower", ["text", "vision"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_swaps_are_those_of_a_hook_and_of_pyvene(small: Clip, tower: Tower, component: str):
    for layer in range(1, small.depth(tower) + 1):
        site = Site(tower, layer, component)
        rotation, (base, source) = rotation_at(small, site, 9, seed=layer), runs_of(small, site)
        cached = interchange(base, source, rotation)
        agree("components", cached, by_hook(small, base, source, rotation))
        agree("components", cached, by_pyvene(small, base, source, rotation))
        at_block = Site(tower, layer)
        if component != "block":  # the swap at the block's output has another effect
            other = interchange(*runs_of(small, at_block), Rotation(rotation.basis, at_block))
            assert (cached - other).abs().max() > 1e-3
        assert (cached - base.push(site, base.stream(site))).abs().max() > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("tower", ["text", "vision"])
@pytest.mark.parametrize("component", INSIDE)
def test_swaps_in_the_toy_model(toy: Clip, tower: Tower, component: str):
    for layer in (2, toy.depth(tower)):
        site = Site(tower, layer, component)
        rotation, (base, source) = rotation_at(toy, site, 16), runs_of(toy, site)
        cached = interchange(base, source, rotation)
        agree("components", cached, by_hook(toy, base, source, rotation))
        agree("components", cached, by_pyvene(toy, base, source, rotation))


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    component=st.sampled_from(INSIDE),
    layer=st.integers(1, 5),
    size=st.integers(0, 24),
    n=st.integers(1, 5),
    seed=st.integers(0, 10_000),
)
def test_any_size_and_layer_against_a_hook(small: Clip, component: str, layer: int, size: int, n: int, seed: int):
    site = Site("text", layer, component)
    rotation, (base, source) = rotation_at(small, site, size, seed), runs_of(small, site, n, seed)
    agree("components", interchange(base, source, rotation), by_hook(small, base, source, rotation, seed))


@pytest.mark.slow
@pytest.mark.parametrize("tower", ["text", "vision"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_itself_as_source_changes_no_bit_and_the_whole_value_is_the_source_s(
    small: Clip, tower: Tower, component: str, generator: torch.Generator
):
    site = Site(tower, 2, component)
    base, source = runs_of(small, site)
    clean = base.push(site, base.stream(site))
    whole = Rotation(torch.eye(small.width(tower)), site)
    for rotation in (whole, rotation_at(small, site, 7), rotation_at(small, site, 0)):
        assert torch.equal(interchange(base, base, rotation), clean)
    filled = interchange(base, source, whole)
    torch.testing.assert_close(filled, base.push(site, source.stream(site)), **CLOSE)
    assert (filled - clean).abs().max() > 1e-3
    several = torch.stack(
        [base.stream(site), source.stream(site), torch.randn(base.stream(site).shape, generator=generator)], 1
    )
    alone = torch.stack([base.push(site, h) for h in several.unbind(1)], 1)
    torch.testing.assert_close(base.push(site, several), alone, atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("tower", ["text", "vision"])
def test_a_clean_value_joined_is_the_block_s_output(small: Clip, tower: Tower):
    if tower == "text":
        hidden, causal = embed_ids(small, tokenize(small, random_texts(5, 0)).ids), True
    else:
        hidden, causal = embed_patches(small, pixel_values(small, some_images(5))), False
    for block in blocks(small, tower):
        parts, _, _ = run_parts(block, hidden, causal=causal)
        torch.testing.assert_close(parts.after, block(hidden, None, is_causal=causal), atol=1e-5, rtol=1e-5)
        for component in COMPONENTS.values():
            value, rest = component.split(parts)
            assert torch.equal(component.join(block, rest, value), parts.after)
            assert component.pyvene in OF_PYVENE
            seen: list[Tensor] = []
            module = component.module(block, block)
            handle = module.register_forward_hook(lambda _m, _i, out, seen=seen: seen.append(out))
            block(hidden, None, is_causal=causal)
            handle.remove()
            torch.testing.assert_close(value, seen[0], atol=1e-5, rtol=1e-5)
        hidden = parts.after


def adapted(clip: Clip, folder: Path) -> Clip:
    """Return a copy with LoRA adapters that are not 0, whose blocks run merged."""
    from dataclasses import replace

    from peft import LoraConfig, inject_adapter_in_model

    names = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]
    model = copy.deepcopy(clip.model).requires_grad_(False)
    torch.manual_seed(0)
    config = LoraConfig(
        r=3, lora_alpha=6, target_modules=rf"text_model\.encoder\.layers\.\d+\.\w+\.({'|'.join(names)})"
    )
    inject_adapter_in_model(config, model)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.3)
    return replace(clip, model=model.eval())


@pytest.mark.slow
@pytest.mark.parametrize("component", COMPONENTS)
def test_swaps_in_a_model_with_adapters(small: Clip, tmp_path: Path, component: str):
    clip, site = adapted(small, tmp_path), Site("text", 3, component)
    rotation, (base, source) = rotation_at(clip, site, 9), runs_of(clip, site)
    expected = by_hook(clip, base, source, rotation)
    agree("components", interchange(base, source, rotation), expected)
    assert (expected - by_hook(small, *runs_of(small, site), rotation)).abs().max() > 1e-3
    tokens = [tokenize(clip, random_texts(N, seed)) for seed in (0, 1)]
    live, other = (trainable_texts(clip, batch.ids, batch.eot, site) for batch in tokens)
    stream, given = live.stream(site), other.stream(site)
    pushed = live.push(site, stream + (given - stream) @ rotation.basis @ rotation.basis.T)
    agree("components", pushed.detach(), expected)


@pytest.mark.parametrize("component", COMPONENTS)
def test_gradients_through_a_trainable_run(small: Clip, component: str, generator: torch.Generator):
    """Compare gradients with autograd of a plain forward pass with the swap in a hook, float64."""
    site, texts = Site("text", 2, component), random_texts(3, 5)
    basis = orthonormal(torch.randn(24, 4, generator=generator, dtype=torch.float64))
    model = copy.deepcopy(small.model).double()
    weights = [model.text_model.encoder.layers[number].mlp.fc1.weight for number in (0, 1, 3)]
    for weight in weights:
        weight.requires_grad_()
    from dataclasses import replace

    clip = replace(small, model=model)
    tokens = tokenize(clip, texts)
    live = trainable_texts(clip, tokens.ids, tokens.eot, site)
    stream = live.stream(site)
    h = stream + (stream.roll(1, 0) - stream) @ basis @ basis.T
    images = torch.randn(3, 16, generator=generator, dtype=torch.float64)
    gradients = torch.autograd.grad((live.push(site, h) * images).sum(), weights)
    projector = basis @ basis.T
    with patch(clip, site, tokens.eot, lambda h: h + (h.roll(1, 0) - h) @ projector):
        features = model.get_text_features(input_ids=tokens.ids).pooler_output
    embedded = features / features.norm(dim=-1, keepdim=True)
    expected = torch.autograd.grad((embedded * images).sum(), weights)
    for got, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-10, rtol=1e-8)
        assert wanted.abs().max() > 1e-6


def test_a_run_with_several_sites_is_saved_and_loaded(small: Clip, tmp_path: Path):
    places = [Site("text", 2, component) for component in COMPONENTS] + [Site("text", 4, "attn")]
    run = clean_texts(small, random_texts(7, 10), places)
    run.save(tmp_path / "run.safetensors")
    again = TextRun.load(small, tmp_path / "run.safetensors")
    assert set(again.streams) == set(places)
    for site in places:
        h = run.stream(site) + 1
        assert torch.equal(again.push(site, h), run.push(site, h))
        alone = clean_texts(small, random_texts(7, 10), [site])
        assert torch.equal(alone.push(site, h), run.push(site, h))


@pytest.mark.slow
def test_errors_say_what_there_is(small: Clip):
    with raises(SiteError, "'heads'"):
        Site("text", 2, "heads")
    run = clean_texts(small, random_texts(2, 0), [Site("text", 2, "mlp"), Site("text", 3)])
    with raises(SiteMismatch, "text.2.mlp.eot", "text.3.eot", "text.2.attn.eot"):
        run.stream(Site("text", 2, "attn"))
    with raises(SiteMismatch, "vision.1.cls"):
        clean_texts(small, random_texts(2, 0), [Site("vision", 1)])
    with raises(SiteMismatch, "text.1.mlp.eot"):
        clean_images(small, some_images(1), [Site("text", 1, "mlp")])


def test_labels_of_components():
    assert Site("text", 11, "mlp").label == "text.11.mlp.eot"
    for site in (Site("text", 11), Site("text", 3, "mlp"), Site("vision", 2, "attn"), Site("vision", 1)):
        assert Site.parse(site.label) == site
    for label, component in (("text.3.head.eot", "'head'"), ("text.3.head.2.eot", "'head.2'")):
        with raises(SiteError, component):
            Site.parse(label)
