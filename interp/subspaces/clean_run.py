"""Clean runs of inputs, which keep everything that any number of interventions on these inputs need.

A text is read at EOT, its last token. In a causal text tower such as CLIP's, a change at EOT reaches no other position.
A counterfactual is therefore the changed EOT vector, pushed through the remaining blocks against the keys and values of
the clean run. In a tower that is not causal, such as every vision tower, only the part below the site is reused, and
all positions run again above the site. The family of the model says which case applies (`interp.clip.families`).

The value at a site is joined with the rest of its block (`interp.clip.components`) before it is pushed. Within the
block of the site, a change at one position reaches no other position in either tower, since the attention comes before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import torch

from interp.clip.blocks import (
    Parts,
    blocks,
    embed_patches,
    embed_stream,
    lay_out,
    run_block,
    run_parts,
    run_texts,
    step_block,
    text_blocks,
)
from interp.clip.families.family import Tower
from interp.clip.inputs import Images, Texts, as_images
from interp.clip.model import Clip, Tokens, length_batches, pixel_values, tokenize
from interp.clip.modes import no_gradients
from interp.clip.packing import group
from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Streams, Tensor
from interp.subspaces.at_sites import SiteValues, at_site, check_sites, inputs_at, joined, run_again


@runtime_checkable
class CleanRun(Protocol):
    """Values of inputs at sites, and the network above the sites through which other values can be pushed."""

    def __len__(self) -> int: ...

    def take(self, rows: Int[Tensor, " m"]) -> CleanRun:
        """Return the run of the inputs in the given rows, in the order given; nothing is copied or computed."""
        ...

    def stream(self, site: Site) -> Streams:
        """Return the value at a site at EOT or CLS: the residual stream, or the vector that a component adds to it."""
        ...

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """Return the unit-norm embeddings that follow if the value at a site is `h`; differentiable in `h`.

        Args:
            h: one value for each input, shape (n, d), or c values, shape (n, c, d).
        """
        ...

    def batches(self, size: int) -> list[Tensor]:
        """Return rows in batches that are cheap to push together."""
        ...


@dataclass(frozen=True, eq=False, repr=False)
class TextRun:
    """Clean run of texts, with everything that the cached engine needs.

    Attributes:
        tokens: tokens of all texts that were run.
        streams: site -> value at EOT of every text, shape (all, d).
        rests: site -> rest of its block at EOT that `join` needs, shape (all, d); only sites that need one.
        keys, values: block (from 0) -> keys or values of all tokens before EOT, packed, shape (total, d); for a causal
            tower.
        grids: block (from 0) -> streams of all tokens after the block, packed, shape (total, d); for any other tower.
        starts: place in the packed tensors where each text begins.
        rows: texts that this view holds, as indices into all texts.
    """

    clip: Clip
    tokens: Tokens
    streams: dict[Site, Float[Tensor, "all d"]]
    rests: dict[Site, Float[Tensor, "all d"]]
    keys: dict[int, Float[Tensor, "total d"]]
    values: dict[int, Float[Tensor, "total d"]]
    grids: dict[int, Float[Tensor, "total d"]]
    starts: Int[Tensor, " all"]
    rows: Int[Tensor, " n"]
    tower: Tower = "text"

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"TextRun({inputs_at(len(self), 'text', self.clip, self.streams)})"

    def take(self, rows: Int[Tensor, " m"]) -> TextRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows])

    def stream(self, site: Site) -> Streams:
        """Return the value at a site; raise `SiteMismatch` if the run did not keep the site."""
        return at_site(self.streams, site)[self.rows]

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raise `SiteMismatch` if the run did not keep the site."""
        at_site(self.streams, site)
        tower, starts, eot = blocks(self.clip, "text"), self.starts[self.rows], self.tokens.eot[self.rows]
        h = joined(tower[site.block], site, self.rests.get(site), self.rows, h)
        if not self.clip.family.causal("text"):
            places = starts[:, None] + torch.arange(self.tokens.ids.shape[1])
            return run_again(self.clip, tower[site.layer :], self.grids.get(site.block), places, eot, h)
        earlier = group(starts, eot, h.device)
        h = h[earlier.order]
        for number in range(site.layer, len(tower)):
            h = step_block(tower[number], h, self.keys[number], self.values[number], earlier.parts)
        return embed_stream(self.clip, "text", h)[earlier.back]

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of texts of similar length."""
        return length_batches(self.tokens.eot[self.rows], size)

    @property
    def words(self) -> str:
        """Words of all texts, in one string."""
        return "\n".join("\t".join(words) for words in self.tokens.words)

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that the run holds except the words, by name and on the CPU; see `of_tensors`."""
        flat = {"ids": self.tokens.ids, "eot": self.tokens.eot, "word_of": self.tokens.word_of}
        flat |= {"starts": self.starts, "rows": self.rows}
        tables: dict[str, Mapping[Any, Tensor]] = {
            "streams": self.streams,
            "rests": self.rests,
            "keys": self.keys,
            "values": self.values,
            "grids": self.grids,
        }
        for name, table in tables.items():
            flat |= {f"{name}.{place}": tensor.cpu().contiguous() for place, tensor in table.items()}
        return flat

    @classmethod
    def of_tensors(cls, clip: Clip, flat: Mapping[str, Tensor], text: str) -> TextRun:
        """Return a run of the same model from its `tensors` and `words`; some sites and blocks may be missing."""
        tables: dict[str, dict[Any, Tensor]] = {"streams": {}, "rests": {}, "keys": {}, "values": {}, "grids": {}}
        for key, tensor in flat.items():
            name, _, place = key.partition(".")
            if name in tables:
                tables[name][int(place) if place.isdigit() else Site.parse(place)] = tensor.to(clip.device)
        words = tuple(tuple(line.split("\t")) if line else () for line in text.split("\n"))
        tokens = Tokens(flat["ids"], flat["eot"], words, flat["word_of"], 0)
        streams, rests, keys, values, grids = tables.values()
        return cls(clip, tokens, streams, rests, keys, values, grids, flat["starts"], flat["rows"])

    @classmethod
    def without_sites(cls, clip: Clip, tokens: Tokens) -> TextRun:
        """Return a run that holds the tokens alone; no text is run."""
        return cls(clip, tokens, {}, {}, {}, {}, {}, torch.zeros_like(tokens.eot), torch.arange(len(tokens)))

    def save(self, path: Path) -> None:
        """Write the tensors to one safetensors file; `load` maps it into memory, shared between processes."""
        from safetensors.torch import save_file

        save_file(self.tensors(), path, metadata={"words": self.words})

    @classmethod
    def load(cls, clip: Clip, path: Path) -> TextRun:
        """Load a run of the same model that `save` wrote."""
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return cls.of_tensors(clip, flat, file.metadata()["words"])


@dataclass(frozen=True, eq=False, repr=False)
class VisionRun:
    """Clean run of images, with everything that interventions at CLS need.

    Attributes:
        pixels: pixel values of all images that were run.
        streams: site -> value at CLS of every image, shape (all, d).
        rests: site -> rest of its block at CLS that `join` needs, shape (all, d); only sites that need one.
        grids: site -> stream at CLS and the patches after the site's block, shape (all, p, d).
        rows: images that this view holds.
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

    def __repr__(self) -> str:
        return f"VisionRun({inputs_at(len(self), 'image', self.clip, self.streams)})"

    def take(self, rows: Int[Tensor, " m"]) -> VisionRun:
        """See `CleanRun.take`."""
        return replace(self, rows=self.rows[rows])

    def stream(self, site: Site) -> Streams:
        """Return the value at a site; raise `SiteMismatch` if the run did not keep the site."""
        return at_site(self.streams, site)[self.rows]

    def push(self, site: Site, h: Float[Tensor, "n *c d"]) -> Float[Tensor, "n *c embed"]:
        """See `CleanRun.push`; raise `SiteMismatch` if the run did not keep the site."""
        if h.ndim == 3:
            return torch.stack([self.push(site, part) for part in h.unbind(1)], dim=1)
        patches = at_site(self.grids, site)[self.rows, 1:]
        tower = blocks(self.clip, "vision")
        h = joined(tower[site.block], site, self.rests.get(site), self.rows, h)
        hidden = torch.cat([h[:, None], patches], dim=1)
        for block in tower[site.layer :]:
            hidden, _, _ = run_block(block, hidden, causal=False)
        return embed_stream(self.clip, "vision", hidden[:, 0])

    def batches(self, size: int) -> list[Tensor]:
        """Return batches of images in their order."""
        return list(torch.arange(len(self)).split(size))


Run = TypeVar("Run", TextRun, VisionRun)


@no_gradients()
def clean_texts(
    clip: Clip,
    texts: Texts | Tokens,
    sites: Iterable[Site],
    *,
    batch_size: int = 64,
    on_batch: Callable[[int], object] = lambda _n: None,
) -> TextRun:
    """Run texts once, and keep the values at `sites` and the keys and values above the lowest site.

    For a tower that is not causal, the streams of all tokens after the sites' blocks are kept instead.

    Args:
        texts: a text, n texts, or their tokens.
        sites: sites in the text tower at which there may be interventions.
        on_batch: function that is called with the number of texts after each batch, for a progress bar.

    Raises:
        SiteError: the text tower has no such site.
        SiteMismatch: a site is in the vision tower.
        TypeError: one of the texts is not a string.
    """
    wanted = check_sites(clip, "text", sites)
    tokens = texts if isinstance(texts, Tokens) else tokenize(clip, texts)
    width, depth, device, dtype = clip.width("text"), clip.depth("text"), clip.device, clip.model.dtype
    causal, by_length = clip.family.causal("text"), torch.argsort(tokens.eot, stable=True)
    lengths = tokens.eot if causal else tokens.eot + 1  # number of tokens that are kept of each text
    starts = torch.empty_like(lengths)
    starts[by_length] = torch.cumsum(lengths[by_length], 0) - lengths[by_length]
    total = int(lengths.sum())
    taken = SiteValues(len(tokens), wanted, torch.empty(0, width, device=device, dtype=dtype))

    def room(numbers: Iterable[int]) -> dict[int, Tensor]:
        return {number: torch.empty(total, width, device=device, dtype=dtype) for number in numbers}

    above = range(wanted[0].layer, depth) if causal else ()
    cut = () if causal else {site.block for site in wanted if site.layer < depth}  # then only EOT is read
    keys, values, grids = room(above), room(above), room(cut)
    tower = text_blocks(clip)
    for rows in length_batches(tokens.eot, batch_size) if len(tokens) else ():
        batch = tokens.take(rows)
        layout = lay_out(clip, batch.ids, batch.eot)
        held = layout.places[torch.arange(batch.ids.shape[1]) < lengths[rows, None]].to(device)
        # Batches and texts are in order of length, as they are packed, so the kept rows form one slice.
        kept = slice(int(starts[rows[0]]), int(starts[rows[0]]) + len(held))
        for number, (parts, ends, k, v) in enumerate(run_texts(clip, batch.ids.to(device), layout, tower)):
            if number in keys:
                keys[number][kept], values[number][kept] = k[held], v[held]
            if number in grids:
                grids[number][kept] = parts.after[held]
            taken.put(number, rows.to(device), parts, ends)
        on_batch(len(rows))
    return TextRun(clip, tokens, taken.streams, taken.rests, keys, values, grids, starts, torch.arange(len(tokens)))


@no_gradients()
def clean_images(clip: Clip, images: Images, sites: Iterable[Site], *, batch_size: int = 32) -> VisionRun:
    """Run images once, and keep the values at `sites` and all positions' streams after their blocks.

    Args:
        images: paths, PIL images or arrays, as `interp.clip.inputs.as_images` takes them.
        sites: sites in the vision tower at which there may be interventions.

    Raises:
        SiteError: the vision tower has no such site.
        SiteMismatch: a site is in the text tower.
    """
    wanted = check_sites(clip, "vision", sites)
    several = list(as_images(images))
    pixels = torch.cat([pixel_values(clip, several[i : i + batch_size]) for i in range(0, len(several), batch_size)])
    empty = torch.empty(0, clip.width("vision"), device=clip.device, dtype=clip.model.dtype)
    taken = SiteValues(len(pixels), wanted, empty)
    grids: dict[int, list[Tensor]] = {site.block: [] for site in wanted}
    for rows in torch.arange(len(pixels)).split(batch_size):
        hidden = embed_patches(clip, pixels[rows])
        for number, block in enumerate(blocks(clip, "vision")):
            parts, _, _ = run_parts(block, hidden, causal=False)
            hidden = parts.after
            taken.put(number, rows, Parts(*(part[:, 0] for part in parts)), slice(None))
            if number in grids:
                grids[number].append(hidden)
    whole = {number: torch.cat(grid) for number, grid in grids.items()}
    by_site = {site: whole[site.block] for site in wanted}
    return VisionRun(clip, pixels, taken.streams, taken.rests, by_site, torch.arange(len(pixels)))
