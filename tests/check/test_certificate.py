"""Tests that a sound model is certified, and that each planted fault is found."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from interp.check.at_length import TEXTS
from interp.check.certificate import NotCertified, certified_pairs, certify
from interp.check.findings import Finding, distance, tolerance
from interp.clip.errors import ModelError
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.subspaces import clean_run
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.rotation import Rotation, random_basis
from interp.sweep import __main__ as sweep
from tests.oracles.plain_forward import random_texts
from tests.wording import raises, refused
from training import evaluate

Patch = pytest.MonkeyPatch
ITSELF, EMPTY, WHOLE, CHANGE, STREAMS, HOOK = range(6)


def failing(clip: Clip) -> set[int]:
    return {i for i, finding in enumerate(certify(clip, TEXTS, range(1, clip.depth("text") + 1))) if not finding.ok}


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_a_sound_model_is_certified_in_every_dtype(small: Clip, dtype: torch.dtype):
    clip = load_clip(small.name, dtype=dtype)
    for texts in (TEXTS, random_texts(9, 1), ["a star", "A  STAR", "", "a moon"]):
        findings = certify(clip, texts, [2, 4])
        assert all(finding.ok for finding in findings), findings
        assert findings[ITSELF].error == 0


def test_the_toy_is_certified(toy: Clip):
    assert not failing(toy)


def scaled_step(_clip: Clip, patch: Patch) -> None:
    step = clean_run.step_block
    patch.setattr(clean_run, "step_block", lambda *given: 1.01 * step(*given))


def not_causal(clip: Clip, _patch: Patch) -> None:
    def uncovered(_module, given, named):
        return given, named | {"attention_mask": None, "is_causal": False}

    clip.model.text_model.encoder.register_forward_pre_hook(uncovered, with_kwargs=True)


def acting_eot(clip: Clip, patch: Patch) -> None:
    """Add EOT's stream, the last position of the longest text, to all positions."""
    block = clip.model.text_model.encoder.layers[2]
    forward = block.forward

    def leaky(hidden, *rest, **named):
        return forward(hidden, *rest, **named) + 0.1 * hidden[:, -1:]

    patch.setattr(block, "forward", leaky)


def dropout(clip: Clip, patch: Patch) -> None:
    for block in clip.model.text_model.encoder.layers:
        patch.setattr(block.self_attn, "dropout", 0.2)
        patch.setattr(block.self_attn, "training", True)


def inexact_swap(_clip: Clip, patch: Patch) -> None:
    """Replace the swap by a formula that is equal only in exact arithmetic, as libraries based on PCA use."""

    def swap(self, base, source):
        return base - (base @ self.basis) @ self.basis.T + (source @ self.basis) @ self.basis.T

    patch.setattr(Rotation, "swap", swap)


def no_swap(_clip: Clip, patch: Patch) -> None:
    patch.setattr(Rotation, "swap", lambda _self, base, _source: base)


def not_a_number(clip: Clip, patch: Patch) -> None:
    patch.setattr(clip.model.text_projection.weight, "data", clip.model.text_projection.weight.data * math.nan)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plant", "expected"),
    [
        (scaled_step, {EMPTY, HOOK}),
        (not_causal, {EMPTY, WHOLE, STREAMS, HOOK}),
        (acting_eot, {EMPTY, STREAMS, HOOK}),
        (dropout, {EMPTY, WHOLE, STREAMS, HOOK}),
        (inexact_swap, {ITSELF}),
        (no_swap, {CHANGE, HOOK}),
        (not_a_number, {ITSELF, EMPTY, CHANGE, HOOK}),
    ],
)
def test_planted_faults_are_found(small: Clip, plant: Callable[[Clip, Patch], None], expected: set[int]):
    clip = load_clip(small.name)
    with pytest.MonkeyPatch.context() as patch:
        plant(clip, patch)
        assert failing(clip) == expected


@pytest.mark.slow
def test_a_text_tower_as_large_as_vit_b32s(tmp_path: Path):
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(vision_config=vision)).save_pretrained(tmp_path)
    clip = load_clip(str(tmp_path), tokenizer="toy")
    assert (clip.width("text"), clip.depth("text")) == (512, 12)
    assert not failing(clip)
    with pytest.MonkeyPatch.context() as patch:
        scaled_step(clip, patch)
        assert failing(clip) == {EMPTY, HOOK}


def test_two_different_texts_are_needed(small: Clip):
    with raises(ModelError):
        certify(small, ["A star", "a  star"], [1])


@pytest.mark.slow
def test_the_error_says_what_and_how_much_and_what_to_do(small: Clip, monkeypatch: Patch):
    features = image_features(small, load_pairs("toy", limit=12))
    errors = certified_pairs(small, features, [2, 3])
    assert len(errors) == 6
    assert max(errors.values()) > 0 == errors["a text swapped with itself, against itself"]
    scaled_step(small, monkeypatch)
    command = f"python -m interp.check {small.name} --device cpu --dtype float32"
    with raises(NotCertified, "an empty subspace", command):
        certified_pairs(small, features, [2, 3])
    assert clean_texts(small, ["a star"], [Site("text", 2)]).stream(Site("text", 2)).isfinite().all()


@pytest.mark.slow
def test_a_sweep_does_not_start_where_the_engine_is_wrong(small: Clip, tmp_path: Path, monkeypatch: Patch, capsys):
    out = tmp_path / "run"
    scaled_step(small, monkeypatch)
    # Not layer 4 or 5, since the norm after the last block removes any scale.
    arguments = ["--model", small.name, "--limit", "60", "--layers", "2-3", "--sizes", "2", "--objective", "das"]
    refused(sweep.main([*arguments, "--out", str(out), "--jobs", "1"]), capsys)
    assert not out.exists()


@pytest.mark.slow
def test_nor_is_a_rotation_measured(small: Clip, tmp_path: Path, monkeypatch: Patch, capsys):
    out, rotation = tmp_path / "run", Rotation(random_basis(24, 3, torch.Generator().manual_seed(0)), Site("text", 2))
    rotation.save(tmp_path / "rotation.safetensors")
    scaled_step(small, monkeypatch)
    arguments = ["--model", small.name, "--limit", "60", "--tasks", "preference", "--out", str(out)]
    refused(evaluate.main([*arguments, "--rotation", str(tmp_path / "rotation.safetensors")]), capsys)
    assert not out.exists()


def test_tolerances():
    assert tolerance(torch.float32, 12) == pytest.approx(32 * 2**-24 * math.sqrt(48))
    assert tolerance(torch.float32, 12, passes=2) == pytest.approx(math.sqrt(2) * tolerance(torch.float32, 12))
    assert tolerance(torch.float16, 12) == pytest.approx(8 * 2**-11 * math.sqrt(48))
    assert tolerance(torch.bfloat16, 12) == 0.1
    assert distance(torch.tensor([[3.0, 4.0], [0.0, 2.0]]), torch.tensor([[0.0, 5.0], [0.0, 1.0]])) == 1.0
    assert distance(torch.tensor([[math.nan, 1.0]]), torch.ones(1, 2)) == math.inf
    assert not Finding("x", math.nan, 1.0).ok
    assert not Finding("x", math.nan, 1.0, least=True).ok
