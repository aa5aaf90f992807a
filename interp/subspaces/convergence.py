"""Gradient of a search's loss at the end of a start, in whitened coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from interp.clip.modes import gradients
from interp.clip.tensors import Float, Int, Tensor
from interp.subspaces.losses import Loss
from interp.subspaces.pairs import PairsAtSite, Sources, draw_sources
from interp.subspaces.rotation import Rotation, swap_span
from interp.subspaces.subspace import Subspace

MOST_PAIRS = 1024  # train pairs that a gradient is measured on


def slopes(train: PairsAtSite, subspaces: Sequence[Subspace], sources: Sources, seed: int, loss: Loss) -> list[float]:
    """Return the slope of the loss at each of several subspaces, in nats per radian of whitened coordinates.

    The squared norm of the gradient is estimated without bias, by the product of the gradients of two halves of at most
    `MOST_PAIRS` train pairs. The noise of the pairs thus cancels, and an estimate below 0 is set to 0. The slope is NaN
    with fewer than two pairs in a half. The gradient is tangent to a subspace of the stream, so the slope is NaN for a
    subspace that is not a rotation. To search in other coordinates, give `search` runs whose streams are in these
    coordinates.
    """
    rotations = [rotation for rotation in subspaces if isinstance(rotation, Rotation)]
    draw = torch.Generator().manual_seed(seed)
    drawn = torch.randperm(len(train), generator=draw)[:MOST_PAIRS]
    if len(drawn) < 4:
        return [math.nan] * len(subspaces)
    whitening = train.whitening.double()
    unwhitened = torch.linalg.inv(whitening)
    turned = [torch.linalg.qr(unwhitened @ rotation.basis.double())[0] for rotation in rotations]
    halves = []
    for rows in drawn.chunk(2):
        half = PairsAtSite(train.pairs.take(rows), train.site)
        source = draw_sources(len(half), sources, draw, half.pairs.clusters)
        halves.append(_gradients(half, turned, whitening, source, loss))
    products = [float((first * second).sum()) for first, second in zip(*halves, strict=True)]
    norms = iter([math.sqrt(max(0.0, product)) for product in products])
    return [next(norms) if isinstance(subspace, Rotation) else math.nan for subspace in subspaces]


def _gradients(
    part: PairsAtSite,
    turned: Sequence[Float[Tensor, "d _"]],
    whitening: Float[Tensor, "d d"],
    source: Int[Tensor, " n"],
    loss: Loss,
) -> list[Float[Tensor, "d _"]]:
    """Return the gradient of the mean loss by each subspace.

    The gradient is that of orthonormal columns in whitened coordinates, tangent to the subspace.
    """
    with gradients():
        # Copies, even of the streams' own dtype: each half has its own gradients.
        free = [basis.to(part.streams, copy=True).requires_grad_() for basis in turned]
        shape = whitening.to(part.streams)
        swaps = [lambda base, given, x=x: swap_span(base, given, shape @ x) for x in free]
        for rows in torch.arange(len(part)).split(256):
            (loss(part, swaps, source, rows).sum() * (len(rows) / len(part))).backward()
    slopes = [torch.zeros_like(x) if x.grad is None else x.grad.double() for x in free]
    return [slope - basis @ (basis.T @ slope) for slope, basis in zip(slopes, turned, strict=True)]
