"""Block-by-block arithmetic of a model's towers, on which the cached engine and the attributor are built.

Every block is pre-norm: h + attention(LN(h)), then + MLP(LN(.)). A residual stream at layer l is the hidden state after
block l, counted from 1; layer 0 is the embedding output. Blocks are the model's own (`Family.parts`), with LoRA
adapters as separate products, or have their adapters merged (`text_blocks`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers.activations import QuickGELUActivation

from interp.clip.attention import HeadTables, head_tables, packed_attention
from interp.clip.changes import changed, changed_at, changes_of
from interp.clip.families.family import Tower
from interp.clip.merged import MergedAttention, merged
from interp.clip.model import Clip, Tokens
from interp.clip.packing import Group, PackedLayout, pack, pack_apart
from interp.clip.tensors import Float, Int, Pixels, Tensor

QUICK = 1.702  # factor in the activation of CLIP's blocks
FEW = 128  # rows


def blocks(clip: Clip, tower: Tower) -> list[Any]:
    """Return the parts of a tower's blocks; `blocks[l - 1]` ends in layer l."""
    return [_parts_of(clip, block) for block in clip.family.blocks(clip.model, tower)]


def _parts_of(clip: Clip, block: nn.Module) -> Any:
    parts, changes = clip.family.parts(block), changes_of(block)
    return replace(parts, stream_changes=changes) if changes and parts is not block else parts


def text_blocks(clip: Clip) -> list[Any]:
    """Return the blocks of the text tower with their adapters merged at the present weights, for packed texts."""
    return [merged(block) for block in blocks(clip, "text")]


def embed_ids(clip: Clip, ids: Int[Tensor, "n t"]) -> Float[Tensor, "n t d"]:
    """Return layer 0 of the text tower: token embeddings plus position embeddings."""
    return clip.family.layer_0(clip.model)(input_ids=ids)


def add_positions(clip: Clip, embedded: Float[Tensor, "n t d"]) -> Float[Tensor, "n t d"]:
    """Return layer 0 of the text tower for tokens that are given by their embeddings."""
    return clip.family.layer_0(clip.model)(inputs_embeds=embedded)


def embed_patches(clip: Clip, pixels: Pixels) -> Float[Tensor, "n p d"]:
    """Return layer 0 of the vision tower: CLS and patches with their positions."""
    return clip.family.embed_patches(clip.model, pixels)


def lay_out(clip: Clip, ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"]) -> PackedLayout:
    """Pack texts for `run_texts`. If the text tower is causal, beginnings that texts share are packed once."""
    if clip.family.causal("text"):
        return pack(ids, eot, clip.device)
    return pack_apart(eot, clip.device)


def _heads(block: Any, x: Float[Tensor, "n t d"]) -> Float[Tensor, "n heads t head"]:
    return x.unflatten(-1, (block.self_attn.num_heads, block.self_attn.head_dim)).transpose(1, 2)


class Parts(NamedTuple):
    """Terms of a block's output stream at some positions, and their partial sums; each of the same shape (..., d).

    Attributes:
        before: stream before the block.
        attended: output of the attention.
        middle: before + attended, which the MLP reads.
        added: output of the MLP.
        after: middle + added, the stream after the block.
    """

    before: Float[Tensor, "*n d"]
    attended: Float[Tensor, "*n d"]
    middle: Float[Tensor, "*n d"]
    added: Float[Tensor, "*n d"]
    after: Float[Tensor, "*n d"]


def _parts(block: Any, before: Float[Tensor, "*n d"], mixed: Float[Tensor, "*n heads head"]) -> Parts:
    """Return the parts of a block's output.

    Args:
        mixed: values of each head, mixed by its attention.
    """
    attended = block.self_attn.out_proj(mixed.flatten(-2))
    middle = before + attended
    added = _mlp(block.mlp, block.layer_norm2(middle))
    return Parts(before, attended, middle, added, middle + added)


def add_mlp(block: Any, middle: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Return the output stream of a block, given the stream that its MLP reads."""
    return middle + _mlp(block.mlp, block.layer_norm2(middle))


def _mlp(mlp: Any, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Return fc2(activation(fc1(x))).

    CLIP's own activation, x sigmoid(1.702 x), is silu(1.702 x) / 1.702. Both factors are folded into the matrix
    products, so that each direction passes over the wide stream between them once, not three times.
    """
    inner, outer = mlp.fc1, mlp.fc2
    if not (type(mlp.activation_fn) is QuickGELUActivation and type(inner) is type(outer) is nn.Linear):
        return outer(mlp.activation_fn(inner(x)))
    rows = x.flatten(0, -2)
    if len(rows) <= FEW:  # transposed products, which are faster on CPUs for few rows
        wide = torch.addmm(inner.bias[:, None], inner.weight, rows.T, beta=QUICK, alpha=QUICK)
        return torch.addmm(outer.bias[:, None], outer.weight, functional.silu(wide), alpha=1 / QUICK).T.reshape(x.shape)
    wide = torch.addmm(inner.bias, rows, inner.weight.T, beta=QUICK, alpha=QUICK)
    return torch.addmm(outer.bias, functional.silu(wide), outer.weight.T, alpha=1 / QUICK).view_as(x)


def run_block(
    block: Any, hidden: Float[Tensor, "n t d"], *, causal: bool, eot: Int[Tensor, " n"] | None = None
) -> tuple[Float[Tensor, "n t d"], Float[Tensor, "n t d"], Float[Tensor, "n t d"]]:
    """Run one block at every position. Return the new stream, and the keys and values that the block used.

    Args:
        eot: position of EOT in each input. A tower that is not causal attends to no later position; by default it
            attends to all. Changes of the stream apply at EOT; by default at CLS, the first position.
    """
    parts, k, v = run_parts(block, hidden, causal=causal, eot=eot)
    return parts.after, k, v


def run_parts(
    block: Any, hidden: Float[Tensor, "n t d"], *, causal: bool, eot: Int[Tensor, " n"] | None = None
) -> tuple[Parts, Float[Tensor, "n t d"], Float[Tensor, "n t d"]]:
    """Run one block as `run_block` does. Return the parts of the new stream, and keys and values."""
    normed = block.layer_norm1(hidden)
    q, k, v = (proj(normed) for proj in (block.self_attn.q_proj, block.self_attn.k_proj, block.self_attn.v_proj))
    seen = None
    if eot is not None and not causal:
        seen = torch.arange(hidden.shape[1], device=hidden.device) <= eot.to(hidden.device)[:, None, None, None]
    attended = functional.scaled_dot_product_attention(
        _heads(block, q), _heads(block, k), _heads(block, v), seen, is_causal=causal, scale=block.self_attn.scale
    )
    parts = _parts(block, hidden, attended.transpose(1, 2))
    if changes_of(block):
        where = torch.zeros(len(hidden), dtype=torch.long) if eot is None else eot
        ends = torch.arange(len(hidden), device=hidden.device) * hidden.shape[1] + where.to(hidden.device)
        parts = parts._replace(after=changed_at(block, parts.after.flatten(0, 1), ends).view_as(hidden))
    return parts, k, v


def keys_and_values(block: Any, hidden: Float[Tensor, "*n d"]) -> tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"]]:
    """Return the keys and values that a block exposes to later positions."""
    normed, attention = block.layer_norm1(hidden), block.self_attn
    if isinstance(attention, MergedAttention):
        k, v = attention.qkv.after(hidden.shape[-1])(normed).chunk(2, -1)
        return k, v
    return attention.k_proj(normed), attention.v_proj(normed)


def _project(attention: Any, x: Float[Tensor, "*n d"]) -> tuple[Tensor, ...]:
    """Return queries, keys and values."""
    if isinstance(attention, MergedAttention):
        return attention.qkv(x).chunk(3, -1)
    return attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)


def _run_packed(
    block: Any, hidden: Float[Tensor, "total d"], groups: Sequence[Group], tables: HeadTables | None, *, causal: bool
) -> tuple[Parts, Float[Tensor, "total d"], Float[Tensor, "total d"]]:
    """Run one block at every position of packed texts. Return the parts of the new stream, and its keys and values.

    Args:
        groups: groups that hold all tokens of the texts, in this order.
        tables: tables of these groups for a causal block with merged adapters; by default they are computed.
    """
    attention = block.self_attn
    normed = block.layer_norm1(hidden)
    if isinstance(attention, MergedAttention) and causal:
        joint = attention.qkv(normed)
        tables = tables if tables is not None else head_tables(groups, attention.num_heads)
        mixed = packed_attention(joint, tables, attention.scale)
        _, k, v = joint.chunk(3, -1)
        return _parts(block, hidden, mixed.unflatten(-1, (attention.num_heads, -1))), k, v
    qkv = _project(attention, normed)
    pieces = []
    for group in groups:
        q, k, v = (_heads(block, group.of(x)) for x in qkv)
        seen = None if causal else group.seen[:, None, None]
        attended = functional.scaled_dot_product_attention(q, k, v, seen, is_causal=causal, scale=attention.scale)
        pieces.append(attended.transpose(1, 2).flatten(0, 1).index_select(0, group.kept))
    return _parts(block, hidden, torch.cat(pieces)), qkv[1], qkv[2]


def step_block(
    block: Any,
    h: Float[Tensor, "n *c d"],
    keys: Float[Tensor, "total d"],
    values: Float[Tensor, "total d"],
    groups: Sequence[Group],
) -> Float[Tensor, "n *c d"]:
    """Run one block at one position of each text, which attends to itself and to earlier positions.

    At EOT this is exact for a tower that is not causal too, since all other tokens come before EOT.

    Args:
        h: one stream for each text, shape (n, d), or c streams, shape (n, c, d). Texts are in the order of the groups.
        keys, values: keys and values of many positions, packed.
        groups: earlier positions of each text in the packed keys and values.
    """
    if h.ndim == 2:
        return _step_parts(block, h[:, None], keys, values, groups).after[:, 0]
    return _step_parts(block, h, keys, values, groups).after


def _step_parts(
    block: Any,
    h: Float[Tensor, "n c d"],
    keys: Float[Tensor, "total d"],
    values: Float[Tensor, "total d"],
    groups: Sequence[Group],
) -> Parts:
    """Run one block as `step_block` does for c streams of each text, and return the parts of the new streams."""
    attention = block.self_attn
    normed = block.layer_norm1(h)
    split = (attention.num_heads, attention.head_dim)
    q, k, v = (x.unflatten(-1, split) for x in _project(attention, normed))
    # Own and earlier keys stay apart: joining them would copy the cache, and backward would compute its gradients.
    q = q * attention.scale
    self_logits = (q * k).sum(-1)[:, :, None]
    pieces, sizes = [], [len(group.index) for group in groups]
    for group, *chunks in zip(groups, *(x.split(sizes) for x in (q, self_logits, v)), strict=True):
        query, self_logit, self_value = chunks
        earlier = _dots(query, group.of(keys).unflatten(-1, split))
        if group.piece is None:
            earlier = earlier.masked_fill(~group.seen[:, None, :, None], -torch.inf)
        weights = torch.cat([earlier, self_logit], dim=2).softmax(2)
        mixed = _mix(weights[:, :, :-1], group.of(values).unflatten(-1, split))
        pieces.append(mixed + weights[:, :, -1, :, None] * self_value)
    parts = _parts(block, h, torch.cat(pieces))
    return parts._replace(after=changed(block, parts.after)) if changes_of(block) else parts


def _dots(q: Float[Tensor, "m c heads head"], keys: Float[Tensor, "m t heads head"]) -> Float[Tensor, "m c t heads"]:
    if q.shape[1] == 1:  # a product and a sum are several times faster on CPUs than a matrix product of one column
        return (keys * q).sum(-1)[:, None]
    return (keys.transpose(1, 2) @ q.permute(0, 2, 3, 1)).permute(0, 3, 2, 1)


def _mix(
    weights: Float[Tensor, "m c t heads"], values: Float[Tensor, "m t heads head"]
) -> Float[Tensor, "m c heads head"]:
    if weights.shape[1] == 1:
        return (weights[:, 0, ..., None] * values).sum(1)[:, None]
    return (weights.permute(0, 3, 1, 2) @ values.transpose(1, 2)).transpose(1, 2)


def run_texts(
    clip: Clip, ids: Int[Tensor, "n t"], layout: PackedLayout, tower: Sequence[Any]
) -> Iterator[tuple[Parts, Int[Tensor, " n"], Float[Tensor, "total d"], Float[Tensor, "total d"]]]:
    """Run packed texts through the tower, and yield the state after each block.

    The last block runs at EOT only, since no other position is read after it.

    Args:
        layout: result of `lay_out` for these texts.
        tower: blocks of the text tower, from `text_blocks`.

    Yields:
        The parts of the stream after each block, the row of each text's EOT in them, and keys and values of all tokens.
    """
    hidden = embed_ids(clip, ids).flatten(0, 1).index_select(0, layout.taken)
    yield from run_above(clip, hidden, layout, tower)


def run_above(
    clip: Clip, hidden: Float[Tensor, "total d"], layout: PackedLayout, above: Sequence[Any]
) -> Iterator[tuple[Parts, Int[Tensor, " n"], Float[Tensor, "total d"], Float[Tensor, "total d"]]]:
    """Run packed texts through the last blocks of the text tower; see `run_texts`."""
    *below, last = above
    causal = clip.family.causal("text")
    tables = head_tables(layout.groups, last.self_attn.num_heads) if causal else None
    for block in below:
        parts, k, v = _run_packed(block, hidden, layout.groups, tables, causal=causal)
        parts = parts._replace(after=changed_at(block, parts.after, layout.ends))
        hidden = parts.after
        yield parts, layout.ends, k, v
    k, v = keys_and_values(last, hidden)
    earlier = layout.earlier
    parts = _step_parts(last, hidden[layout.ends[earlier.order], None], k, v, earlier.parts)
    yield Parts(*(part[:, 0] for part in parts)), earlier.back, k, v


@torch.inference_mode()
def embed_tokens(clip: Clip, tokens: Tokens, *, batch_size: int = 256) -> Float[Tensor, "n embed"]:
    """Return the unit-norm embeddings of texts. Beginnings that several texts share, as prompts do, run once.

    Args:
        tokens: tokens of n texts.
    """
    out = torch.empty(len(tokens), clip.embed_dim, device=clip.device, dtype=clip.model.dtype)
    tower, rows = text_blocks(clip), tokens.ids.tolist()
    alphabetical = torch.tensor(sorted(range(len(rows)), key=lambda row: rows[row]), dtype=torch.long)
    for index in alphabetical.split(batch_size) if len(rows) else ():
        batch = tokens.take(index)
        layout = lay_out(clip, batch.ids, batch.eot)
        for parts, ends, _, _ in run_texts(clip, batch.ids.to(clip.device), layout, tower):
            end = parts.after[ends]
        out[index] = embed_stream(clip, "text", end)
    return out


def embed_stream(clip: Clip, tower: Tower, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n embed"]:
    """Return unit-norm embeddings of the last layer at EOT or CLS: final layer norm, projection, normalization."""
    return functional.normalize(clip.family.project(clip.model, tower, h), dim=-1)
