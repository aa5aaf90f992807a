"""Texts of different lengths side by side, without padding.

The tokens of all texts lie packed, one text after the other, and pass the linear layers so. What a causal tower reads
at a token depends on nothing behind it, so texts that begin alike share the rows of that beginning. Only attention
needs tokens by text; it takes them in groups of similar length.
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


def pack(ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], device: torch.device) -> Packed:
    """Lay out texts: what several have in common at their beginning once, for nothing behind it can be seen there.

    Args:
        ids: token ids, padded behind each text's EOT.
        eot: where each text ends.
        device: that the layout is for.
    """
    ids, eot = ids.cpu(), eot.cpu()
    width, said, ends = ids.shape[1], ids.tolist(), eot.tolist()
    rows: dict[tuple[int, int], int] = {}  # of a token, by the row of the token before it
    places, first, taken = [[0] * width for _ in said], [[False] * width for _ in said], []
    for text in torch.argsort(eot, stable=True).tolist():
        before, own, new = -1, places[text], first[text]
        for place in range(ends[text] + 1):
            key = before, said[text][place]
            if key not in rows:
                rows[key] = len(rows)
                new[place] = True
                taken.append(text * width + place)
            before = own[place] = rows[key]
    table, begun = torch.tensor(places).view(-1, width), torch.tensor(first).view(-1, width)
    groups, earlier = (group_rows(table, lengths, device, begun) for lengths in (eot + 1, eot))
    last = table[torch.arange(len(eot)), eot]
    return Packed(table, last.to(device), torch.tensor(taken, device=device), groups, earlier)
