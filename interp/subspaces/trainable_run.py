"""Run of texts that keeps its graph, for training the model together with a rotation.

The clean runs of a batch leave the keys and values that its counterfactuals attend to, so an IIT-DAS step costs little
more than running the texts; see `interp.subspaces.clean_run` for why this is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from interp.clip.blocks import embed_stream, lay_out, run_texts, step_block, text_blocks
from interp.clip.model import Clip
from interp.clip.packing import group_rows
from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.subspaces.at_sites import check_sites, joined, not_kept, run_again


@dataclass(frozen=True, eq=False)
class TrainableRun:
    """Clean run of one batch of texts, in which everything can be differentiated.

    Attributes:
        site: the only site that is kept.
        block: block of the site, adapters merged.
        above: blocks layer, layer + 1, ... (from 0), adapters merged.
        embeddings: unit-norm embeddings of all texts, shape (all, embed).
        streams: values at the site, of all texts, shape (all, d).
        rest: rest of the site's block that `join` needs, shape (all, d); None if it needs nothing.
        keys, values: keys and values of blocks layer, layer + 1, ... (from 0), of all tokens, packed, shape (total, d).
        grid: stream after the site's block, of all tokens, packed, shape (total, d); for a tower that is not causal.
        places, eot: rows of each text's tokens in the packed tensors, and its length without EOT; on the CPU.
        rows: texts that this view holds.
    """

    clip: Clip
    site: Site
    block: Any
    above: Sequence[Any]
    embeddings: Float[Tensor, "all embed"]
    streams: Float[Tensor, "all d"]
    rest: Float[Tensor, "all d"] | None
    keys: tuple[Float[Tensor, "total d"], ...]
    values: tuple[Float[Tensor, "total d"], ...]
    grid: Float[Tensor, "total d"] | None
    places: Int[Tensor, "all t"]
    eot: Int[Tensor, " all"]
    rows: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " m"]) -> TrainableRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows.to(self.rows.device)])

    def stream(self, site: Site) -> Streams:
        """See `CleanRun.stream`; raise `SiteMismatch` for any site other than the run's."""
        self._check(site)
        return self.streams[self.rows]

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; differentiable in the model's weights too."""
        self._check(site)
        h = joined(self.block, site, self.rest, self.rows, h)
        rows = self.rows.cpu()
        if not self.clip.family.causal("text"):
            return run_again(self.clip, self.above, self.grid, self.places[rows], self.eot[rows], h)
        earlier = group_rows(self.places[rows], self.eot[rows], h.device)
        h = h[earlier.order]
        for block, keys, values in zip(self.above, self.keys, self.values, strict=True):
            h = step_block(block, h, keys, values, earlier.parts)
        return embed_stream(self.clip, "text", h)[earlier.back]

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of texts in their order."""
        return list(torch.arange(len(self)).split(size))

    def _check(self, site: Site) -> None:
        if site != self.site:
            raise not_kept([self.site], site)


def trainable_texts(clip: Clip, ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], site: Site) -> TrainableRun:
    """Run a batch of texts, and keep everything that interventions at a site need.

    Args:
        ids: token ids on the model's device, padded behind each text's EOT.
        eot: index of each text's EOT, on the same device.
        site: a site in the text tower.

    Raises:
        SiteError: the text tower has no such site.
        SiteMismatch: the site is in the vision tower.
    """
    check_sites(clip, "text", [site])
    layout, tower, causal = lay_out(clip, ids, eot), text_blocks(clip), clip.family.causal("text")
    keys, values, grid = [], [], None
    for number, (parts, rows, k, v) in enumerate(run_texts(clip, ids, layout, tower)):
        end = parts.after[rows]
        if number == site.block:
            value, rest = site.part.split(parts)
            stream, rest = end if value is parts.after else value[rows], None if rest is None else rest[rows]
            grid = None if causal or number + 1 == len(tower) else parts.after
        if causal and number >= site.layer:
            keys.append(k)
            values.append(v)
    each = torch.arange(len(ids), device=ids.device)
    embeddings = embed_stream(clip, "text", end)
    return TrainableRun(
        clip,
        site,
        tower[site.block],
        tower[site.layer :],
        embeddings,
        stream,
        rest,
        tuple(keys),
        tuple(values),
        grid,
        layout.places,
        eot.cpu(),
        each,
    )
