"""A run of texts that keeps its graph, for training the model together with a rotation.

A batch's clean runs leave the keys and values that its counterfactuals attend to, so that an IIT-DAS step costs
little more than running the texts at all; see `interp.subspaces.clean_run` for why this is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from interp.clip.blocks import embed_stream, run_texts, step_block, text_blocks
from interp.clip.model import Clip
from interp.clip.packing import group_rows, pack
from interp.clip.sites import Site, SiteMismatch
from interp.clip.tensors import Float, Int, Streams, Tensor


@dataclass(frozen=True, eq=False)
class TrainableRun:
    """A clean run of one batch of texts, in which everything can be differentiated.

    Attributes:
        layer: of the site.
        above: blocks layer, layer + 1, ... (from 0), adapters merged.
        embeddings: unit-norm, of all texts, shape (all, embed).
        streams: at EOT after `layer`, of all texts, shape (all, d).
        keys, values: of blocks layer, layer + 1, ... (from 0), of all tokens, packed, shape (total, d).
        places, eot: rows of each text's tokens in the packed tensors, and its length without EOT; on the CPU.
        rows: the texts that this view holds.
    """

    clip: Clip
    layer: int
    above: Sequence[Any]
    embeddings: Float[Tensor, "all embed"]
    streams: Float[Tensor, "all d"]
    keys: tuple[Float[Tensor, "total d"], ...]
    values: tuple[Float[Tensor, "total d"], ...]
    places: Int[Tensor, "all t"]
    eot: Int[Tensor, " all"]
    rows: Int[Tensor, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " m"]) -> TrainableRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows.to(self.rows.device)])

    def stream(self, layer: int) -> Streams:
        """See `CleanRun.stream`; raises `SiteMismatch` for another layer than the site's."""
        self._check(layer)
        return self.streams[self.rows]

    def push(self, layer: int, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; differentiable in the model's weights too."""
        self._check(layer)
        rows = self.rows.cpu()
        earlier = group_rows(self.places[rows], self.eot[rows], h.device)
        h = h[earlier.order]
        for block, keys, values in zip(self.above, self.keys, self.values, strict=True):
            h = step_block(block, h, keys, values, earlier.parts)
        return embed_stream(self.clip, "text", h)[earlier.back]

    def batches(self, size: int) -> list[Tensor]:
        """Texts in their order."""
        return list(torch.arange(len(self)).split(size))

    def _check(self, layer: int) -> None:
        if layer != self.layer:
            raise SiteMismatch(f"this run kept layer {self.layer}, not {layer}")


def trainable_texts(clip: Clip, ids: Int[Tensor, "n t"], eot: Int[Tensor, " n"], layer: int) -> TrainableRun:
    """Run a batch of texts, and keep what interventions at EOT after `layer` need.

    Args:
        ids: token ids on the model's device, padded behind each text's EOT.
        eot: where each text ends, on the same device.

    Raises:
        SiteError: the text tower has no such layer.
    """
    Site("text", layer).check(clip)
    layout, tower = pack(ids, eot, ids.device), text_blocks(clip)
    streams, keys, values = [], [], []
    for number, (end, k, v) in enumerate(run_texts(clip, ids, layout, tower)):
        streams.append(end)
        if number >= layer:
            keys.append(k)
            values.append(v)
    each = torch.arange(len(ids), device=ids.device)
    embeddings = embed_stream(clip, "text", streams[-1])
    return TrainableRun(
        clip, layer, tower[layer:], embeddings, streams[layer - 1], tuple(keys), tuple(values), layout.places,
        eot.cpu(), each,
    )  # fmt: skip
