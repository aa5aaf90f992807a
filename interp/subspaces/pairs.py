"""Pairs that a method is fitted on: clean runs at a site, and the choice of source texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.modes import gradients, ordinary
from interp.clip.sites import Site
from interp.clip.tensors import Embeddings, Float, Int, Streams, Tensor
from interp.drawing.markup import plural
from interp.subspaces.clean_run import CleanRun, clean_texts

Sources = Literal["random", "paired"]
Swap = Callable[[Streams, Streams], Streams]
RIDGE = 0.1  # share of the geometric mean of a covariance's eigenvalues that is added to each eigenvalue


@dataclass(frozen=True, eq=False, repr=False)
class PairRun:
    """Clean run of pairs: all positive texts, then all negative texts, and their images.

    Attributes:
        run: clean run of 2 n texts; row i is a positive text, row n + i the negative text of the same image.
        images: unit-norm image embeddings, shape (n, embed).
        logit_scale: factor from score to logit.
        groups: cluster of each pair for intervals, such as an article; by default each pair is a cluster.
        negative_images: embeddings for the negative texts, if they belong to other images than the positive texts.

    Raises:
        ValueError: there are not two texts for each image.
    """

    run: CleanRun
    images: Embeddings
    logit_scale: float
    groups: tuple[str, ...] = ()
    negative_images: Embeddings | None = None

    def __post_init__(self) -> None:
        if len(self.run) != 2 * len(self.images):
            raise ValueError(f"expected 2 texts for each of {len(self.images)} images, got {len(self.run)} texts")
        object.__setattr__(self, "images", ordinary(self.images))  # searches differentiate scores with them

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"PairRun({plural(len(self), 'pair')}, {self.run!r})"

    def take(self, rows: Int[Tensor, " m"]) -> PairRun:
        """Return the pairs in the given rows, in the order given."""
        groups = tuple(self.groups[i] for i in rows.tolist()) if self.groups else ()
        run = self.run.take(torch.cat([rows, rows + len(self)]))
        others = None if self.negative_images is None else self.negative_images[rows]
        return PairRun(run, self.images[rows], self.logit_scale, groups, others)

    @cached_property
    def targets(self) -> Embeddings:
        """Embedding of the image that each text of the run is scored with, shape (2 n, embed)."""
        return torch.cat([self.images, self.images if self.negative_images is None else self.negative_images])

    @property
    def clusters(self) -> tuple[str, ...]:
        """Group of each pair; without groups, each pair is its own group."""
        return self.groups or tuple(map(str, range(len(self))))


@dataclass(frozen=True, eq=False, repr=False)
class PairsAtSite:
    """Pairs, and the site at which Z is searched for.

    Attributes:
        pairs: clean run of the pairs, which kept the site.
    """

    pairs: PairRun
    site: Site

    def __len__(self) -> int:
        return len(self.pairs)

    def __repr__(self) -> str:
        return f"PairsAtSite({self.pairs!r}, {self.site})"

    @property
    def streams(self) -> Streams:
        """Values at the site, of all positive texts, then of all negative texts; shape (2 n, d)."""
        return self.pairs.run.stream(self.site)

    def check_size(self, size: int) -> None:
        """Raise `ValueError` unless a subspace of `size` directions fits the stream."""
        width = self.streams.shape[1]
        if not 0 <= size <= width:
            raise ValueError(f"size {size} does not fit: the stream at {self.site} has width {width}")

    @cached_property
    def clean(self) -> Float[Tensor, " m"]:
        """Scores of the unchanged negative texts, then positive texts, pushed from the site as counterfactuals are."""
        return clean_scores(self.pairs, self.site)

    @cached_property
    def gaps(self) -> Float[Tensor, " n"]:
        """Score of the positive text minus that of the negative text of each pair in the unchanged model, float64."""
        negative, positive = self.clean.double().reshape(2, -1)
        return positive - negative

    @cached_property
    def gap(self) -> float:
        """Mean of `gaps`, a cosine."""
        return float(self.gaps.mean())

    @cached_property
    def kind_means(self) -> tuple[Float[Tensor, " d"], Float[Tensor, " d"]]:
        """Mean streams of the positive and of the negative texts, float64."""
        positive, negative = self.streams.double().reshape(2, len(self), -1).mean(1)
        return positive, negative

    @property
    def midpoint(self) -> Float[Tensor, " d"]:
        """Stream halfway between the kinds' means, float64; as a value of Z it favours neither kind."""
        positive, negative = self.kind_means
        return (positive + negative) / 2

    @cached_property
    def whitening(self) -> Float[Tensor, "d d"]:
        """Inverse root S^(-1/2) of the streams' covariance S, regularized; see `whiten`."""
        return whiten(self.streams)

    @cached_property
    def mean_gradient(self) -> Float[Tensor, " d"]:
        """Gradient of the score with respect to the stream at the site, averaged over all texts, float64."""
        run, images = self.pairs.run, self.pairs.targets
        total = torch.zeros(self.streams.shape[1], dtype=torch.float64, device=images.device)
        with gradients():
            for rows in run.batches(256):
                h = self.streams[rows].clone().requires_grad_()
                scores = (run.take(rows).push(self.site, h) * images[rows].clone()).sum()
                total += torch.autograd.grad(scores, h)[0].double().sum(0)
        return total / len(run)


def pair_run(clip: Clip, features: EmbeddedPairs, sites: Iterable[Site]) -> PairRun:
    """Run all texts of the pairs, and return the clean run with their images.

    Args:
        sites: sites in the text tower at which there may be interventions.

    Raises:
        SiteError: the text tower has no such site.
        SiteMismatch: a site is in the vision tower.
    """
    run = clean_texts(clip, features.tokens_for(clip), sites)
    return PairRun(run, features.embeddings.to(clip.device), clip.logit_scale, features.groups)


def pairs_at(clip: Clip, features: EmbeddedPairs, site: Site) -> PairsAtSite:
    """Run all texts of the pairs, and return the pairs at one site.

    Raises:
        SiteError: the text tower has no such site.
        SiteMismatch: the site is in the vision tower.
    """
    return PairsAtSite(pair_run(clip, features, [site]), site)


def whiten(streams: Streams) -> Float[Tensor, "d d"]:
    """Return the symmetric matrix W for which h @ W has a covariance of about a multiple of 1, in the streams' dtype.

    W is the inverse square root of the covariance plus `RIDGE` times the geometric mean of its eigenvalues, scaled by
    the root of that mean. A geometric mean is robust to one direction of huge variance, as in real CLIP.

    Args:
        streams: streams, shape (n, d); n may be less than d.
    """
    centred = streams.double() - streams.double().mean(0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / max(1, len(centred)))
    varying = values[values > 1e-9 * values[-1]]
    mean = varying.log().mean().exp() if len(varying) else torch.ones((), dtype=torch.float64, device=values.device)
    scales = (mean / (values.clamp(min=0) + RIDGE * mean)).sqrt()
    return ((vectors * scales) @ vectors.T).to(streams)


def draw_sources(n: int, sources: Sources, generator: torch.Generator, groups: Sequence[str] = ()) -> Int[Tensor, " n"]:
    """Return for each pair the pair that its source text is taken from.

    With ``paired``, the source is the pair itself. With ``random``, the source is a pair of another group, and each
    pair serves as a source once. The pairs form a random ring, in which pairs that would serve their own group change
    places. If a group holds more than half of all pairs, this is impossible, and some pairs serve more than once. If
    there is only one group, its pairs serve each other.

    Args:
        groups: group of each pair, such as its article; by default each pair is its own group.

    Raises:
        ValueError: there are fewer than two pairs for random sources, or the kind of sources is unknown.
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
    return _exchange_sources(out, groups, generator) if groups else out


def _exchange_sources(
    source: Int[Tensor, " n"], groups: Sequence[str], generator: torch.Generator
) -> Int[Tensor, " n"]:
    """Return sources in which pairs with a source of their own group have exchanged sources with others."""
    numbers = torch.from_numpy(np.unique(np.asarray(groups), return_inverse=True)[1])
    for i in torch.nonzero(numbers[source] == numbers).flatten().tolist():
        if numbers[source[i]] != numbers[i]:  # corrected by an earlier exchange
            continue
        able = torch.nonzero((numbers[source] != numbers[i]) & (numbers != numbers[source[i]])).flatten()
        if len(able):
            j = able[torch.randint(len(able), (), generator=generator)]
            source[i], source[j] = source[j].clone(), source[i].clone()
        elif len(others := torch.nonzero(numbers != numbers[i]).flatten()):
            source[i] = others[torch.randint(len(others), (), generator=generator)]
    return source


def interventions(rows: Int[Tensor, " m"], source: Int[Tensor, " n"], *, within: bool = False) -> tuple[Tensor, Tensor]:
    """Return rows of base and source texts in a run of 2 n texts.

    The first bases are negative texts, which are given Z of positive texts. The reverse follows.

    Args:
        rows: rows of the pairs whose texts are changed.
        source: for each of all n pairs, the pair that its source text comes from.
        within: take sources of the base's own kind, so that negative texts are given Z of negative texts.
    """
    n = len(source)
    positive, negative = source[rows], source[rows] + n
    return torch.cat([rows + n, rows]), torch.cat([negative, positive] if within else [positive, negative])


@torch.inference_mode()
def clean_scores(pairs: PairRun, site: Site) -> Float[Tensor, " m"]:
    """Return scores of the unchanged negative texts, then positive texts, pushed from the site like counterfactuals."""
    rows, _ = interventions(torch.arange(len(pairs)), torch.arange(len(pairs)))
    run = pairs.run.take(rows)
    return push_scores(run, pairs.targets[rows], site, run.stream(site))


def push_all(run: CleanRun, site: Site, h: Streams, batch_size: int = 256) -> Embeddings:
    """Return the unit-norm embeddings that follow if the values at a site are `h`, in the run's order."""
    batches = run.batches(batch_size)
    out = torch.cat([run.take(rows).push(site, h[rows]) for rows in batches])
    return out[torch.argsort(torch.cat(batches)).to(out.device)]


def push_scores(
    run: CleanRun, images: Embeddings, site: Site, h: Float[Tensor, "m *c d"], batch_size: int = 256
) -> Float[Tensor, " m *c"]:
    """Return scores with the image of the same row if the values at the site are `h`, one value or c per row."""
    out = torch.empty(h.shape[:-1], dtype=images.dtype, device=images.device)
    for rows in run.batches(batch_size):
        targets = images[rows].view(len(rows), *[1] * (h.ndim - 2), -1)
        out[rows] = (run.take(rows).push(site, h[rows]) * targets).sum(-1)
    return out
