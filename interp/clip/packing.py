"""Texts of different lengths side by side, without padding.

The tokens of all texts lie packed, one text after the other, and pass the linear layers so. What a causal tower reads
at a token depends on nothing behind it, so texts that begin alike share the rows of that beginning; of other towers
each text has its own rows. Only attention needs tokens by text; it takes them in groups of similar length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from interp.clip.tensors import Bool, Float, Int, Tensor

_MOST_GROUPS, _SMALLEST_GROUP = 8, 16  # more and smaller ones would cost more in calls than they save in padding


@dataclass(frozen=True, eq=False)
class Group:
    """Texts of similar length.

    Attributes:
        index: rows of their tokens in the packed tensors, shape (m, t); any row behind a text's end.
        seen: true up to each text's end.
        first: true where a token is the first of those that share its row.
        piece: where the packed tensors hold just these tokens, in this order; None if they lie otherwise.
    """

    index: Int[Tensor, "m t"]
    seen: Bool[Tensor, "m t"]
    first: Bool[Tensor, "m t"]
    piece: slice | None

    @cached_property
    def kept(self) -> Int[Tensor, " kept"]:
        """The first tokens, as places in the flattened table."""
        return self.first.flatten().nonzero()[:, 0]

    @cached_property
    def shared(self) -> Int[Tensor, " shared"]:
        """The later ones."""
        return (self.seen & ~self.first).flatten().nonzero()[:, 0]

    def of(self, packed: Float[Tensor, "total d"]) -> Float[Tensor, "m t d"]:
        """What a packed tensor holds of the group's tokens."""
        # Autograd takes no view of what was computed in inference mode.
        viewed = self.piece is not None and packed.is_inference() <= torch.is_inference_mode_enabled()
        rows = packed[self.piece] if viewed else packed.index_select(0, self.index.flatten())
        return rows.view(*self.index.shape, packed.shape[1])


@dataclass(frozen=True, eq=False)
class Groups:
    """All texts, in groups.

    Attributes:
        parts: the groups, shortest texts first.
        order: which text stands where if the groups' texts are put behind one another.
        back: where each text stands then.
    """

    parts: list[Group]
    order: Int[Tensor, " n"]
    back: Int[Tensor, " n"]


def group(starts: Int[Tensor, " n"], lengths: Int[Tensor, " n"], device: torch.device) -> Groups:
    """Texts in groups; each text has its own rows, one behind the other.

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
) -> Groups:
    """`group` for tokens that lie in any rows.

    Args:
        places: the row of each token.
        first: whether it is the first, in this order, of the tokens that share its row; by default none is shared.
    """
    size = max(_SMALLEST_GROUP, -(-len(lengths) // _MOST_GROUPS))
    order = torch.argsort(lengths, stable=True)
    parts = []
    for rows in order.split(size):
        width = int(lengths[rows].max()) if len(rows) else 0
        seen = torch.arange(width) < lengths[rows, None]
        index = torch.where(seen, places[rows, :width], 0)
        new = seen if first is None else seen & first[rows, :width]
        parts.append(Group(index.to(device), seen.to(device), new.to(device), _piece(index, seen)))
    return Groups(parts, order.to(device), torch.argsort(order).to(device))


def _piece(index: Int[Tensor, "m t"], seen: Bool[Tensor, "m t"]) -> slice | None:
    """The rows that a table names, if they follow each other and none lies behind a text's end."""
    if index.numel() == 0:
        return None
    begin, flat = int(index[0, 0]), index.flatten()
    consecutive = bool(seen.all()) and torch.equal(flat, torch.arange(begin, begin + len(flat)))
    return slice(begin, begin + len(flat)) if consecutive else None


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
    earlier: Groups


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
    return _packed(table, begun, torch.tensor(taken), eot, device)


def pack_apart(eot: Int[Tensor, " n"], device: torch.device) -> Packed:
    """Lay out texts of which each has its own rows, as a tower that is not causal needs it.

    Args:
        eot: where each text ends.
        device: that the layout is for.
    """
    eot = eot.cpu()
    order, steps = torch.argsort(eot, stable=True), torch.arange(int(eot.max()) + 1 if len(eot) else 0)
    starts = torch.empty_like(eot)
    starts[order] = torch.cumsum(eot[order] + 1, 0) - eot[order] - 1
    seen = steps <= eot[:, None]
    taken = (order[:, None] * len(steps) + steps)[seen[order]]
    return _packed(torch.where(seen, starts[:, None] + steps, 0), seen, taken, eot, device)


def _packed(
    table: Int[Tensor, "n t"],
    begun: Bool[Tensor, "n t"],
    taken: Int[Tensor, " total"],
    eot: Int[Tensor, " n"],
    device: torch.device,
) -> Packed:
    groups, earlier = (group_rows(table, lengths, device, begun) for lengths in (eot + 1, eot))
    last = table[torch.arange(len(eot)), eot]
    return Packed(table, last.to(device), taken.to(device), groups.parts, earlier)
