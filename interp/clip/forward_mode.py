"""Forward-mode derivatives of the text tower's streams in the embedding of one token, block by block.

In a causal tower, a moved token affects only itself and later tokens. T tokens thus have T (T + 1) / 2 pairs (position,
moved token). In any other tower, T tokens have T² pairs. The linear layers process each pair as a row. One pass serves
every layer, whereas backward passes would be needed for each layer and each subspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from interp.clip.blocks import blocks
from interp.clip.changes import changed, changes_of
from interp.clip.model import Clip
from interp.clip.tensors import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class CopiesState:
    """State after a block for s copies of a text that differ in their embeddings.

    Attributes:
        hidden: streams, shape (s, t, d); after the last block at EOT only, shape (s, 1, d).
        end: derivative of EOT's stream by each of w moved tokens, shape (s, w, d).
        keys, values: keys and values that the block used, shape (s, t, d).
        moved_keys, moved_values: derivatives of keys and values by each of w moved tokens, shape (s, t, w, d); None if
            not requested.
    """

    hidden: Float[Tensor, "s p d"]
    end: Float[Tensor, "s w d"]
    keys: Float[Tensor, "s t d"]
    values: Float[Tensor, "s t d"]
    moved_keys: Float[Tensor, "s t w d"] | None = None
    moved_values: Float[Tensor, "s t w d"] | None = None


@torch.no_grad()
def move_tokens(
    clip: Clip,
    hidden: Float[Tensor, "s t d"],
    delta: Float[Tensor, "w d"],
    moved: Int[Tensor, " w"],
    *,
    keys_above: int | None = None,
) -> Iterator[CopiesState]:
    """Run s versions of a text, and the derivative of each in the direction of each moved token's own change.

    Args:
        hidden: layer 0, with EOT last.
        delta: change of the embedding of each of w tokens; all other tokens are held.
        moved: positions of these tokens, in ascending order, before EOT.
        keys_above: layer above which the derivatives of keys and values are kept; None to keep none.

    Yields:
        The state after each block, from the first.
    """
    copies, length = hidden.shape[:2]
    causal = clip.family.causal("text")
    position, token = (part.to(hidden.device) for part in _pairs(length, moved, causal=causal))
    moved_itself = (position == moved.to(hidden.device)[token])[:, None]
    change = torch.where(moved_itself, delta[token], 0.0).expand(copies, -1, -1)
    tower = blocks(clip, "text")
    for number, block in enumerate(tower):
        pairs = position, token, len(delta)
        last = number + 1 == len(tower)
        hidden, change, seen, moved_seen = _block(block, hidden, change, pairs, last=last, causal=causal)
        more = moved_seen if keys_above is not None and number >= keys_above else ()
        yield CopiesState(hidden, change[:, change.shape[1] - len(delta) :], *seen, *more)


def _pairs(length: int, moved: Int[Tensor, " w"], *, causal: bool) -> tuple[Int[Tensor, " r"], Int[Tensor, " r"]]:
    """Return pairs of a position and the number of a moved token that can affect it, by position, with EOT last."""
    position, token = torch.meshgrid(torch.arange(length), torch.arange(len(moved)), indexing="ij")
    inside = moved.cpu()[token] <= (position if causal else length)
    return position[inside], token[inside]


def _block(
    block: Any, hidden: Tensor, change: Tensor, pairs: tuple[Tensor, Tensor, int], *, last: bool, causal: bool
) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Run one block and its derivative; the last block runs at EOT only.

    Args:
        pairs: position and moved token of each row, and the number of moved tokens.

    Returns:
        The streams, their derivatives, keys and values, and the derivatives of keys and values, shape (s, t, w, d).
    """
    attention, (position, token, words) = block.self_attn, pairs
    normed, moved = _layer_norm(block.layer_norm1, hidden, change, position)
    k, v = attention.k_proj(normed), attention.v_proj(normed)
    slots = position * words + token
    dk, dv = (_grid(_linear(proj, moved), slots, k, words) for proj in (attention.k_proj, attention.v_proj))
    first = 0
    if last:
        first, hidden, normed = hidden.shape[1] - 1, hidden[:, -1:], normed[:, -1:]
        at_eot = slice(len(slots) - words, None)
        change, moved, position = change[:, at_eot], moved[:, at_eot], position[at_eot] - first
        slots = slots[at_eot] - first * words
    q = attention.q_proj(normed)
    dq = _grid(_linear(attention.q_proj, moved), slots, q, words)
    attended, turned = _attend(attention, (q, k, v), (dq, dk, dv), first if causal else None)
    hidden = hidden + attention.out_proj(attended)
    change = change + _linear(attention.out_proj, turned.flatten(1, 2).index_select(1, slots))
    normed, moved = _layer_norm(block.layer_norm2, hidden, change, position)
    inner, activation = block.mlp.fc1(normed), block.mlp.activation_fn
    slope = torch.func.jvp(activation, (inner,), (torch.ones_like(inner),))[1]
    grown = _linear(block.mlp.fc1, moved) * slope.index_select(1, position)
    hidden, change = hidden + block.mlp.fc2(activation(inner)), change + _linear(block.mlp.fc2, grown)
    if changes_of(block):
        hidden, change = _change_end(block, hidden, change, words)
    return hidden, change, (k, v), (dk, dv)


def _change_end(block: Any, hidden: Tensor, change: Tensor, words: int) -> tuple[Tensor, Tensor]:
    """Return streams and their derivatives with the changes of a block applied at EOT, which comes last."""
    before = change.shape[1] - words
    end, moves = move_change(lambda h: changed(block, h), hidden[:, -1], change[:, before:])
    return torch.cat([hidden[:, :-1], end[:, None]], 1), torch.cat([change[:, :before], moves], 1)


@torch.no_grad()
def move_change(
    change: Callable[[Tensor], Tensor], end: Float[Tensor, "s d"], moves: Float[Tensor, "s w d"]
) -> tuple[Float[Tensor, "s d"], Float[Tensor, "s w d"]]:
    """Return EOT's stream after a change, and its derivative by each moved token."""
    if not moves.shape[1]:
        return change(end), moves
    each = end[:, None].expand_as(moves).contiguous()
    moved: Any = torch.func.jvp(change, (each,), (moves,))
    return moved[0][:, 0], moved[1]


def _linear(module: nn.Module, change: Tensor) -> Tensor:
    """Return the derivative of an affine layer, with or without LoRA adapters."""
    if type(module) is nn.Linear:
        return functional.linear(change, module.weight)
    return module(change) - module(torch.zeros_like(change[:1, :1]))


def _layer_norm(norm: nn.LayerNorm, x: Tensor, change: Tensor, position: Tensor) -> tuple[Tensor, Tensor]:
    """Return a layer norm and its derivative.

    Before its weights, the Jacobian is symmetric, so torch's backward pass computes the derivative.
    """
    with torch.enable_grad():
        rows = x.index_select(1, position).requires_grad_()
        plain = functional.layer_norm(rows, norm.normalized_shape, eps=norm.eps)
        (moved,) = torch.autograd.grad(plain, rows, change)
    return norm(x), moved * norm.weight


def _grid(rows: Tensor, slots: Tensor, like: Tensor, words: int) -> Float[Tensor, "s p w d"]:
    """Return rows at their places in a full table of positions and moved tokens, with zeros elsewhere."""
    s, p, d = like.shape
    return rows.new_zeros(s, p * words, d).index_copy_(1, slots, rows).view(s, p, words, d)


def _attend(
    attention: Any, qkv: tuple[Tensor, Tensor, Tensor], moved: tuple[Tensor, Tensor, Tensor], first: int | None
) -> tuple[Float[Tensor, "s p d"], Float[Tensor, "s p w d"]]:
    """Return the attention of some positions, and its derivative.

    Args:
        first: first of these positions, which attend causally; None if they attend to all positions.
    """
    split = (attention.num_heads, attention.head_dim)
    q, k, v = (x.unflatten(-1, split).transpose(1, 2) for x in qkv)  # (s, heads, p or t, head)
    dq, dk, dv = (x.unflatten(-1, split).permute(0, 3, 1, 2, 4) for x in moved)  # (s, heads, p or t, w, head)
    positions, length, words = q.shape[2], k.shape[2], dk.shape[3]
    later = torch.ones(positions, length, dtype=torch.bool, device=q.device).triu(
        length if first is None else first + 1
    )
    logits = (q @ k.transpose(-1, -2) * attention.scale).masked_fill(later, -torch.inf)
    weights = logits.softmax(-1)
    by_query = (dq.flatten(2, 3) @ k.transpose(-1, -2)).unflatten(2, (positions, words))
    by_key = (q @ dk.flatten(2, 3).transpose(-1, -2)).unflatten(3, (length, words)).transpose(-1, -2)
    slope = (by_query + by_key) * attention.scale * weights[:, :, :, None]
    slope = slope - weights[:, :, :, None] * slope.sum(-1, keepdim=True)
    turned = (slope.flatten(2, 3) @ v).unflatten(2, (positions, words))
    turned = turned + (weights @ dv.flatten(3, 4)).unflatten(3, (words, split[1]))
    return (weights @ v).transpose(1, 2).flatten(2), turned.permute(0, 2, 3, 1, 4).flatten(3)
