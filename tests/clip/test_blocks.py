"""Tests of the arithmetic of blocks against transformers, for activations with and without a shortcut."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional
from transformers import CLIPConfig, CLIPModel

from interp.clip.blocks import blocks, embed_ids, embed_stream, run_block
from interp.clip.model import Clip, tokenize
from tests.agreement import agree
from tests.oracles.plain_forward import random_texts


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_blocks_are_those_of_transformers(small: Clip, activation: str, dtype: torch.dtype):
    """Compare embeddings and gradients of weights; in float64 up to rounding."""
    settings = small.model.config.to_dict()
    settings["text_config"]["hidden_act"] = activation
    torch.manual_seed(0)
    model = CLIPModel(CLIPConfig(**settings)).to(dtype).eval()
    clip, tokens = replace(small, model=model), tokenize(small, random_texts(5, 0))
    close = {"atol": 1e-5, "rtol": 1e-4} if dtype == torch.float32 else {"atol": 1e-12, "rtol": 1e-10}

    hidden = embed_ids(clip, tokens.ids)
    for block in blocks(clip, "text"):
        hidden, _, _ = run_block(block, hidden, causal=True)
    ours = embed_stream(clip, "text", hidden[torch.arange(5), tokens.eot])
    theirs = functional.normalize(model.get_text_features(input_ids=tokens.ids).pooler_output, dim=-1)
    torch.testing.assert_close(ours, theirs, **close)
    if dtype == torch.float64:
        agree("blocks", ours, theirs)

    weights = [parameter for name, parameter in model.named_parameters() if "text_model.encoder" in name]
    pull = torch.randn(ours.shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    gradients = [torch.autograd.grad((out * pull).sum(), weights) for out in (ours, theirs)]
    assert max(float(gradient.abs().max()) for gradient in gradients[1]) > 1e-3
    for gradient, other in zip(*gradients, strict=True):
        torch.testing.assert_close(gradient, other, **close)
        if dtype == torch.float64:
            agree("blocks", gradient, other)
