"""Residual stream after a block: everything that later blocks read at this position."""

from __future__ import annotations

from typing import Any

from torch import nn

from interp.clip.blocks import Parts
from interp.clip.components.component import Component
from interp.clip.tensors import Float, Tensor


def _module(block: nn.Module, _parts: Any) -> nn.Module:
    return block


def _split(parts: Parts) -> tuple[Float[Tensor, "*n d"], None]:
    return parts.after, None


def _join(_block: Any, _rest: None, value: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    return value


COMPONENT = Component("block", "block_output", _module, _split, _join)
