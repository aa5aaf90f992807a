"""Tests of packed texts with shared beginnings against plain loops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from interp.clip.attention import head_tables, packed_attention
from interp.clip.packing import group, pack

BOS, EOT = 7, 9


def texts(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return token ids of few kinds, so that many texts share a beginning and some are equal."""
    eot = torch.randint(1, 9, (n,), generator=generator)
    ids = torch.randint(0, 3, (n, 10), generator=generator)
    ids[:, 0] = BOS
    return torch.where(torch.arange(10) >= eot[:, None], EOT, ids), eot


@pytest.mark.parametrize("n", [1, 6, 40])  # 40: several groups of similar length
def test_each_beginning_has_one_row(n: int, generator: torch.Generator):
    ids, eot = texts(n, generator)
    layout = pack(ids, eot, torch.device("cpu"))
    prefixes: dict[tuple[int, ...], set[int]] = {}
    for row, end, places in zip(ids.tolist(), eot.tolist(), layout.places.tolist(), strict=True):
        for place in range(end + 1):
            prefixes.setdefault(tuple(row[: place + 1]), set()).add(places[place])
    assert all(len(rows) == 1 for rows in prefixes.values())
    assert sorted(rows.pop() for rows in prefixes.values()) == list(range(len(layout.taken)))
    assert n == 1 or len(layout.taken) < int((eot + 1).sum())
    assert torch.equal(ids.flatten()[layout.taken[layout.ends]], torch.full((n,), EOT))
    kept = torch.cat([part.index.flatten()[part.kept] for part in layout.groups])
    assert torch.equal(kept, torch.arange(len(layout.taken)))
    for part in layout.groups:
        assert len(part.kept) + len(part.shared) == int(part.seen.sum())


@pytest.mark.parametrize("same", [True, False])
def test_texts_that_lie_behind_each_other_are_read_in_place(same: bool, generator: torch.Generator):
    """Compare numbers and gradients with the table of rows, for tensors made inside and outside inference mode."""
    lengths = torch.tensor([3, 3, 3, 3] if same else [3, 2, 3, 3])
    starts = torch.cumsum(lengths, 0) - lengths
    with torch.inference_mode():
        strict = torch.randn(int(lengths.sum()), 4, generator=generator)
    for packed in (strict, strict.clone()):
        groups = group(starts, lengths, torch.device("cpu"))
        (part,) = groups.parts
        assert (part.piece is not None) == same
        assert torch.equal(groups.order[groups.back], torch.arange(4))
        weight = torch.ones(part.index.shape, requires_grad=True)
        (part.of(packed) * weight[:, :, None]).sum().backward()
        expected = torch.where(part.seen, packed.clone()[part.index].sum(-1), 0)
        assert weight.grad is not None
        torch.testing.assert_close(torch.where(part.seen, weight.grad, 0), expected)
    apart = group(starts.flip(0), lengths.flip(0), torch.device("cpu"))
    assert apart.parts[0].piece is None  # in another order


def test_attention_of_shared_rows_is_that_of_texts_apart(generator: torch.Generator):
    """Compare outputs and gradients; the gradient of a shared row is the sum over its texts."""
    ids, eot = texts(40, generator)
    shared, starts = pack(ids, eot, torch.device("cpu")), torch.empty_like(eot)
    order = torch.argsort(eot, stable=True)
    starts[order] = torch.cumsum(eot[order] + 1, 0) - eot[order] - 1
    apart = group(starts, eot + 1, torch.device("cpu"))
    rows = torch.randn(len(shared.taken), 3 * 8, generator=generator, dtype=torch.float64, requires_grad=True)
    inside = torch.arange(10) <= eot[:, None]
    origin = torch.empty(int(inside.sum()), dtype=torch.long)
    origin[(starts[:, None] + torch.arange(10))[inside]] = shared.places[inside]
    pull = torch.randn(len(shared.taken), 8, generator=generator, dtype=torch.float64)
    first = torch.full((len(shared.taken),), len(origin))  # row of one token among the tokens that share a row
    first.scatter_(0, origin, torch.arange(len(origin)))
    ours = packed_attention(rows, head_tables(shared.groups, 2), 0.5)
    theirs = packed_attention(rows[origin], head_tables(apart.parts, 2), 0.5)[first]
    torch.testing.assert_close(ours, theirs, atol=1e-12, rtol=1e-12)
    gradients = [torch.autograd.grad((out * pull).sum(), rows)[0] for out in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-12, rtol=1e-12)
    assert len(origin) > 1.5 * len(rows)
