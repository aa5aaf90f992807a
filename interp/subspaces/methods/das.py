"""Distributed alignment search (Geiger et al. 2024): the span of a free matrix is the subspace Z."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from interp.clip.sites import Site
from interp.clip.tensors import Float, Streams, Tensor
from interp.measures import MethodName
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import Rotation, orthonormal, random_basis, swap_span
from interp.subspaces.search import SearchConfig, search


class Span:
    """Span of W V, with V a free d x k matrix and W a fixed one, orthonormalized by QR if needed. A `Candidate`."""

    def __init__(self, whitening: Float[Tensor, "d d"], size: int, seed: int) -> None:
        """Start from a random basis that depends on the seed alone.

        Args:
            whitening: W, the coordinates in which Adam moves.
        """
        width = len(whitening)
        start = random_basis(width, size, torch.Generator().manual_seed(seed)).to(whitening)
        self.whitening = whitening
        self.free = start.clone().requires_grad_()
        self.parameters: Sequence[Tensor] = [self.free] if 0 < size < width else []  # otherwise Z is unique

    def at(self, _progress: float) -> bool:
        """Return True, since there is no schedule."""
        return True

    def swap(self, base: Streams, source: Streams) -> Streams:
        """Return the base streams with Z of the source streams, where Z is the present span."""
        return swap_span(base, source, unwhitened(self.whitening, self.free))

    def penalty(self) -> None:
        """Return None, since there is no penalty."""

    def subspace(self, site: Site) -> Rotation:
        """Return the span as a rotation."""
        return Rotation(orthonormal(unwhitened(self.whitening, self.free.detach())), site)

    def cost(self) -> float:
        """Return 0, since subspaces have no cost."""
        return 0.0


def unwhitened(whitening: Float[Tensor, "d d"], free: Float[Tensor, "d k"]) -> Float[Tensor, "d k"]:
    """Return W V, in full precision even under autocast."""
    with torch.autocast(free.device.type, enabled=False):
        return whitening @ free


def spans(train: PairsAtSite, size: int, config: SearchConfig) -> list[Span]:
    """Return the starts of a search for `size` directions; a single start if there is nothing to search."""
    starts = [Span(train.whitening, size, seed) for seed in config.starts()]
    return starts if starts[0].parameters else starts[:1]


def fit(train: PairsAtSite, val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """Return the rotation of each size that minimizes the IIT-DAS loss, with the model frozen; sizes run side by side.

    Raises:
        UserError: a loss is not a number.
    """
    return search("das", train, val, [spans(train, size, config) for size in sizes], config)


def train_das(
    train: PairRun,
    val: PairRun,
    site: Site,
    size: int,
    config: SearchConfig | None = None,
    *,
    on_look: Callable[[int, float], None] | None = None,
) -> Rotation:
    """Search for the rotation of `size` directions that minimizes the IIT-DAS loss, with the model frozen.

    Args:
        train: clean run of the pairs that the search uses; the run kept the site.
        val: clean run of the pairs that the search is evaluated on; the run kept the site.
        size: k, from 0 (nothing to search) to d.
        on_look: function that is called, after each evaluation, with the step and the lowest loss on `val` so far, in
            nats.

    Returns:
        The rotation; its facts report whether the search has converged (see `interp.subspaces.search.search`).

    Raises:
        ValueError: the size does not fit the stream.
        UserError: the loss is not a number.
    """
    config, part = config or SearchConfig(), PairsAtSite(train, site)
    part.check_size(size)
    return search("das", part, PairsAtSite(val, site), [spans(part, size, config)], config, on_look=on_look)[0]


METHOD = Method(MethodName("das", "das", "subspace found by DAS"), fit, searched=True)
