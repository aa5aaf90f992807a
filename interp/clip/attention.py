"""Causal attention of packed texts with its own backward pass, since short texts are too small for general kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from interp.clip.packing import Group
from interp.clip.tensors import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class HeadTables:
    """Index tables that turn rows of packed texts into one matrix per head and text, as batched products take them.

    A row of queries, keys and values is 3 x heads vectors. Unpacked, the vectors of a group of m texts of at most t
    tokens have the shape (3, m x heads, t, head), and the groups follow one another. Outputs have the shape (m x heads,
    t, head).

    Attributes:
        heads: number of heads.
        shapes: (m, t) of each group.
        unpack: index of the packed vector of each unpacked vector; arbitrary behind a text's end.
        pack: index of the unpacked vector of each packed vector; each token has 3 x heads vectors.
        outputs: index of the unpacked output of each packed output; each token has one output per head.
        shared, again: packed rows that stand for further tokens, and indices of the unpacked keys and values of these
            tokens.
    """

    heads: int
    shapes: tuple[tuple[int, int], ...]
    unpack: Int[Tensor, " u"]
    pack: Int[Tensor, " v"]
    outputs: Int[Tensor, " w"]
    shared: Int[Tensor, " s"]
    again: Int[Tensor, " a"]


def head_tables(groups: Sequence[Group], heads: int) -> HeadTables:
    """Return the tables for groups that hold all tokens of the texts, in the order of the groups."""
    device = groups[0].index.device
    head, part = torch.arange(heads, device=device), torch.arange(3, device=device)[:, None]
    tables: dict[str, list[Tensor]] = {name: [] for name in ("unpack", "pack", "outputs", "shared", "again")}
    before = 0
    for group in groups:
        texts, length = group.index.shape
        size = texts * heads * length

        def vectors(token: Tensor, length: int = length) -> Tensor:
            return (token // length * heads * length + token % length)[:, None] + head * length

        def triples(token: Tensor, size: int = size, begin: int = 3 * before) -> Tensor:
            return begin + vectors(token)[:, None] + part * size

        tables["unpack"].append(group.index[None, :, None] * 3 * heads + (part * heads + head).view(3, 1, heads, 1))
        tables["pack"].append(triples(group.kept))
        tables["outputs"].append(before + vectors(group.kept))
        tables["shared"].append(group.index.flatten()[group.shared])
        tables["again"].append(triples(group.shared)[:, 1:])
        before += size
    shapes = tuple((len(group.index), group.index.shape[1]) for group in groups)
    return HeadTables(
        heads, shapes, **{name: torch.cat([part.flatten() for part in parts]) for name, parts in tables.items()}
    )


def packed_attention(qkv: Float[Tensor, "total w"], tables: HeadTables, scale: float) -> Float[Tensor, "total d"]:
    """Return the attention of packed texts: each token attends to itself and to the earlier tokens of its text.

    Args:
        qkv: queries, keys and values, next to each other: w = 3 d.
        scale: factor of the logits.
    """
    return _PackedAttention.apply(qkv, tables, scale)


class _PackedAttention(torch.autograd.Function):
    """Attention with a backward pass in closed form.

    For each head, W = softmax(s Q K' + mask) and O = W V. A gradient G of O gives, with E = s W * (G V' - its mean
    under W): dL/dQ = E K, dL/dK = E' Q, dL/dV = W' G.

    Positions behind a text's end are no keys of its tokens. Their own outputs are dropped, so they receive no gradient.
    """

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, tables: HeadTables, scale: float) -> Tensor:
        head = qkv.shape[1] // (3 * tables.heads)
        unpacked = qkv.contiguous().view(-1, head).index_select(0, tables.unpack)
        mixed, every = unpacked.new_empty(len(unpacked) // 3, head), []
        for (q, k, v), out in zip(_parts(unpacked, tables, 3), _parts(mixed, tables, 1), strict=True):
            length = q.shape[1]
            later = torch.full((length, length), -torch.inf, dtype=qkv.dtype, device=qkv.device).triu(1)
            weights = torch.baddbmm(later, q, k.transpose(1, 2), alpha=scale).softmax(-1)
            torch.bmm(weights, v, out=out[0])
            every.append(weights)
        ctx.save_for_backward(unpacked, *every)
        ctx.tables, ctx.scale = tables, scale
        return mixed.index_select(0, tables.outputs).view(len(qkv), -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        unpacked, *every = ctx.saved_tensors
        tables, head = ctx.tables, unpacked.shape[1]
        outer = unpacked.new_zeros(len(unpacked) // 3, head)
        outer.index_copy_(0, tables.outputs, grad.contiguous().view(-1, head))
        turned = torch.empty_like(unpacked)
        pieces = (_parts(unpacked, tables, 3), _parts(turned, tables, 3), _parts(outer, tables, 1), every)
        for (q, k, v), (dq, dk, dv), (g,), weights in zip(*pieces, strict=True):
            torch.bmm(weights.transpose(1, 2), g, out=dv)
            inner = torch.bmm(g, v.transpose(1, 2)).mul_(weights)
            inner.addcmul_(weights, inner.sum(-1, keepdim=True), value=-1).mul_(ctx.scale)
            torch.bmm(inner, k, out=dq)
            torch.bmm(inner.transpose(1, 2), q, out=dk)
        back = turned.index_select(0, tables.pack).view(len(grad), -1)
        if len(tables.shared):
            more = turned.index_select(0, tables.again).view(len(tables.shared), -1)
            back[:, grad.shape[1] :].index_add_(0, tables.shared, more)
        return back, None, None


def _parts(unpacked: Tensor, tables: HeadTables, parts: int) -> list[tuple[Tensor, ...]]:
    """Return the `parts` tensors of each group, each of shape (m x heads, t, head)."""
    sizes = [parts * texts * tables.heads * length for texts, length in tables.shapes]
    return [
        piece.view(parts, texts * tables.heads, length, -1).unbind()
        for piece, (texts, length) in zip(unpacked.split(sizes), tables.shapes, strict=True)
    ]
