"""What a method is fitted on: clean runs of pairs at a site, and which text lends its Z to which."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.interventions.clean_run import CleanRun, clean_texts
from interp.tensors import Embeddings, Float, Int, Streams, Tensor

Sources = Literal["random", "paired"]


@dataclass(frozen=True, eq=False)
class PairRun:
    """The clean run of pairs: all positive texts, then all negative ones, and their images.

    Attributes:
        run: clean run of 2 n texts; row i is a positive text, row n + i the negative one of the same image.
        images: unit-norm image embeddings, shape (n, embed).
        logit_scale: factor from score to logit.
        groups: for each pair what bootstraps must resample together; by default each on its own.

    Raises:
        ValueError: there are not two texts for each image.
    """

    run: CleanRun
    images: Embeddings
    logit_scale: float
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.run) != 2 * len(self.images):
            raise ValueError(f"expected 2 texts for each of {len(self.images)} images, got {len(self.run)} texts")

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Int[Tensor, " m"]) -> PairRun:
        """Some of the pairs, in the order given."""
        groups = tuple(self.groups[i] for i in rows.tolist()) if self.groups else ()
        return PairRun(self.run.take(torch.cat([rows, rows + len(self)])), self.images[rows], self.logit_scale, groups)

    @property
    def clusters(self) -> tuple[str, ...]:
        """The group of each pair; if none are known, each pair is its own."""
        return self.groups or tuple(map(str, range(len(self))))


@dataclass(frozen=True, eq=False)
class PairsAtSite:
    """Pairs, and the site at which Z is looked for.

    Attributes:
        pairs: a clean run that kept the site's layer.
    """

    pairs: PairRun
    site: Site

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def streams(self) -> Streams:
        """At the site, of all positive texts, then of all negative ones; shape (2 n, d)."""
        return self.pairs.run.stream(self.site.layer)

    def check_size(self, size: int) -> None:
        """Raise `ValueError` unless a subspace of so many directions fits the stream."""
        width = self.streams.shape[1]
        if not 0 <= size <= width:
            raise ValueError(f"size {size} does not fit: the stream at {self.site} has width {width}")

    @cached_property
    def clean(self) -> Float[Tensor, " m"]:
        """Scores of the unchanged negative texts, then positive ones: pushed from the site as counterfactuals are."""
        return clean_scores(self.pairs, self.site)


def pair_run(clip: Clip, features: EmbeddedPairs, layers: Iterable[int]) -> PairRun:
    """The clean run of all texts of some pairs, with their images.

    Args:
        layers: of the text tower, counted from 1, at which there may be interventions.

    Raises:
        SiteError: the text tower has no such layer.
    """
    run = clean_texts(clip, features.texts, layers)
    return PairRun(run, features.embeddings.to(clip.device), clip.logit_scale, features.groups)


def draw_sources(n: int, sources: Sources, generator: torch.Generator) -> Int[Tensor, " n"]:
    """For each pair the pair that its source text is taken from.

    ``paired``: its own. ``random``: another one, each serving once (a cyclic shift of a random order).

    Raises:
        ValueError: random sources of fewer than two pairs, or an unknown kind.
    """
    if sources == "paired":
        return torch.arange(n)
    if sources != "random":
        raise ValueError(f"unknown sources '{sources}'; known: random, paired")
    if n < 2:
        raise ValueError(f"random sources need at least 2 pairs, got {n}")
    order = torch.randperm(n, generator=generator)
    out = torch.empty(n, dtype=torch.long)
    out[order] = order.roll(1)
    return out


def interventions(rows: Int[Tensor, " m"], source: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    """Rows of base and source texts in a run of 2 n: negative texts given Z of positive ones, then the reverse.

    Args:
        rows: the pairs whose texts are changed.
        source: for each of all n pairs the one that its source text comes from.
    """
    n = len(source)
    return torch.cat([rows + n, rows]), torch.cat([source[rows], source[rows] + n])


@torch.inference_mode()
def clean_scores(pairs: PairRun, site: Site) -> Float[Tensor, " m"]:
    """Scores of the unchanged negative texts, then positive ones: pushed from the site as counterfactuals are."""
    run = pairs.run.take(interventions(torch.arange(len(pairs)), torch.arange(len(pairs)))[0])
    return push_scores(run, pairs.images.repeat(2, 1), site, run.stream(site.layer))


def push_scores(
    run: CleanRun, images: Embeddings, site: Site, h: Streams, batch_size: int = 256
) -> Float[Tensor, " m"]:
    """Scores with the image of the same row if the streams at the site are `h`, shape (m, d)."""
    out = torch.empty(len(run), dtype=images.dtype, device=images.device)
    for rows in run.batches(batch_size):
        out[rows] = (run.take(rows).push(site.layer, h[rows]) * images[rows]).sum(-1)
    return out
