"""Values at sites while inputs run, and the streams and embeddings that follow from other values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from interp.clip.blocks import Parts, embed_stream, run_above
from interp.clip.changes import changed
from interp.clip.families.family import Tower
from interp.clip.model import Clip
from interp.clip.packing import pack_apart
from interp.clip.sites import BLOCK, Site, SiteMismatch
from interp.clip.tensors import Float, Int, Tensor
from interp.drawing.markup import plural


def inputs_at(count: int, noun: str, clip: Clip, sites: Iterable[Site]) -> str:
    """Return the representation of a run of `count` inputs.

    >>> from interp.clip.loading import load_clip
    >>> inputs_at(1, "text", load_clip("toy"), [Site("text", 6)])
    "1 text in 'toy' at text.6.eot"
    """
    return f"{plural(count, noun)} in {clip.name!r} at {', '.join(map(str, sites)) or 'no site'}"


def joined(
    block: Any, site: Site, rest: Float[Tensor, "all d"] | None, rows: Int[Tensor, " n"], h: Float[Tensor, "n *c d"]
) -> Float[Tensor, "n *c d"]:
    """Return the stream after the block of a site if the value at the site is `h`.

    Args:
        rest: rest of the block for all inputs, from `Component.split`.
        rows: inputs that `h` belongs to.
    """
    rest_rows = None if rest is None else rest[rows]
    if rest_rows is not None and h.ndim == 3:
        rest_rows = rest_rows[:, None].expand(-1, h.shape[1], -1)
    after = site.part.join(block, rest_rows, h)
    return after if site.component == BLOCK else changed(block, after)  # the stream itself is already changed


def run_again(
    clip: Clip,
    above: Sequence[Any],
    hidden: Float[Tensor, "total d"] | None,
    places: Int[Tensor, "n t"],
    eot: Int[Tensor, " n"],
    h: Float[Tensor, "n *c d"],
) -> Float[Tensor, "n *c embed"]:
    """Return the embeddings that follow if EOT's stream is `h`; all positions of a tower that is not causal run again.

    Args:
        above: blocks that follow.
        hidden: stream before these blocks at all tokens of some texts, packed; None if no block follows.
        places: row of each token of n texts in `hidden`; arbitrary for tokens behind EOT.
        eot: position of EOT in each text, on the CPU.
        h: one stream for each text, shape (n, d), or c streams, shape (n, c, d).
    """
    if h.ndim == 3:
        return torch.stack([run_again(clip, above, hidden, places, eot, part) for part in h.unbind(1)], dim=1)
    if hidden is not None:
        layout = pack_apart(eot, h.device)
        rows = places[:, : layout.places.shape[1]].to(h.device).flatten().index_select(0, layout.taken)
        stream = hidden.index_select(0, rows).index_copy(0, layout.ends, h)
        for parts, ends, _, _ in run_above(clip, stream, layout, above):
            h = parts.after[ends]
    return embed_stream(clip, "text", h)


def at_site(table: Mapping[Site, Tensor], site: Site) -> Tensor:
    """Return a site's tensor; raise `SiteMismatch` if the run did not keep the site."""
    if site not in table:
        raise not_kept(table, site)
    return table[site]


def not_kept(kept: Iterable[Site], site: Site) -> SiteMismatch:
    """Return the error of a site that a run did not keep."""
    labels = ", ".join(other.label for other in sorted(kept, key=_order))
    return SiteMismatch(f"the clean run kept {labels}, not {site}; run it again with {site} in `sites`")


def _order(site: Site) -> tuple[int, str]:
    return site.layer, site.component


class SiteValues:
    """Values at sites, and the rests of their blocks, filled batch by batch."""

    def __init__(self, n: int, sites: Sequence[Site], empty: Float[Tensor, "0 d"]) -> None:
        """Allocate memory for the values of n inputs at the given sites.

        Args:
            empty: a tensor of the dtype and width of the values, on their device.
        """
        self.streams, self.rests = dict[Site, Tensor](), dict[Site, Tensor]()
        for site in sites:
            value, rest = site.part.split(Parts(*[empty] * len(Parts._fields)))
            self.streams[site] = empty.new_empty(n, value.shape[1])
            if rest is not None:
                self.rests[site] = empty.new_empty(n, rest.shape[1])

    def put(self, block: int, rows: Int[Tensor, " m"], parts: Parts, taken: Int[Tensor, " m"] | slice) -> None:
        """Keep the values and rests of some inputs for the sites of one block.

        Args:
            block: number of the block, counted from 0.
            rows: the inputs.
            taken: rows of the parts that belong to these inputs.
        """
        for site, stream in self.streams.items():
            if site.block == block:
                value, rest = site.part.split(parts)
                stream[rows] = value[taken]
                if rest is not None:
                    self.rests[site][rows] = rest[taken]


def check_sites(clip: Clip, tower: Tower, sites: Iterable[Site]) -> list[Site]:
    """Return the distinct sites of one tower, the lowest first.

    Raises:
        SiteError: the model has no such site.
        SiteMismatch: a site is in the other tower.
        ValueError: there are no sites.
    """
    wanted = sorted(set(sites), key=_order)
    for site in wanted:
        if site.tower != tower:
            raise SiteMismatch(f"{site} is not in the {tower} tower; a clean run keeps sites of one tower")
        site.check(clip)
    if not wanted:
        raise ValueError("no sites given: a clean run needs at least one site")
    return wanted
