"""Tests of packed attention against torch's attention, one text at a time."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from interp.clip.attention import head_tables, packed_attention
from interp.clip.packing import PackedLayout, pack
from tests.agreement import agree

HEADS, HEAD, SCALE = 3, 4, 0.7


def one_by_one(qkv: Tensor, layout: PackedLayout, lengths: Tensor) -> Tensor:
    """Return the attention of each text alone, in the packed order."""
    out = torch.empty(len(qkv), HEADS * HEAD, dtype=qkv.dtype)
    for places, length in zip(layout.places, lengths.tolist(), strict=True):
        rows = places[:length]
        q, k, v = (part.view(length, HEADS, HEAD).transpose(0, 1) for part in qkv[rows].chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=SCALE)
        out[rows] = mixed.transpose(0, 1).flatten(1)
    return out


@pytest.mark.parametrize("texts", [1, 5, 40])  # 40: several groups of similar length
def test_values_and_gradients_are_those_of_torch(texts: int, generator: torch.Generator):
    lengths = torch.randint(1, 12, (texts,), generator=generator)
    ids = torch.arange(texts * 12).view(texts, 12)  # no two texts share a beginning
    layout, total = pack(ids, lengths - 1, torch.device("cpu")), int(lengths.sum())
    qkv = torch.randn(total, 3 * HEADS * HEAD, generator=generator, dtype=torch.float64, requires_grad=True)
    pull = torch.randn(total, HEADS * HEAD, generator=generator, dtype=torch.float64)
    ours = packed_attention(qkv, head_tables(layout.groups, HEADS), SCALE)
    theirs = one_by_one(qkv, layout, lengths)
    agree("attention", ours, theirs)
    gradients = [torch.autograd.grad((out * pull).sum(), qkv)[0] for out in (ours, theirs)]
    agree("attention", *gradients)
    assert len(layout.groups) == -(-texts // 16)
    assert gradients[0].abs().max() > 1e-3


def test_gradients_are_those_of_finite_differences(generator: torch.Generator):
    layout = pack(
        torch.tensor([[0, 1, 2, 0], [0, 3, 0, 0], [0, 1, 3, 2]]), torch.tensor([2, 1, 3]), torch.device("cpu")
    )
    tables = head_tables(layout.groups, 2)
    qkv = torch.randn(len(layout.taken), 3 * 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: packed_attention(x, tables, 0.5), (qkv,))
