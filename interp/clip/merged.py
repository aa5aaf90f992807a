"""LoRA adapters (Hu et al. 2021) merged into the layers that they adapt, for training and inference.

peft's own forward pass takes three products for an adapted layer: with W, with A and with B. Here W + s B A is formed
once for a run of texts. Each layer then takes one product, and q, k and v share one. In the backward pass, the
gradients of A and B are products of rank r with the rows of the input, so that a gradient of the size of W is never
formed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from interp.clip.changes import Change, changes_of
from interp.clip.tensors import Float, Tensor


@dataclass(frozen=True, eq=False)
class Adapter:
    """Adapter that adds s B A x to some outputs of a layer.

    Attributes:
        outputs: slice of the adapted outputs.
        down, up: A, shape (r, in), and B, shape (outputs, r).
        scale: s.
    """

    outputs: slice
    down: Float[Tensor, "r in"]
    up: Float[Tensor, "outputs r"]
    scale: float


@dataclass(frozen=True, eq=False)
class Linear:
    """Linear layer, or several layers with the same input, with adapters merged.

    Attributes:
        weight: W + s B A, without a graph: gradients reach A and B by `adapters`.
    """

    weight: Float[Tensor, "out in"]
    bias: Float[Tensor, " out"]
    adapters: tuple[Adapter, ...]

    def __call__(self, x: Float[Tensor, "*n in"]) -> Float[Tensor, "*n out"]:
        """Return the layer's outputs."""
        if not self.adapters:
            return functional.linear(x, self.weight, self.bias)
        factors = [factor for each in self.adapters for factor in (each.down, each.up)]
        out = _Adapted.apply(x.flatten(0, -2), self.weight, self.bias, self.adapters, *factors)
        return out.view(*x.shape[:-1], -1)

    def after(self, first: int) -> Linear:
        """Return the layer without its first outputs; no adapter may span both dropped and kept outputs."""
        left = [each for each in self.adapters if each.outputs.start >= first]
        moved = [
            Adapter(slice(each.outputs.start - first, each.outputs.stop - first), each.down, each.up, each.scale)
            for each in left
        ]
        return Linear(self.weight[first:], self.bias[first:], tuple(moved))


class _Adapted(torch.autograd.Function):
    """Affine function x W' + b with W = W0 + s B A.

    For a gradient g of the output, and all rows x: dL/dx = g W,  dL/dA = s (g B)' x,  dL/dB = s g' (x A').
    """

    @staticmethod
    def forward(
        ctx: Any, x: Float[Tensor, "n in"], weight: Tensor, bias: Tensor, adapters: Sequence[Adapter], *factors: Tensor
    ) -> Float[Tensor, "n out"]:
        ctx.save_for_backward(x, weight, *factors)
        ctx.places = [(each.outputs, each.scale) for each in adapters]
        return torch.addmm(bias, x, weight.T)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "n out"]) -> tuple[Tensor | None, ...]:
        x, weight, *factors = ctx.saved_tensors
        downs, ups = factors[::2], factors[1::2]
        ranks = [len(down) for down in downs]
        # The inner sides of all adapters are concatenated, since wide products are faster than narrow products.
        inner = (x @ torch.cat(downs).T).split(ranks, 1)
        parts = [grad[:, outputs] * scale if scale != 1 else grad[:, outputs] for outputs, scale in ctx.places]
        turned = torch.cat([part @ up for part, up in zip(parts, ups, strict=True)], 1)
        of_downs = (turned.T @ x).split(ranks)
        of_ups = [part.T @ passed for part, passed in zip(parts, inner, strict=True)]
        of_factors = [each for both in zip(of_downs, of_ups, strict=True) for each in both]
        return (grad @ weight if ctx.needs_input_grad[0] else None, None, None, None, *of_factors)


@dataclass(frozen=True, eq=False)
class MergedAttention:
    """Weights of an attention layer for the arithmetic of blocks, with adapters merged.

    Attributes:
        qkv: layer whose outputs are queries, keys and values, concatenated.
        scale: factor of the logits.
    """

    num_heads: int
    head_dim: int
    scale: float
    qkv: Linear
    out_proj: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class _MergedMlp:
    """MLP with adapters merged in at least one layer."""

    fc1: Callable[[Tensor], Tensor]
    fc2: Callable[[Tensor], Tensor]
    activation_fn: Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class MergedBlock:
    """Block with its adapters merged, by the names of `Family.parts`."""

    layer_norm1: nn.Module
    self_attn: MergedAttention
    layer_norm2: nn.Module
    mlp: Any
    stream_changes: tuple[Change, ...] = ()


def merged(block: Any) -> Any:
    """Return a block with its adapters merged, if it has adapters and they only add s B A.

    Other blocks, and all blocks under autocast, are returned unchanged. After rounding to half precision, a merged
    weight would lose the contribution of the adapter.
    """
    attention, mlp = block.self_attn, block.mlp
    layers = [attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj, mlp.fc1, mlp.fc2]
    if all(type(layer) is nn.Linear for layer in layers) or not all(map(_mergeable, layers)):
        return block
    if torch.is_autocast_enabled(_base(layers[0]).weight.device.type):
        return block
    qkv, out = _join(layers[:3]), _alone(layers[3])
    joined = MergedAttention(attention.num_heads, attention.head_dim, attention.scale, qkv, out)
    if any(type(layer) is not nn.Linear for layer in layers[4:]):
        mlp = _MergedMlp(_alone(mlp.fc1), _alone(mlp.fc2), mlp.activation_fn)
    return MergedBlock(block.layer_norm1, joined, block.layer_norm2, mlp, changes_of(block))


def _mergeable(layer: Any) -> bool:
    """Return whether a layer computes x W0' + b, W0 and b frozen, plus s B A x for each adapter, and nothing else."""
    from peft.tuners.lora import Linear as Adapted

    if type(layer) is not nn.Linear:
        if type(layer) is not Adapted or layer.merged or layer.disable_adapters:
            return False
        if type(layer.base_layer) is not nn.Linear or not all(_adds(layer, name) for name in _active(layer)):
            return False
    base = _base(layer)
    return base.bias is not None and not base.weight.requires_grad and not base.bias.requires_grad


def _adds(layer: Any, name: str) -> bool:
    """Return whether an adapter of a layer adds s B A x, in the precision of the layer, and does nothing else."""
    return (
        isinstance(layer.lora_dropout[name], nn.Identity)
        and name not in layer.lora_variant
        and layer.lora_B[name].bias is None
        and layer.lora_A[name].weight.dtype == layer.base_layer.weight.dtype
    )


def _active(layer: Any) -> list[str]:
    """Return the active adapters that a layer has; a model's active adapters need not adapt the same layers."""
    return [] if type(layer) is nn.Linear else [name for name in layer.active_adapters if name in layer.lora_A]


def _base(layer: Any) -> nn.Linear:
    return layer if type(layer) is nn.Linear else layer.base_layer


def _alone(layer: Any) -> Callable[[Tensor], Tensor]:
    return layer if type(layer) is nn.Linear else _join([layer])


def _join(layers: Sequence[Any]) -> Linear:
    """Join layers with the same input into one layer, with their adapters merged."""
    adapters: list[Adapter] = []
    with torch.no_grad():
        weight = torch.cat([_base(layer).weight for layer in layers])
        bias = torch.cat([_base(layer).bias for layer in layers])
        first = 0
        for layer in layers:
            outputs = slice(first, first + _base(layer).out_features)
            first = outputs.stop
            for name in _active(layer):
                down, up, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
                weight[outputs].addmm_(up, down, alpha=scale)
                adapters.append(Adapter(outputs, down, up, scale))
    return Linear(weight, bias, tuple(adapters))
