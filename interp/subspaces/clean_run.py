"""Clean runs: inputs run once, with whatever any number of interventions on them will need.

CLIP's text tower is causal and reads a text at EOT, its last token. A change at EOT reaches no other position, so a
counterfactual is the changed EOT vector pushed through the remaining blocks against the keys and values of the clean
run. The vision tower is not causal: there only the part below the site is reused, and above it all positions run again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

import torch

from interp.clip.blocks import blocks, embed_patches, embed_stream, run_block, run_texts, step_block, text_blocks
from interp.clip.model import Clip, Tokens, Tower, length_batches, pixel_values, tokenize
from interp.clip.packing import group, pack
from interp.clip.sites import Site, SiteMismatch
from interp.clip.tensors import Float, Int, Pixels, Streams, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image


@runtime_checkable
class CleanRun(Protocol):
    """What DAS asks of a clean run: streams to swap, and the rest of the network to push them through."""

    def __len__(self) -> int: ...

    def take(self, rows: Int[Tensor, " m"]) -> CleanRun:
        """The run of some inputs, in the order given; nothing is copied or computed."""
        ...

    def stream(self, layer: int) -> Streams:
        """The residual stream at EOT or CLS after a layer."""
        ...

    def push(self, layer: int, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """The unit-norm embeddings that follow if the stream after `layer` is `h`; differentiable in `h`.

        Args:
            h: a stream for each input, or c of them: (n, c, d).
        """
        ...

    def batches(self, size: int) -> list[Tensor]:
        """Rows in batches that are cheap to push together."""
        ...


@dataclass(frozen=True, eq=False)
class TextRun:
    """The clean run of texts, with what the cached engine needs.

    Attributes:
        tokens: of all texts that were run.
        streams: layer -> EOT stream of every text, shape (all, d).
        keys, values: block (from 0) -> those of all tokens before EOT, packed, shape (total, d).
        starts: where each text begins in the packed tensors.
        rows: the texts that this view holds, as indices into all of them.
    """

    clip: Clip
    tokens: Tokens
    streams: dict[int, Float[Tensor, "all d"]]
    keys: dict[int, Float[Tensor, "total d"]]
    values: dict[int, Float[Tensor, "total d"]]
    starts: Int[Tensor, " all"]
    rows: Int[Tensor, " n"]
    tower: Tower = "text"

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " m"]) -> TextRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows])

    def stream(self, layer: int) -> Streams:
        """See `CleanRun.stream`; raises `SiteMismatch` if the run did not keep the layer."""
        return _at(self.streams, layer)[self.rows]

    def push(self, layer: int, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raises `SiteMismatch` if the run did not keep the layer."""
        _at(self.streams, layer)
        earlier = group(self.starts[self.rows], self.tokens.eot[self.rows], h.device)
        h = h[earlier.order]
        for number in range(layer, self.clip.depth("text")):
            h = step_block(blocks(self.clip, "text")[number], h, self.keys[number], self.values[number], earlier.parts)
        return embed_stream(self.clip, "text", h)[earlier.back]

    def batches(self, size: int) -> list[Tensor]:
        """Texts of similar length."""
        return length_batches(self.tokens.eot[self.rows], size)

    @property
    def words(self) -> str:
        """The words of all texts, in one."""
        return "\n".join("\t".join(words) for words in self.tokens.words)

    def tensors(self) -> dict[str, Tensor]:
        """All that it holds but the words, by name and on the CPU; see `of_tensors`."""
        flat = {"ids": self.tokens.ids, "eot": self.tokens.eot, "word_of": self.tokens.word_of}
        flat |= {"starts": self.starts, "rows": self.rows}
        for name, table in (("streams", self.streams), ("keys", self.keys), ("values", self.values)):
            flat |= {f"{name}.{number}": tensor.cpu().contiguous() for number, tensor in table.items()}
        return flat

    @classmethod
    def of_tensors(cls, clip: Clip, flat: Mapping[str, Tensor], text: str) -> TextRun:
        """The run, for the same model, whose `tensors` and `words` are given; layers and blocks can be missing."""
        tables: dict[str, dict[int, Tensor]] = {"streams": {}, "keys": {}, "values": {}}
        for key, tensor in flat.items():
            name, _, number = key.partition(".")
            if number:
                tables[name][int(number)] = tensor.to(clip.device)
        words = tuple(tuple(line.split("\t")) if line else () for line in text.split("\n"))
        tokens = Tokens(flat["ids"], flat["eot"], words, flat["word_of"], 0)
        return cls(clip, tokens, tables["streams"], tables["keys"], tables["values"], flat["starts"], flat["rows"])

    def save(self, path: Path) -> None:
        """Write the tensors to one safetensors file; `load` maps it into memory, shared between processes."""
        from safetensors.torch import save_file

        save_file(self.tensors(), path, metadata={"words": self.words})

    @classmethod
    def load(cls, clip: Clip, path: Path) -> TextRun:
        """Read what `save` wrote, for the same model."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls.of_tensors(clip, flat, file.metadata()["words"])


@dataclass(frozen=True, eq=False)
class VisionRun:
    """The clean run of images: the stream at every position after each layer asked for.

    Attributes:
        pixels: of all images that were run.
        grids: layer -> stream at CLS and the patches, shape (N, p, d).
        rows: the images that this view holds.
    """

    clip: Clip
    pixels: Pixels
    grids: dict[int, Float[Tensor, "all p d"]]
    rows: Int[Tensor, " n"]
    tower: Tower = "vision"

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " m"]) -> VisionRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows])

    def stream(self, layer: int) -> Streams:
        """See `CleanRun.stream`; raises `SiteMismatch` if the run did not keep the layer."""
        return _at(self.grids, layer)[self.rows, 0]

    def push(self, layer: int, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raises `SiteMismatch` if the run did not keep the layer."""
        if h.ndim == 3:
            return torch.stack([self.push(layer, part) for part in h.unbind(1)], dim=1)
        hidden = torch.cat([h[:, None], _at(self.grids, layer)[self.rows, 1:]], dim=1)
        for number in range(layer, self.clip.depth("vision")):
            hidden, _, _ = run_block(blocks(self.clip, "vision")[number], hidden, causal=False)
        return embed_stream(self.clip, "vision", hidden[:, 0])

    def batches(self, size: int) -> list[Tensor]:
        """Images in their order."""
        return list(torch.arange(len(self)).split(size))


Run = TypeVar("Run", TextRun, VisionRun)


def _at(table: dict[int, Tensor], layer: int) -> Tensor:
    if layer not in table:
        known = ", ".join(map(str, sorted(table)))
        raise SiteMismatch(
            f"the clean run kept layers {known}, not {layer}; run it again with layer {layer} in `layers`"
        )
    return table[layer]


@torch.no_grad()  # not in inference mode: searches differentiate what is pushed through these keys and values
def clean_texts(
    clip: Clip,
    texts: Sequence[str] | Tokens,
    layers: Iterable[int],
    *,
    batch_size: int = 64,
    on_batch: Callable[[int], object] = lambda _n: None,
) -> TextRun:
    """Run texts once, and keep the EOT streams of `layers` and the keys and values above the lowest of them.

    Args:
        texts: n texts, or their tokens.
        on_batch: called with the number of texts after each batch, for a progress bar.

    Raises:
        SiteError: the text tower has no such layer.
    """
    wanted = _check_layers(clip, "text", layers)
    tokens = texts if isinstance(texts, Tokens) else tokenize(clip, texts)
    width, depth, device, dtype = clip.width("text"), clip.depth("text"), clip.device, clip.model.dtype
    by_length = torch.argsort(tokens.eot, stable=True)
    starts = torch.empty_like(tokens.eot)
    starts[by_length] = torch.cumsum(tokens.eot[by_length], 0) - tokens.eot[by_length]
    total = int(tokens.eot.sum())
    above = range(wanted[0], depth)
    streams = {layer: torch.empty(len(tokens), width, device=device, dtype=dtype) for layer in wanted}
    keys = {number: torch.empty(total, width, device=device, dtype=dtype) for number in above}
    values = {number: torch.empty(total, width, device=device, dtype=dtype) for number in above}
    tower = text_blocks(clip)
    for rows in length_batches(tokens.eot, batch_size) if len(tokens) else ():
        batch = tokens.take(rows)
        layout = pack(batch.ids, batch.eot, device)
        before = layout.places[torch.arange(batch.ids.shape[1]) < batch.eot[:, None]].to(device)
        # Batches and texts are in order of length, as they are packed, so what is kept lies in one piece.
        kept = slice(int(starts[rows[0]]), int(starts[rows[0]]) + int(batch.eot.sum()))
        for number, (end, k, v) in enumerate(run_texts(clip, batch.ids.to(device), layout, tower)):
            if number in keys:
                keys[number][kept], values[number][kept] = k[before], v[before]
            if number + 1 in streams:
                streams[number + 1][rows.to(device)] = end
        on_batch(len(rows))
    return TextRun(clip, tokens, streams, keys, values, starts, torch.arange(len(tokens)))


@torch.inference_mode()
def clean_images(clip: Clip, images: Sequence[Image], layers: Iterable[int], *, batch_size: int = 32) -> VisionRun:
    """Run images once, and keep all positions' streams after each of `layers`.

    Raises:
        SiteError: the vision tower has no such layer.
    """
    wanted = _check_layers(clip, "vision", layers)
    pixels = torch.cat([pixel_values(clip, images[i : i + batch_size]) for i in range(0, len(images), batch_size)])
    parts: dict[int, list[Tensor]] = {layer: [] for layer in wanted}
    for chunk in pixels.split(batch_size):
        hidden = embed_patches(clip, chunk)
        for number, block in enumerate(blocks(clip, "vision")):
            hidden, _, _ = run_block(block, hidden, causal=False)
            if number + 1 in parts:
                parts[number + 1].append(hidden)
    return VisionRun(clip, pixels, {layer: torch.cat(part) for layer, part in parts.items()}, torch.arange(len(pixels)))


def _check_layers(clip: Clip, tower: Tower, layers: Iterable[int]) -> list[int]:
    wanted = sorted(set(layers))
    for layer in wanted:
        Site(tower, layer).check(clip)
    if not wanted:
        raise ValueError("no layers named; a clean run keeps the streams of at least one layer")
    return wanted
