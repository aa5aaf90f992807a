"""Tests of another model family, whose text tower is not causal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch import Tensor, nn

from interp.attribution.all_layers import run_path
from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings
from interp.attribution.mediated import MediatedIntegratedGradients
from interp.attribution.path_rule import path_rule
from interp.check import plain
from interp.check.at_length import TEXTS, run_checks
from interp.clip.blocks import embed_tokens, text_blocks
from interp.clip.components import COMPONENTS
from interp.clip.families import family_of
from interp.clip.hooks import capture, patch
from interp.clip.image_features import image_features
from interp.clip.merged import MergedBlock
from interp.clip.model import Clip, embed_texts, tokenize, unit_images, unit_texts
from interp.clip.parts import layers_pattern, linear_layers
from interp.clip.sites import Site
from interp.clip.untrained import untrained
from interp.data.toy.pairs import load_toy
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.measures import Key
from interp.subspaces.clean_run import TextRun, clean_images, clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.methods import METHODS, fit_rotation
from interp.subspaces.outcomes import evaluate
from interp.subspaces.pairs import PairsAtSite, pair_run
from interp.subspaces.rotation import Rotation, random_basis
from interp.subspaces.search import SearchConfig
from interp.subspaces.trainable_run import trainable_texts
from tests.oracles.noncausal import DEPTH, registered, two_way
from tests.oracles.plain_forward import random_texts

ROOT = Path(__file__).parents[2]


EXACT = {"atol": 1e-6, "rtol": 0.0}


@pytest.fixture
def other(toy: Clip) -> Iterator[Clip]:
    """Return a model in float64 whose family is registered during the test."""
    with registered():
        yield two_way(toy)


def alone(clip: Clip, text: str) -> tuple[Tensor, int]:
    """Return the ids of a text without padding, and the place of its last token."""
    tokens = tokenize(clip, [text])
    return tokens.ids, int(tokens.eot)


@torch.no_grad()
def streams_by_hook(clip: Clip, text: str, sites: list[Site]) -> list[Tensor]:
    """Return the values at sites of one text, from a whole forward pass of this text alone."""
    ids, end = alone(clip, text)
    with capture(clip, sites) as seen:
        unit_texts(clip.model, ids)
    return [seen[site][0, end] for site in sites]


@torch.no_grad()
def swapped_by_hook(clip: Clip, base: list[str], source: list[str], subspace: Rotation) -> Tensor:
    """Embed each base text in a separate whole forward pass while a hook swaps Z."""
    out, projector = [], (subspace.basis @ subspace.basis.T).to(clip.model.dtype)
    for base_text, source_text in zip(base, source, strict=True):
        ids, end = alone(clip, base_text)
        (other,) = streams_by_hook(clip, source_text, [subspace.site])
        with patch(clip, subspace.site, torch.tensor([end]), lambda h, other=other: h + (other - h) @ projector):
            out.append(unit_texts(clip.model, ids))
    return torch.cat(out)


def every_site() -> list[Site]:
    """Return all sites in the text tower."""
    return [Site("text", layer, component) for layer in range(1, DEPTH + 1) for component in COMPONENTS]


def turn(clip: Clip, site: Site, size: int) -> Rotation:
    """Return a random rotation at a site, in the model's dtype."""
    basis = random_basis(clip.width(site.tower), size, torch.Generator().manual_seed(site.layer))
    return Rotation(basis.to(clip.model.dtype), site)


def test_a_change_at_the_last_token_reaches_other_positions(other: Clip):
    """Show that the cached step would be wrong for this family."""
    ids, end = alone(other, TEXTS[4])
    first, last = Site("text", 1), Site("text", 2)
    with capture(other, [last]) as clean:
        unit_texts(other.model, ids)
    with capture(other, [last]) as changed, patch(other, first, torch.tensor([end]), lambda h: h.roll(1, -1)):
        unit_texts(other.model, ids)
    assert (clean[last] - changed[last])[0, :end].norm(dim=-1).min() > 1e-3


def test_texts_of_any_length_are_embedded_as_alone(other: Clip):
    texts = random_texts(20, 0)
    whole = torch.cat([unit_texts(other.model, alone(other, text)[0]) for text in texts])
    torch.testing.assert_close(embed_tokens(other, tokenize(other, texts), batch_size=17), whole, **EXACT)
    torch.testing.assert_close(embed_texts(other, texts), whole, **EXACT)


@pytest.mark.parametrize("batch_size", [5, 64])
def test_streams_are_those_of_a_hook(other: Clip, batch_size: int):
    texts = random_texts(20, 1)
    run = clean_texts(other, texts, every_site(), batch_size=batch_size)
    hooked = zip(*(streams_by_hook(other, text, every_site()) for text in texts), strict=True)
    for site, streams in zip(every_site(), hooked, strict=True):
        torch.testing.assert_close(run.stream(site), torch.stack(streams), **EXACT)


@pytest.mark.parametrize("site", every_site(), ids=str)
def test_counterfactuals_are_those_of_a_hook(other: Clip, site: Site):
    base, source = random_texts(20, 2), random_texts(20, 3)
    runs = [clean_texts(other, texts, every_site(), batch_size=7) for texts in (base, source)]
    half = turn(other, site, 12)
    swapped = interchange(*runs, half, batch_size=6)
    torch.testing.assert_close(swapped, swapped_by_hook(other, base, source, half), **EXACT)
    assert (swapped - embed_texts(other, base)).norm(dim=-1).min() > 1e-3


def test_the_cached_step_would_be_wrong(other: Clip, monkeypatch: pytest.MonkeyPatch):
    base, source, half = random_texts(8, 2), random_texts(8, 3), turn(other, Site("text", 1), 12)
    expected = swapped_by_hook(other, base, source, half)
    family = type(family_of(other.model))
    names = {tower: replace(each, causal=tower == "text") for tower, each in family.towers.items()}
    monkeypatch.setattr(family, "towers", names)
    runs = [clean_texts(other, texts, [half.site]) for texts in (base, source)]
    assert (interchange(*runs, half) - expected).norm(dim=-1).max() > 1e-2


def test_a_text_swapped_with_itself_changes_nothing(other: Clip):
    texts = random_texts(9, 4)
    for site in every_site():
        run = clean_texts(other, texts, [site])
        assert torch.equal(interchange(run, run, turn(other, site, 12)), run.push(site, run.stream(site)))
        torch.testing.assert_close(run.push(site, run.stream(site)), embed_texts(other, texts), **EXACT)


def test_several_values_are_pushed_as_one_by_one(other: Clip):
    site, texts = Site("text", 1), random_texts(6, 5)
    run = clean_texts(other, texts, [site]).take(torch.tensor([4, 0, 5]))
    values = torch.randn(3, 2, other.width("text"), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    both = run.push(site, values)
    for number in range(2):
        torch.testing.assert_close(both[:, number], run.push(site, values[:, number]), **EXACT)


def test_a_run_can_be_kept(other: Clip, tmp_path: Path):
    site = Site("text", 2, "mlp")
    run = clean_texts(other, random_texts(6, 6), [site])
    run.save(tmp_path / "run.safetensors")
    again = TextRun.load(other, tmp_path / "run.safetensors")
    h = 2 * run.stream(site)
    assert torch.equal(again.push(site, h), run.push(site, h))


def test_images_swap_as_by_hook(other: Clip):
    data = load_toy()
    images = [data.open_image(pair) for pair in data.pairs[:4]]
    half, order = turn(other, Site("vision", 2), 8), torch.tensor([1, 2, 3, 0])
    run = clean_images(other, images, [half.site])
    expected = plain.image_counterfactuals(other.model, run.pixels, 2, half.basis, order)
    torch.testing.assert_close(interchange(run, run.take(order), half), expected, **EXACT)


def adapt(clip: Clip) -> list[Tensor]:
    """Put LoRA adapters that are not 0 into the text tower, and return their weights."""
    targets = ["query", "value", "up"]
    pattern = layers_pattern(clip.family, ["text"], targets)
    assert set(targets) < set(linear_layers(clip, "text"))
    inject_adapter_in_model(LoraConfig(r=2, lora_alpha=2, lora_dropout=0.0, target_modules=pattern), clip.model)
    weights = [weight for name, weight in clip.model.named_parameters() if "lora_" in name]
    assert len(weights) == 2 * len(targets) * DEPTH
    draw = torch.Generator().manual_seed(0)
    for weight in weights:
        weight.data = torch.randn(weight.shape, dtype=clip.model.dtype, generator=draw) / 3
    assert all(isinstance(block, MergedBlock) for block in text_blocks(clip))
    return weights


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("layer", [1, DEPTH])
def test_a_trainable_run_has_the_gradients_of_a_hook(other: Clip, layer: int, adapted: bool):
    """Compare the gradient of every weight with whole forward passes, for joint training of model and rotation."""
    site, tokens = Site("text", layer), tokenize(other, random_texts(6, 7))
    half, order = turn(other, site, 12), torch.arange(6).roll(1)
    weights = adapt(other) if adapted else [weight.requires_grad_() for weight in other.model.reader.parameters()]
    run = trainable_texts(other, tokens.ids, tokens.eot, site)
    swapped = run.push(site, half.swap(run.stream(site), run.take(order).stream(site)))
    factors = torch.randn(swapped.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with capture(other, [site]) as seen:
        unit_texts(other.model, tokens.ids)
    streams = seen[site][torch.arange(6), tokens.eot]
    projector = half.basis @ half.basis.T
    with patch(other, site, tokens.eot, lambda h: h + (streams[order] - h) @ projector):
        expected = unit_texts(other.model, tokens.ids)
    torch.testing.assert_close(swapped, expected, **EXACT)
    gradients, wanted = (torch.autograd.grad((x * factors).sum(), weights) for x in (swapped, expected))
    for gradient, true in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(gradient, true, atol=1e-9, rtol=1e-9)


@pytest.fixture
def pairs(other: Clip) -> tuple[PairsAtSite, PairsAtSite]:
    """Return train and test pairs of the toy world, at the first layer."""
    data, site = load_toy(), Site("text", 1)
    subset = replace(data, pairs=data.pairs[:24])
    features = image_features(other, subset)
    parts = (pair_run(other, features.take(rows), [site]) for rows in (range(16), range(16, 24)))
    train, test = (PairsAtSite(part, site) for part in parts)
    return train, test


@pytest.mark.slow
def test_a_search_lowers_its_loss_and_alignments_are_those_of_a_hook(other: Clip, pairs):
    train, test = pairs
    config = SearchConfig(max_steps=20, batch_size=16, look_every=10)
    rotation = fit_rotation("das", train.pairs, test.pairs, train.site, 4, config)
    losses = [loss for _, loss, _ in rotation.facts["history"]]
    assert min(losses) < losses[0] - 1e-3
    outcomes = evaluate(test.pairs, rotation, sources="paired")
    data = load_toy()
    negative = [pair.negative for pair in data.pairs[16:24]]
    positive = [pair.positive for pair in data.pairs[16:24]]
    swapped = swapped_by_hook(other, negative, positive, rotation)
    expected = (swapped * test.pairs.images).sum(-1)
    np.testing.assert_allclose(outcomes.counterfactual["up"], expected.numpy(), atol=1e-6)
    assert np.abs(outcomes.moves("up")).min() > 1e-6


def test_evidence_is_gathered(other: Clip, pairs):
    train, test = pairs
    size = 4
    (rotation,) = METHODS["gradient"].fit(train, test, [size], SearchConfig())
    how = MeasurementSettings(SearchConfig(), [METHODS["pca"], METHODS["random"]])
    numbers = measure_subspace({"train": train, "test": test}, rotation, how).numbers
    assert numbers[Key("iia", "size0")].value == 0.5
    assert np.isfinite([numbers[Key(name)].value for name in ("iia", "gap", "r2_own")]).all()


@pytest.mark.parametrize("layer", [1, 2, DEPTH])
def test_attributions_are_those_of_whole_backward_passes(other: Clip, layer: int):
    """Compare attributions of texts of several lengths in one batch with each text alone, by every route."""
    texts, half = [TEXTS[1], TEXTS[3], TEXTS[4]], turn(other, Site("text", layer), 6)
    images = nn.functional.normalize(
        torch.randn(3, other.embed_dim, generator=torch.Generator().manual_seed(1)).double()
    )
    tokens, rule = tokenize(other, texts), path_rule(4, "gausslegendre")
    starts = default_baselines(other, tokens)
    attributed = MediatedIntegratedGradients(other, half).attribute(texts, images, n_steps=4)
    for row in range(3):
        length = int(tokens.eot[row]) + 1
        ids, start = tokens.ids[row, :length], starts[row, :length]
        expected = plain.attributions(other.model, ids, start, images[row], (layer, half.basis), rule)
        for route, values in expected.items():
            np.testing.assert_allclose(attributed.tokens[route][row, :length], values.numpy(), atol=1e-9, err_msg=route)
            nothing_bypasses = route == "bypass" and layer == DEPTH
            assert nothing_bypasses or np.abs(values.numpy()).max() > 1e-6
        path = run_path(other, tokens.take(torch.tensor([row])), images[[row]], [layer], PathSettings(4))
        moved = path.moved.numpy()
        np.testing.assert_allclose(path.through(layer, half), expected["through"][moved], atol=1e-9)
        stream = (expected["through"] + expected["around"])[moved]
        np.testing.assert_allclose(path.through(layer, None), stream, atol=1e-9)
        np.testing.assert_allclose(path.full, expected["full"][moved], atol=1e-9)


@pytest.mark.slow
def test_every_check_passes(toy: Clip):
    with registered():
        clip = two_way(toy, dtype=torch.float32)
        findings = run_checks(clip)
    assert [finding for finding in findings if not finding.ok] == []


def test_random_weights_are_drawn_for_texts_alone(other: Clip):
    fresh = untrained(other, 5)
    pixels = torch.randn(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(unit_images(fresh.model, pixels), unit_images(other.model, pixels))
    ids = alone(other, TEXTS[2])[0]
    assert (unit_texts(fresh.model, ids) - unit_texts(other.model, ids)).norm() > 1e-2


OF_CLIP = re.compile(
    r"\bCLIP(Text|Vision)?(Model|Config|Tokenizer|Processor|ImageProcessor)|modeling_clip|(text|vision)_model\b"
    r"|(text|visual)_projection|encoder\.layers|pre_layrnorm|post_layernorm|final_layer_norm|token_embedding"
    r"|get_(text|image)_features|\blayer_norm[12]\b|\bself_attn\b|\b(text|vision)_config\b"
)
