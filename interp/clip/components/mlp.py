"""Vector that the MLP of a block adds to the stream."""

from __future__ import annotations

from typing import Any

from torch import nn

from interp.clip.blocks import Parts
from interp.clip.components.component import Component
from interp.clip.tensors import Float, Tensor


def _module(_block: nn.Module, parts: Any) -> nn.Module:
    return parts.mlp.fc2


def _split(parts: Parts) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"]]:
    return parts.added, parts.middle


def _join(_block: Any, middle: Float[Tensor, "*n d"], added: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    return middle + added


COMPONENT = Component("mlp", "mlp_output", _module, _split, _join)
