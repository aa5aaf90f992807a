"""Texts of different lengths side by side, without padding.

The tokens of all texts lie packed, one text after the other, and pass the linear layers so. Only attention needs them
by text; it takes them in groups of similar length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from interp.tensors import Bool, Int, Tensor

MOST_GROUPS, SMALLEST_GROUP = 8, 16  # more and smaller ones would cost more in calls than they save in padding


@dataclass(frozen=True, eq=False)
class Group:
    """Texts of similar length.

    Attributes:
        rows: which of the texts.
        index: rows of their tokens in the packed tensors, shape (m, t); any row behind a text's end.
        seen: true up to each text's end.
        kept: where `seen` is true, in the flattened table.
    """

    rows: Int[Tensor, " m"]
    index: Int[Tensor, "m t"]
    seen: Bool[Tensor, "m t"]
    kept: Int[Tensor, " kept"]


def group(starts: Int[Tensor, " n"], lengths: Int[Tensor, " n"], device: torch.device) -> list[Group]:
    """Texts in groups, shortest first.

    Args:
        starts: of each text in the packed tensors.
        lengths: how many tokens of each text are wanted.
        device: where the packed tensors are.
    """
    size = max(SMALLEST_GROUP, -(-len(lengths) // MOST_GROUPS))
    groups = []
    for rows in torch.argsort(lengths, stable=True).split(size):
        steps = torch.arange(int(lengths[rows].max()) if len(rows) else 0)
        seen = steps < lengths[rows, None]
        index = torch.where(seen, starts[rows, None] + steps, 0)
        kept = seen.flatten().nonzero()[:, 0]
        groups.append(Group(rows.to(device), index.to(device), seen.to(device), kept.to(device)))
    return groups


def in_order(groups: Sequence[Group]) -> Int[Tensor, " n"]:
    """Where each text stands if the groups' texts are put behind one another."""
    return torch.argsort(torch.cat([part.rows for part in groups]))


@dataclass(frozen=True, eq=False)
class Packed:
    """How whole texts, EOT included, are packed: shortest first.

    Attributes:
        starts: of each text, on the CPU.
        ends: rows of each text's EOT.
        taken: places of the packed tokens in a padded (n, t) table, flattened.
        groups, earlier: of all tokens, and of those before EOT.
    """

    starts: Int[Tensor, " n"]
    ends: Int[Tensor, " n"]
    taken: Int[Tensor, " total"]
    groups: list[Group]
    earlier: list[Group]


def pack(eot: Int[Tensor, " n"], width: int, device: torch.device) -> Packed:
    """Lay out texts that end at `eot`, given as a padded table of `width` tokens; the layout is for `device`."""
    eot = eot.cpu()
    order = torch.argsort(eot, stable=True)
    starts = torch.empty_like(eot)
    starts[order] = torch.cumsum(eot[order] + 1, 0) - eot[order] - 1
    inside = torch.arange(width) <= eot[order, None]
    taken = (order[:, None] * width + torch.arange(width))[inside]
    groups, earlier = (group(starts, lengths, device) for lengths in (eot + 1, eot))
    return Packed(starts, (starts + eot).to(device), taken.to(device), groups, earlier)
