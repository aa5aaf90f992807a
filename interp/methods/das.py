"""Distributed alignment search (Geiger et al. 2024): the span of a free matrix is the subspace Z."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from interp.clip.sites import Site
from interp.interventions.rotation import Rotation, orthonormal, random_basis, swap_span
from interp.measures import MethodName
from interp.methods.method import Method
from interp.methods.pairs import PairRun, PairsAtSite
from interp.methods.search import SearchConfig, search
from interp.tensors import Basis, Streams, Tensor


class Span:
    """The span of a free d x k matrix, orthonormalized by QR where a basis is needed; a `Candidate`."""

    def __init__(self, width: int, size: int, seed: int, device: torch.device) -> None:
        """Start from a random basis that depends on the seed alone."""
        start = random_basis(width, size, torch.Generator().manual_seed(seed)).to(device)
        self.free = start.clone().requires_grad_()
        self.parameters: Sequence[Tensor] = [self.free] if size else []

    def at(self, _progress: float) -> bool:
        """There is no schedule: it has always ended."""
        return True

    def swap(self, base: Streams, source: Streams) -> Streams:
        """The interchange in the span as it is now."""
        return swap_span(base, source, self.free)

    def penalty(self) -> None:
        """There is none."""

    def basis(self) -> Basis:
        """The orthonormal basis of the span."""
        return orthonormal(self.free.detach())

    def cost(self) -> float:
        """There is none."""
        return 0.0


def fit(train: PairsAtSite, val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """The rotation of each size that minimizes the IIT-DAS loss, the model frozen; searched side by side.

    Raises:
        UserError: a loss is not a number.
    """
    width, device = train.streams.shape[1], train.pairs.images.device
    return search("das", train, val, [Span(width, size, config.seed, device) for size in sizes], config)


def train_das(
    train: PairRun, val: PairRun, site: Site, size: int, config: SearchConfig | None = None,
    *, on_look: Callable[[int, float], None] | None = None,
) -> Rotation:  # fmt: skip
    """Search for the rotation of `size` directions that minimizes the IIT-DAS loss, the model frozen.

    Args:
        train: clean run of the pairs to search with, which kept the site's layer.
        val: of those that the search is judged by, likewise.
        size: k, from 0 (nothing to search) to d.
        on_look: called with the step and the loss on `val`, in nats, after each look.

    Returns:
        The rotation; its facts hold the configuration, the steps taken and the history of looks.

    Raises:
        ValueError: the size does not fit the stream.
        UserError: the loss is not a number.
    """
    config, known = config or SearchConfig(), PairsAtSite(train, site)
    known.check_size(size)

    def looked(_number: int, step: int, loss: float) -> None:
        if on_look is not None:
            on_look(step, loss)

    span = Span(known.streams.shape[1], size, config.seed, train.images.device)
    return search("das", known, PairsAtSite(val, site), [span], config, on_look=looked)[0]


METHOD = Method(MethodName("das", "das", "subspace found by DAS"), fit, searched=True)
