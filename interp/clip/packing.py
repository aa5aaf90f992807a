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
        kept: where a token is the first of those that share its row, in the flattened table, in the order of rows.
        shared: where it is a later one.
    """

    rows: Int[Tensor, " m"]
    index: Int[Tensor, "m t"]
    seen: Bool[Tensor, "m t"]
    kept: Int[Tensor, " kept"]
    shared: Int[Tensor, " shared"]


def group(starts: Int[Tensor, " n"], lengths: Int[Tensor, " n"], device: torch.device) -> list[Group]:
    """Texts in groups, shortest first; each text has its own rows, one behind the other.

    Args:
        starts: of each text in the packed tensors.
        lengths: how many tokens of each text are wanted.
        device: where the packed tensors are.
    """
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0)
    return group_rows(starts[:, None] + steps, lengths, device)


def group_rows(
    places: Int[Tensor, "n t"],
    lengths: Int[Tensor, " n"],
    device: torch.device,
    first: Bool[Tensor, "n t"] | None = None,
) -> list[Group]:
    """`group` for tokens that lie in any rows.

    Args:
        places: the row of each token.
        first: whether it is the first, in this order, of the tokens that share its row; by default none is shared.
    """
    size = max(SMALLEST_GROUP, -(-len(lengths) // MOST_GROUPS))
    groups = []
    for rows in torch.argsort(lengths, stable=True).split(size):
        width = int(lengths[rows].max()) if len(rows) else 0
        seen = torch.arange(width) < lengths[rows, None]
        index = torch.where(seen, places[rows, :width], 0)
        new = seen if first is None else seen & first[rows, :width]
        kept, shared = (where.flatten().nonzero()[:, 0] for where in (new, seen & ~new))
        groups.append(Group(*(part.to(device) for part in (rows, index, seen, kept, shared))))
    return groups


def in_order(groups: Sequence[Group]) -> Int[Tensor, " n"]:
    """Where each text stands if the groups' texts are put behind one another."""
    return torch.argsort(torch.cat([part.rows for part in groups]))


@dataclass(frozen=True, eq=False)
class Packed:
    """How whole texts, EOT included, are packed: shortest first.

    Attributes:
        places: the row of each token in the packed tensors, shape (n, t); anything behind EOT. On the CPU.
        ends: rows of each text's EOT.
        taken: places of the packed tokens in a padded (n, t) table, flattened.
        groups, earlier: of all tokens, and of those before EOT.
    """

    places: Int[Tensor, "n t"]
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
    places = starts[:, None] + torch.arange(width)
    return Packed(places, (starts + eot).to(device), taken.to(device), groups, earlier)


def pack_shared(ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], device: torch.device) -> Packed:
    """`pack` with what texts have in common at their beginning laid down once: nothing behind it can be seen there.

    Args:
        ids: token ids, padded behind each text's EOT.
        eot: where each text ends.
    """
    ids, eot = ids.cpu(), eot.cpu()
    places, first = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    rows: dict[tuple[int, int], int] = {}  # of a token, by the row of the token before it
    taken = []
    for text in torch.argsort(eot, stable=True).tolist():
        before, begun = -1, len(rows)
        own = []
        for token in ids[text, : int(eot[text]) + 1].tolist():
            before = rows.setdefault((before, token), len(rows))
            own.append(before)
        places[text, : len(own)] = torch.tensor(own)
        new = [place for place, row in enumerate(own) if row >= begun]
        first[text, new] = True
        taken += [text * ids.shape[1] + place for place in new]
    groups, earlier = (group_rows(places, lengths, device, first) for lengths in (eot + 1, eot))
    ends = places[torch.arange(len(eot)), eot]
    return Packed(places, ends.to(device), torch.tensor(taken, device=device), groups, earlier)
