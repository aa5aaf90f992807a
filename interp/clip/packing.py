"""Packing of texts of different lengths into one tensor, without padding.

The tokens of all texts are packed, one text after the other, and pass the linear layers in this form. A token in a
causal tower depends on nothing behind it, so texts with the same beginning share the rows of that beginning. In other
towers, each text has its own rows. Only attention needs the tokens by text; it takes them in groups of similar length.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from interp.clip.tensors import Bool, Float, Int, Tensor

_MOST_GROUPS, _SMALLEST_GROUP = 8, 16  # more and smaller groups would cost more in calls than they save in padding


@dataclass(frozen=True, eq=False)
class Group:
    """Group of texts of similar length.

    Attributes:
        index: rows of their tokens in the packed tensors, shape (m, t); arbitrary behind a text's end.
        seen: true up to each text's end.
        first: true where a token is the first of the tokens that share its row.
        piece: slice of the packed tensors that holds exactly these tokens, in this order; None if no slice does.
    """

    index: Int[Tensor, "m t"]
    seen: Bool[Tensor, "m t"]
    first: Bool[Tensor, "m t"]
    piece: slice | None

    @cached_property
    def kept(self) -> Int[Tensor, " kept"]:
        """Places of the first tokens in the flattened table."""
        return self.first.flatten().nonzero()[:, 0]

    @cached_property
    def shared(self) -> Int[Tensor, " shared"]:
        """Places of the later tokens, which share a row, in the flattened table."""
        return (self.seen & ~self.first).flatten().nonzero()[:, 0]

    def of(self, packed: Float[Tensor, "total d"]) -> Float[Tensor, "m t d"]:
        """Return the rows of a packed tensor that belong to the group's tokens."""
        # Autograd accepts no view of a tensor that was computed in inference mode.
        viewed = self.piece is not None and packed.is_inference() <= torch.is_inference_mode_enabled()
        rows = packed[self.piece] if viewed else packed.index_select(0, self.index.flatten())
        return rows.view(*self.index.shape, packed.shape[1])


@dataclass(frozen=True, eq=False)
class Groups:
    """Groups of all texts.

    Attributes:
        parts: the groups, shortest texts first.
        order: number of the text at each place, when the groups are concatenated.
        back: place of each text in that order.
    """

    parts: list[Group]
    order: Int[Tensor, " n"]
    back: Int[Tensor, " n"]


def group(starts: Int[Tensor, " n"], lengths: Int[Tensor, " n"], device: torch.device) -> Groups:
    """Return texts in groups; each text has consecutive rows that no other text uses.

    Args:
        starts: first row of each text in the packed tensors.
        lengths: number of tokens of each text to include.
        device: device of the packed tensors.
    """
    steps = torch.arange(int(lengths.max()) if len(lengths) else 0)
    return group_rows(starts[:, None] + steps, lengths, device)


def group_rows(
    places: Int[Tensor, "n t"],
    lengths: Int[Tensor, " n"],
    device: torch.device,
    first: Bool[Tensor, "n t"] | None = None,
) -> Groups:
    """Return texts in groups, as `group` does, for tokens in arbitrary rows.

    Args:
        places: row of each token.
        first: true for the first token, in this order, of the tokens that share a row; by default no row is shared.
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
    """Return the slice of the rows in a table, if they are consecutive and no place is behind a text's end."""
    if index.numel() == 0:
        return None
    begin, flat = int(index[0, 0]), index.flatten()
    consecutive = bool(seen.all()) and torch.equal(flat, torch.arange(begin, begin + len(flat)))
    return slice(begin, begin + len(flat)) if consecutive else None


@dataclass(frozen=True, eq=False)
class PackedLayout:
    """Layout of whole texts, EOT included, with the shortest first.

    Attributes:
        places: row of each token in the packed tensors, shape (n, t); arbitrary behind EOT. On the CPU.
        ends: rows of each text's EOT.
        taken: places of the packed tokens in a padded (n, t) table, flattened.
        groups, earlier: groups of all tokens, and groups of the tokens before EOT.
    """

    places: Int[Tensor, "n t"]
    ends: Int[Tensor, " n"]
    taken: Int[Tensor, " total"]
    groups: list[Group]
    earlier: Groups


def pack(ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], device: torch.device) -> PackedLayout:
    """Lay out texts so that a beginning that several texts share is packed once, since it depends on nothing behind it.

    Args:
        ids: token ids, padded behind each text's EOT.
        eot: position of each text's EOT.
        device: device of the layout.
    """
    ids, eot = ids.cpu(), eot.cpu()
    width, token_ids, ends = ids.shape[1], ids.tolist(), eot.tolist()
    rows: dict[tuple[int, int], int] = {}  # (row of the token before, token) -> row
    places, first, taken = [[0] * width for _ in token_ids], [[False] * width for _ in token_ids], []
    for text in torch.argsort(eot, stable=True).tolist():
        before, text_rows, new = -1, places[text], first[text]
        for place in range(ends[text] + 1):
            key = before, token_ids[text][place]
            if key not in rows:
                rows[key] = len(rows)
                new[place] = True
                taken.append(text * width + place)
            before = text_rows[place] = rows[key]
    table, begun = torch.tensor(places).view(-1, width), torch.tensor(first).view(-1, width)
    return _packed(table, begun, torch.tensor(taken), eot, device)


def pack_apart(eot: Int[Tensor, " n"], device: torch.device) -> PackedLayout:
    """Lay out texts so that each text has its own rows, as a tower that is not causal needs.

    Args:
        eot: position of each text's EOT.
        device: device of the layout.
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
) -> PackedLayout:
    groups, earlier = (group_rows(table, lengths, device, begun) for lengths in (eot + 1, eot))
    last = table[torch.arange(len(eot)), eot]
    return PackedLayout(table, last.to(device), taken.to(device), groups.parts, earlier)
