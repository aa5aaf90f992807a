"""Tests of derivatives that are pushed forward, against gradients that are pulled back and against autograd."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from peft import LoraConfig, get_peft_model
from torch import Tensor
from torch.nn import functional

from interp.attribution.all_layers import PathRun, TextPath, run_path
from interp.attribution.integral import PathSettings, integrate
from interp.clip.blocks import blocks, embed_ids, run_block
from interp.clip.forward_mode import move_tokens
from interp.clip.loading import load_clip
from interp.clip.model import Clip, Tokens, tokenize
from interp.clip.sites import Site
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.oracles.plain_forward import random_clip, random_texts

STEPS = 6


def images(n: int) -> Tensor:
    return functional.normalize(torch.randn(n, 16, generator=torch.Generator().manual_seed(0)), dim=-1)


def check_tangents(clip: Clip, seed: int, copies: int) -> None:
    """Check streams, keys, values and derivatives of every block, the derivatives against torch's forward mode."""
    tokens = tokenize(clip, random_texts(1, seed))
    generator = torch.Generator().manual_seed(seed)
    hidden = embed_ids(clip, tokens.ids).detach()
    hidden = hidden + 0.3 * torch.randn(copies, *hidden.shape[1:], generator=generator, dtype=hidden.dtype)
    words = hidden.shape[1] - 2
    delta = torch.randn(words, hidden.shape[2], generator=generator, dtype=hidden.dtype)
    states = list(move_tokens(clip, hidden, delta, torch.arange(1, words + 1)))
    clean = hidden
    for number, (block, state) in enumerate(zip(blocks(clip, "text"), states, strict=True)):
        clean, k, v = run_block(block, clean, causal=True)
        last = number + 1 == len(states)
        torch.testing.assert_close(state.hidden, clean[:, -1:] if last else clean)
        torch.testing.assert_close(state.keys, k)
        torch.testing.assert_close(state.values, v)

    def ends(x: Tensor) -> list[Tensor]:
        out = []
        for block in blocks(clip, "text"):
            x = run_block(block, x, causal=True)[0]
            out.append(x[:, -1])
        return out

    for word in range(words):
        step = torch.zeros_like(hidden)
        step[:, word + 1] = delta[word]
        with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
            _, expected = torch.autograd.functional.jvp(lambda x: tuple(ends(x)), hidden, step)
        for state, derivative in zip(states, expected, strict=True):
            torch.testing.assert_close(state.end[:, word], derivative)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "copies"), [(0, 1), (1, 3), (5, 2)])
def test_derivatives_are_those_of_autograd(small: Clip, seed: int, copies: int):
    small.model.double()
    try:
        check_tangents(small, seed, copies)
    finally:
        small.model.float()


@pytest.mark.slow
def test_adapted_layers_are_differentiated_too(tmp_path):
    base = load_clip(str(random_clip(tmp_path)))
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj", "out_proj"], init_lora_weights=False)
    adapted = get_peft_model(base.model, config).eval().requires_grad_(False).double()
    check_tangents(replace(base, model=adapted.base_model.model), 3, 2)


def run_paths(clip: Clip, tokens: Tokens, images: Tensor, layers: Iterable[int]) -> PathRun:
    rows, kept = torch.arange(len(tokens)).split(1), list(layers)
    return PathRun(tokens, [run_path(clip, tokens.take(i), images[i], kept, PathSettings(STEPS)) for i in rows])


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000), size=st.integers(1, 24))
def test_both_ways_give_the_same_attributions(small: Clip, seed: int, size: int):
    """Both methods agree at every layer for texts of several lengths, to the precision of sums in float32."""
    tokens = tokenize(small, random_texts(4, seed))
    run = run_paths(small, tokens, images(4), range(1, 6))
    basis = random_basis(24, size, torch.Generator().manual_seed(seed))
    for layer in range(1, 6):
        rotation = Rotation(basis, Site("text", layer))
        shared, through = integrate(small, tokens, images(4), layer, {"z": rotation}, PathSettings(STEPS))
        ours = run.shared(layer)
        assert shared.full is not None
        largest = np.abs(shared.full).max()
        agree("all layers", run.through(layer, rotation), through["z"], over=largest)
        agree("all layers", ours.stream, shared.stream, over=largest)
        agree("all layers", ours.full, shared.full, over=largest)
        np.testing.assert_allclose(ours.score, shared.score, atol=1e-6)
        np.testing.assert_allclose(ours.baseline_score, shared.baseline_score, atol=1e-6)


def test_no_number_depends_on_the_layers_asked_for(small: Clip):
    tokens = tokenize(small, random_texts(3, 1))
    selected, everything = (run_paths(small, tokens, images(3), layers) for layers in ([3], range(1, 6)))
    for first, second in zip(selected.texts, everything.texts, strict=True):
        assert torch.equal(first.moves[3], second.moves[3])
        assert torch.equal(first.slopes[3], second.slopes[3])
        assert torch.equal(first.streams[3], second.streams[3])
        np.testing.assert_array_equal(first.full, second.full)
        assert first.moves.keys() == first.slopes.keys() == first.streams.keys() == {3}


def test_long_paths_are_run_in_parts(small: Clip, monkeypatch: pytest.MonkeyPatch):
    tokens = tokenize(small, random_texts(3, 2))
    whole = run_paths(small, tokens, images(3), [2])
    monkeypatch.setattr("interp.attribution.all_layers.ROWS_AT_ONCE", 1)
    parts = run_paths(small, tokens, images(3), [2])
    np.testing.assert_allclose(parts.shared(2).full, whole.shared(2).full, atol=1e-6)
    assert np.abs(whole.shared(2).full).max() > 1e-3


def test_a_run_is_kept_and_mapped(small: Clip, tmp_path):
    tokens = tokenize(small, random_texts(3, 3))
    run = run_paths(small, tokens, images(3), [2, 4])
    for i, text in enumerate(run.texts):
        text.save(tmp_path / f"{i}.safetensors")
    again = PathRun(tokens, [TextPath.load(tmp_path / f"{i}.safetensors") for i in range(3)])
    basis = random_basis(24, 5, torch.Generator().manual_seed(0))
    for layer in (2, 4):
        rotation = Rotation(basis, Site("text", layer))
        np.testing.assert_array_equal(again.through(layer, rotation), run.through(layer, rotation))
        np.testing.assert_array_equal(again.shared(layer).full, run.shared(layer).full)
    np.testing.assert_array_equal(again.shared(2).score, run.shared(2).score)


def test_no_bit_depends_on_where_in_memory_a_run_lies(small: Clip):
    """Tensors that are mapped from a file have other memory alignments than those that torch allocates."""
    tokens = tokenize(small, random_texts(5, 4))
    run = run_paths(small, tokens, images(5), [3])

    def shifted(part: Tensor, by: int) -> Tensor:
        return torch.empty(part.numel() + by)[by:].view_as(part).copy_(part)

    for by, size in ((1, 5), (2, 24), (3, 8), (7, 1)):
        names, basis = ("moves", "slopes"), random_basis(24, size, torch.Generator().manual_seed(size))
        rotation = Rotation(basis, Site("text", 3))
        moved = [{name: {3: shifted(getattr(text, name)[3], by)} for name in names} for text in run.texts]
        other = replace(run, texts=[replace(text, **fields) for text, fields in zip(run.texts, moved, strict=True)])
        np.testing.assert_array_equal(other.through(3, rotation), run.through(3, rotation))
        np.testing.assert_array_equal(other.shared(3).stream, run.shared(3).stream)


def test_an_empty_text_has_no_words(small: Clip):
    tokens = tokenize(small, ["", "a star"])
    run = run_paths(small, tokens, images(2), [3])
    full = run.shared(3).full
    assert full is not None
    assert not full[0].any()
    assert full[1, 1:3].all()
