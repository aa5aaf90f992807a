"""Vector that the attention of a block adds to the stream; the MLP of the block reads the result."""

from __future__ import annotations

from typing import Any

from torch import nn

from interp.clip.blocks import Parts, add_mlp
from interp.clip.components.component import Component
from interp.clip.tensors import Float, Tensor


def _module(_block: nn.Module, parts: Any) -> nn.Module:
    return parts.self_attn.out_proj


def _split(parts: Parts) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"]]:
    return parts.attended, parts.before


def _join(block: Any, before: Float[Tensor, "*n d"], attended: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    return add_mlp(block, before + attended)


COMPONENT = Component("attn", "attention_output", _module, _split, _join)
