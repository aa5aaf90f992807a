"""Masked DAS: a rotation together with a mask that learns how many of its directions are needed.

The interchange is that of Boundless DAS (Wu et al. 2023, arXiv 2305.08809), whose mask keeps the columns before one
learned boundary. Here each direction has its own logit, as in pyvene's `SigmoidMaskRotatedSpaceIntervention`, and the
temperature falls during the search. The two masks are equally good. In 72 searches for 1, 3 or 6 planted directions,
this mask finds exactly these directions, within 5 degrees, in 61 searches with 300 steps and in all searches with 600
steps. A boundary finds them in 60 searches with 300 steps and in 71 with 600. However, logits assume no order of the
directions, and their temperature does not depend on the number of columns.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.clip.sites import Site
from interp.clip.tensors import Basis, Bool, Float, Streams, Tensor
from interp.measures import MethodName
from interp.subspaces.methods.das import unwhitened
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, orthonormal, random_basis
from interp.subspaces.search import SearchConfig, search

PRICE = 0.01  # nats by which a direction must lower the loss to be kept
START = 0.3  # initial value of every logit: all directions are in, with a mask of 0.62
_TEMPERATURES = (0.6, 0.12)  # first and last, in the unit of logits, which Adam moves by at most 0.03 a step
_ANNEALED = 0.75  # share of `max_steps` after which the temperature is constant


class MaskedSpan:
    """Orthonormalized columns of W V, with V a free d x k matrix and W a fixed one, and their logits; a `Candidate`."""

    def __init__(self, whitening: Float[Tensor, "d d"], size: int, seed: int) -> None:
        """Start from a random basis that depends on the seed alone, the same basis as for DAS.

        Args:
            whitening: W, the coordinates in which Adam moves.
        """
        self.whitening = whitening
        start = random_basis(len(whitening), size, torch.Generator().manual_seed(seed)).to(whitening)
        self.free = start.clone().requires_grad_()
        self.logits = torch.full((size,), START, device=whitening.device, requires_grad=True)
        self.parameters: Sequence[Tensor] = [self.free, self.logits] if size else []
        self.temperature = _TEMPERATURES[0]

    def at(self, progress: float) -> bool:
        """Lower the temperature geometrically, and return whether it has reached its last value."""
        first, last = _TEMPERATURES
        self.temperature = first * (last / first) ** min(progress / _ANNEALED, 1.0)
        return progress >= _ANNEALED

    def mask(self) -> Float[Tensor, " k"]:
        """Return the share of each direction that is swapped, from 0 to 1."""
        return torch.sigmoid(self.logits / self.temperature)

    def swap(self, base: Streams, source: Streams) -> Streams:
        """Return the interchange, in which each direction is swapped to the extent of its mask."""
        return swap_masked(base, source, orthonormal(unwhitened(self.whitening, self.free)), self.mask())

    def penalty(self) -> Tensor:
        """Return the price of the expected number of directions, in nats."""
        return PRICE * self.mask().sum()

    def kept(self) -> Bool[Tensor, " k"]:
        """Return for each direction whether it is kept, that is, whether its mask is above one half."""
        return self.logits.detach() > 0

    def subspace(self, site: Site) -> Rotation:
        """Return the kept directions as a rotation: at most k, and possibly none."""
        return Rotation(orthonormal(unwhitened(self.whitening, self.free.detach()))[:, self.kept()], site)

    def cost(self) -> float:
        """Return the price of the kept directions, in nats, so that the smaller of two equally good subspaces wins."""
        return PRICE * int(self.kept().sum())


def swap_masked(base: Streams, source: Streams, basis: Basis, mask: Float[Tensor, " k"]) -> Streams:
    """Return base streams whose directions take a share of the values that they have in the source streams.

    h <- h_base + R diag(m) R' (h_source - h_base): the interchange of Wu et al. 2023, within k of the d directions. The
    computation has the precision of the basis, since autocast is disabled.
    """
    with torch.autocast(base.device.type, enabled=False):
        inside = (source - base).to(basis) @ basis
        return base + ((inside * mask) @ basis.T).to(base)


def fit(train: PairsAtSite, val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """Return for each size k a rotation of at most k directions, as many as are worth their price.

    Facts are those of DAS, and the number of kept `directions` out of `candidates`. No reported loss includes the
    price.

    Raises:
        UserError: a loss is not a number.
    """
    starts = [[MaskedSpan(train.whitening, size, seed) for seed in config.starts()] for size in sizes]
    rotations = search("masked-das", train, val, starts, config)
    return [
        rotation.with_facts(rotation.facts | {"directions": rotation.size, "candidates": size})
        for rotation, size in zip(rotations, sizes, strict=True)
    ]


METHOD = Method(MethodName("masked-das", "masked", "subspace found by masked DAS"), fit, searched=True)
