"""Clean runs: inputs run once, with everything that any number of interventions on them need.

CLIP's text tower is causal and reads a text at EOT, its last token. A change at EOT reaches no other position, so a
counterfactual is the changed EOT vector pushed through the remaining blocks against the keys and values of the clean
run. The vision tower is not causal: there only the part below the site is reused, and above it all positions run again.

The value at a site is joined with the rest of its block (`interp.clip.components`) before it is pushed. Within the
block of the site a change at one position reaches no other one in either tower, since attention has been passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import torch

from interp.clip.blocks import (
    Parts,
    blocks,
    embed_patches,
    embed_stream,
    run_block,
    run_parts,
    run_texts,
    step_block,
    text_blocks,
)
from interp.clip.model import Clip, Tokens, Tower, length_batches, pixel_values, tokenize
from interp.clip.packing import group, pack
from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.subspaces.at_sites import Taken, at_site, check_sites, joined

if TYPE_CHECKING:
    from PIL.Image import Image


@runtime_checkable
class CleanRun(Protocol):
    """Values at sites of some inputs, and the network above the sites to push other values through."""

    def __len__(self) -> int: ...

    def take(self, rows: Int[Tensor, " m"]) -> CleanRun:
        """Return the run of some inputs, in the order given; nothing is copied or computed."""
        ...

    def stream(self, site: Site) -> Streams:
        """Return the value at a site: the residual stream, or what a component adds to it, at EOT or CLS."""
        ...

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """Return the unit-norm embeddings that follow if the value at a site is `h`; differentiable in `h`.

        Args:
            h: a value for each input, or c of them: (n, c, d).
        """
        ...

    def batches(self, size: int) -> list[Tensor]:
        """Return rows in batches that are cheap to push together."""
        ...


@dataclass(frozen=True, eq=False)
class TextRun:
    """The clean run of texts, with what the cached engine needs.

    Attributes:
        tokens: tokens of all texts that were run.
        streams: site -> value at EOT of every text, shape (all, d).
        rests: site -> the rest of its block at EOT that `join` needs, shape (all, d); only sites that need one.
        keys, values: block (from 0) -> those of all tokens before EOT, packed, shape (total, d).
        starts: place in the packed tensors where each text begins.
        rows: the texts that this view holds, as indices into all of them.
    """

    clip: Clip
    tokens: Tokens
    streams: dict[Site, Float[Tensor, "all d"]]
    rests: dict[Site, Float[Tensor, "all d"]]
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

    def stream(self, site: Site) -> Streams:
        """Return the value at a site; raise `SiteMismatch` if the run did not keep the site."""
        return at_site(self.streams, site)[self.rows]

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raises `SiteMismatch` if the run did not keep the site."""
        at_site(self.streams, site)
        h = joined(blocks(self.clip, "text")[site.block], site, self.rests.get(site), self.rows, h)
        earlier = group(self.starts[self.rows], self.tokens.eot[self.rows], h.device)
        h = h[earlier.order]
        for number in range(site.layer, self.clip.depth("text")):
            h = step_block(blocks(self.clip, "text")[number], h, self.keys[number], self.values[number], earlier.parts)
        return embed_stream(self.clip, "text", h)[earlier.back]

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of texts of similar length."""
        return length_batches(self.tokens.eot[self.rows], size)

    @property
    def words(self) -> str:
        """The words of all texts, in one string."""
        return "\n".join("\t".join(words) for words in self.tokens.words)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the run holds but the words, by name and on the CPU; see `of_tensors`."""
        flat = {"ids": self.tokens.ids, "eot": self.tokens.eot, "word_of": self.tokens.word_of}
        flat |= {"starts": self.starts, "rows": self.rows}
        tables: dict[str, Mapping[Any, Tensor]] = {
            "streams": self.streams,
            "rests": self.rests,
            "keys": self.keys,
            "values": self.values,
        }
        for name, table in tables.items():
            flat |= {f"{name}.{place}": tensor.cpu().contiguous() for place, tensor in table.items()}
        return flat

    @classmethod
    def of_tensors(cls, clip: Clip, flat: Mapping[str, Tensor], text: str) -> TextRun:
        """Return the run of the same model whose `tensors` and `words` are given; sites and blocks can be missing."""
        sites: dict[str, dict[Site, Tensor]] = {"streams": {}, "rests": {}}
        numbers: dict[str, dict[int, Tensor]] = {"keys": {}, "values": {}}
        for key, tensor in flat.items():
            name, _, place = key.partition(".")
            if name in sites:
                sites[name][Site.parse(place)] = tensor.to(clip.device)
            elif name in numbers:
                numbers[name][int(place)] = tensor.to(clip.device)
        words = tuple(tuple(line.split("\t")) if line else () for line in text.split("\n"))
        tokens = Tokens(flat["ids"], flat["eot"], words, flat["word_of"], 0)
        return cls(
            clip,
            tokens,
            sites["streams"],
            sites["rests"],
            numbers["keys"],
            numbers["values"],
            flat["starts"],
            flat["rows"],
        )

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
    """The clean run of images, with what interventions at CLS need.

    Attributes:
        pixels: pixel values of all images that were run.
        streams: site -> value at CLS of every image, shape (all, d).
        rests: site -> the rest of its block at CLS that `join` needs, shape (all, d); only sites that need one.
        grids: site -> stream at CLS and the patches after the site's block, shape (all, p, d).
        rows: the images that this view holds.
    """

    clip: Clip
    pixels: Float[Tensor, "all channels height width"]
    streams: dict[Site, Float[Tensor, "all d"]]
    rests: dict[Site, Float[Tensor, "all d"]]
    grids: dict[Site, Float[Tensor, "all p d"]]
    rows: Int[Tensor, " n"]
    tower: Tower = "vision"

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, rows: Int[Tensor, " m"]) -> VisionRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows])

    def stream(self, site: Site) -> Streams:
        """Return the value at a site; raise `SiteMismatch` if the run did not keep the site."""
        return at_site(self.streams, site)[self.rows]

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raises `SiteMismatch` if the run did not keep the site."""
        if h.ndim == 3:
            return torch.stack([self.push(site, part) for part in h.unbind(1)], dim=1)
        patches = at_site(self.grids, site)[self.rows, 1:]
        h = joined(blocks(self.clip, "vision")[site.block], site, self.rests.get(site), self.rows, h)
        hidden = torch.cat([h[:, None], patches], dim=1)
        for number in range(site.layer, self.clip.depth("vision")):
            hidden, _, _ = run_block(blocks(self.clip, "vision")[number], hidden, causal=False)
        return embed_stream(self.clip, "vision", hidden[:, 0])

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of images in their order."""
        return list(torch.arange(len(self)).split(size))


Run = TypeVar("Run", TextRun, VisionRun)


@torch.no_grad()  # not in inference mode: searches differentiate what is pushed through these keys and values
def clean_texts(
    clip: Clip,
    texts: Sequence[str] | Tokens,
    sites: Iterable[Site],
    *,
    batch_size: int = 64,
    on_batch: Callable[[int], object] = lambda _n: None,
) -> TextRun:
    """Run texts once, and keep the values at `sites` and the keys and values above the lowest of them.

    Args:
        texts: n texts, or their tokens.
        sites: sites in the text tower at which there may be interventions.
        on_batch: called with the number of texts after each batch, for a progress bar.

    Raises:
        SiteError: the text tower has no such site.
        SiteMismatch: a site is in the vision tower.
    """
    wanted = check_sites(clip, "text", sites)
    tokens = texts if isinstance(texts, Tokens) else tokenize(clip, texts)
    width, depth, device, dtype = clip.width("text"), clip.depth("text"), clip.device, clip.model.dtype
    by_length = torch.argsort(tokens.eot, stable=True)
    starts = torch.empty_like(tokens.eot)
    starts[by_length] = torch.cumsum(tokens.eot[by_length], 0) - tokens.eot[by_length]
    total = int(tokens.eot.sum())
    above = range(wanted[0].layer, depth)
    taken = Taken(len(tokens), wanted, torch.empty(0, width, device=device, dtype=dtype))
    keys = {number: torch.empty(total, width, device=device, dtype=dtype) for number in above}
    values = {number: torch.empty(total, width, device=device, dtype=dtype) for number in above}
    tower = text_blocks(clip)
    for rows in length_batches(tokens.eot, batch_size) if len(tokens) else ():
        batch = tokens.take(rows)
        layout = pack(batch.ids, batch.eot, device)
        before = layout.places[torch.arange(batch.ids.shape[1]) < batch.eot[:, None]].to(device)
        # Batches and texts are in order of length, as they are packed, so what is kept lies in one piece.
        kept = slice(int(starts[rows[0]]), int(starts[rows[0]]) + int(batch.eot.sum()))
        for number, (parts, ends, k, v) in enumerate(run_texts(clip, batch.ids.to(device), layout, tower)):
            if number in keys:
                keys[number][kept], values[number][kept] = k[before], v[before]
            taken.put(number, rows.to(device), parts, ends)
        on_batch(len(rows))
    return TextRun(clip, tokens, taken.streams, taken.rests, keys, values, starts, torch.arange(len(tokens)))


@torch.inference_mode()
def clean_images(clip: Clip, images: Sequence[Image], sites: Iterable[Site], *, batch_size: int = 32) -> VisionRun:
    """Run images once, and keep the values at `sites` and all positions' streams after their blocks.

    Args:
        sites: sites in the vision tower at which there may be interventions.

    Raises:
        SiteError: the vision tower has no such site.
        SiteMismatch: a site is in the text tower.
    """
    wanted = check_sites(clip, "vision", sites)
    pixels = torch.cat([pixel_values(clip, images[i : i + batch_size]) for i in range(0, len(images), batch_size)])
    empty = torch.empty(0, clip.width("vision"), device=clip.device, dtype=clip.model.dtype)
    taken = Taken(len(pixels), wanted, empty)
    grids: dict[int, list[Tensor]] = {site.block: [] for site in wanted}
    for rows in torch.arange(len(pixels)).split(batch_size):
        hidden = embed_patches(clip, pixels[rows])
        for number, block in enumerate(blocks(clip, "vision")):
            parts, _, _ = run_parts(block, hidden, causal=False)
            hidden = parts.after
            taken.put(number, rows, Parts(*(part[:, 0] for part in parts)), slice(None))
            if number in grids:
                grids[number].append(hidden)
    whole = {number: torch.cat(some) for number, some in grids.items()}
    by_site = {site: whole[site.block] for site in wanted}
    return VisionRun(clip, pixels, taken.streams, taken.rests, by_site, torch.arange(len(pixels)))
