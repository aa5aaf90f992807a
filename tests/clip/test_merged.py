"""Tests of merged adapters against peft's own forward pass, in float64, up to rounding."""

from __future__ import annotations

import copy
import warnings
from itertools import combinations
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from interp.clip import blocks as arithmetic
from interp.clip.loading import load_clip
from interp.clip.merged import Adapter, Linear, MergedBlock, merged
from interp.clip.model import Clip, tokenize
from interp.clip.sites import Site
from interp.subspaces.rotation import random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import random_clip, random_texts
from training.config import FinetuneConfig
from training.losses import Learner
from training.trainable_weights import prepare

TARGETS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
SUBSETS = [",".join(names) for n in range(1, 7) for names in combinations(TARGETS, n)]
PAIRS, CLOSE = 12, {"atol": 1e-10, "rtol": 1e-10}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    return load_clip(str(random_clip(tmp_path_factory.mktemp("precise"))), dtype=torch.float64)


def adapted(base: Clip, targets: str, generator: torch.Generator) -> Clip:
    """Return a copy with adapters whose B is not zero, since a zero B would hide the gradient of A."""
    clip = copy.deepcopy(base)
    prepare(clip, FinetuneConfig(lora_targets=targets, lora_rank=3))
    with torch.no_grad():
        for name, parameter in clip.model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1, generator=generator)
    return clip


def loss_and_gradients(clip: Clip, objective: Any, layer: int, generator: torch.Generator) -> dict[str, Tensor]:
    """Return loss and gradients for texts of many lengths, which form several groups."""
    free = random_basis(24, 5, generator).double()
    learner = Learner(clip, objective, Site("text", layer), None if objective == "behavioral" else free, 0.3)
    tokens = tokenize(clip, random_texts(2 * PAIRS, 7))
    images = functional.normalize(torch.randn(PAIRS, 16, generator=generator, dtype=torch.float64), dim=-1)
    loss = learner(tokens.ids, tokens.eot, images, torch.arange(PAIRS).roll(5))
    weights = {name: p for name, p in learner.named_parameters() if p.requires_grad}
    return {"loss": loss.detach()} | dict(zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("targets", SUBSETS)
def test_loss_and_gradients_are_those_of_peft(base: Clip, targets: str, monkeypatch: pytest.MonkeyPatch):
    """Compare loss and gradients for adapters of any subset of layers, with alternating objectives and sites."""
    place = SUBSETS.index(targets)
    objective, layer = ("iit-das", "joint", "behavioral")[place % 3], 1 + place % 5
    clip = adapted(base, targets, torch.Generator().manual_seed(place))
    assert all(isinstance(block, MergedBlock) for block in arithmetic.text_blocks(clip))
    ours = loss_and_gradients(clip, objective, layer, torch.Generator().manual_seed(1))
    monkeypatch.setattr(arithmetic, "merged", lambda block: block)
    theirs = loss_and_gradients(clip, objective, layer, torch.Generator().manual_seed(1))
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        agree("adapters", ours[name], value)
    assert max(float(value.abs().max()) for name, value in theirs.items() if "lora_A" in name) > 1e-4
    assert len(theirs) == 1 + (objective != "behavioral") + 5 * 2 * len(targets.split(","))


def test_a_scale_and_several_adapters_count(base: Clip, generator: torch.Generator):
    """Check an alpha that differs from the rank, and the sum of several active adapters."""
    from peft import LoraConfig, inject_adapter_in_model

    clip = copy.deepcopy(base)
    for name, alpha in (("default", 6), ("second", 1)):
        settings = LoraConfig(r=2, lora_alpha=alpha, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft warns about a second adapter
            inject_adapter_in_model(settings, clip.model, adapter_name=name)
    clip.model.requires_grad_(False)
    block = arithmetic.blocks(clip, "text")[1]
    attention = block.self_attn
    attention.q_proj.set_adapter(["default", "second"])
    factors = [
        part[name].weight
        for part in (attention.q_proj.lora_A, attention.q_proj.lora_B)
        for name in ("default", "second")
    ]
    for factor in factors:
        factor.requires_grad_(True)
    x = torch.randn(7, 2, 24, generator=generator, dtype=torch.float64, requires_grad=True)
    ours = merged(block).self_attn.qkv(x)
    theirs = torch.cat([attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)], dim=-1)
    torch.testing.assert_close(ours, theirs, **CLOSE)
    pull = torch.randn(ours.shape, generator=generator, dtype=torch.float64)
    for gradient, other in zip(
        *(torch.autograd.grad((out * pull).sum(), [x, *factors]) for out in (ours, theirs)), strict=True
    ):
        torch.testing.assert_close(gradient, other, **CLOSE)
    torch.testing.assert_close(merged(block).self_attn.qkv.after(24)(x), ours[..., 24:], **CLOSE)


@pytest.mark.parametrize(
    "targets", [("q_proj", "v_proj"), ("out_proj", "k_proj"), ("fc1", "q_proj"), ("fc1", "fc2"), ("q_proj", "q_proj")]
)
def test_adapters_of_different_layers_may_be_active_together(
    base: Clip, targets: tuple[str, str], generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
):
    """Check that each active adapter counts in the layers that it adapts, even if no layer has all adapters."""
    from peft import LoraConfig, inject_adapter_in_model

    clip = copy.deepcopy(base)
    for name, target in zip(("default", "second"), targets, strict=True):
        settings = LoraConfig(r=2, lora_alpha=3, target_modules=[target], init_lora_weights=False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # peft warns about a second adapter
            inject_adapter_in_model(settings, clip.model, adapter_name=name)
    for module in clip.model.modules():
        if hasattr(module, "lora_A"):
            module.set_adapter(["default", "second"])
    clip.model.vision_model.requires_grad_(False)
    assert all(isinstance(block, MergedBlock) for block in arithmetic.text_blocks(clip))
    ours = loss_and_gradients(clip, "iit-das", 2, torch.Generator().manual_seed(1))
    monkeypatch.setattr(arithmetic, "merged", lambda block: block)
    theirs = loss_and_gradients(clip, "iit-das", 2, torch.Generator().manual_seed(1))
    assert ours.keys() == theirs.keys()
    for name in ("default", "second"):
        assert max(float(value.abs().max()) for key, value in theirs.items() if f"lora_A.{name}" in key) > 1e-4
    for name, value in theirs.items():
        agree("adapters", ours[name], value)


@pytest.mark.parametrize("settings", [{"bias": "all"}, {"bias": "lora_only"}, {"lora_bias": True}, {"use_dora": True}])
def test_gradients_of_what_else_is_trained_are_those_of_peft(
    base: Clip, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """Check gradients of biases and of DoRA's magnitudes, which a merged layer would not give."""
    from peft import LoraConfig, inject_adapter_in_model

    clip = copy.deepcopy(base)
    wanted = LoraConfig(r=2, target_modules=["q_proj", "fc1"], **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        inject_adapter_in_model(wanted, clip.model)
    for module in clip.model.modules():
        if hasattr(module, "lora_B"):
            torch.nn.init.constant_(module.lora_B["default"].weight, 0.05)
    clip.model.vision_model.requires_grad_(False)
    ours = loss_and_gradients(clip, "joint", 2, torch.Generator().manual_seed(1))
    monkeypatch.setattr(arithmetic, "merged", lambda block: block)
    theirs = loss_and_gradients(clip, "joint", 2, torch.Generator().manual_seed(1))
    assert any("bias" in name or "magnitude" in name for name in theirs)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        agree("adapters", ours[name], value)


def test_gradients_are_those_of_finite_differences(generator: torch.Generator):
    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    weight, bias = draw(6, 4).detach(), draw(6).detach()

    def layer(x: Tensor, down: Tensor, up: Tensor) -> Tensor:
        whole = weight.clone()
        whole[2:5] += 0.5 * (up @ down).detach()  # merged without a graph, as in training
        return Linear(whole, bias, (Adapter(slice(2, 5), down, up, 0.5),))(x)

    assert torch.autograd.gradcheck(layer, (draw(3, 4), draw(2, 4), draw(3, 2)))


def test_what_cannot_be_merged_is_run_as_it_is(base: Clip, generator: torch.Generator):
    """Use peft's own forward pass for dropout, trained weights of the base, and half precision."""

    def kept(clip: Clip) -> list[bool]:
        return [block is merged(block) for block in arithmetic.blocks(clip, "text")]

    assert kept(base) == [True] * 5
    assert kept(adapted(base, "k_proj", generator)) == [False] * 5
    clip = adapted(base, "k_proj", generator)
    with torch.autocast("cpu", torch.bfloat16):
        assert kept(clip) == [True] * 5
    arithmetic.blocks(clip, "text")[2].mlp.fc1.weight.requires_grad_(True)
    arithmetic.blocks(clip, "text")[3].self_attn.k_proj.lora_dropout["default"] = nn.Dropout(0.1)
    arithmetic.blocks(clip, "text")[4].self_attn.k_proj.enable_adapters(False)
    assert kept(clip) == [False, False, True, True, True]


def test_weights_are_merged_as_they_are_now(base: Clip, generator: torch.Generator):
    """Check that a run after a step of the optimizer has the new weights."""
    clip = adapted(base, "q_proj", generator)
    before, after = [], []
    for out in (before, after):
        out += [merged(block).self_attn.qkv.weight for block in arithmetic.blocks(clip, "text")]
        with torch.no_grad():
            for parameter in clip.model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1)
    assert all((weight - other).abs().max() > 1e-3 for weight, other in zip(before, after, strict=True))
