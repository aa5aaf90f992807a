"""Interface of methods that find a subspace. Each method is one file in this folder and one line in the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from interp.clip.sites import Site
from interp.clip.tensors import Float, Tensor
from interp.measures import MethodName
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace

Fit = Callable[[PairsAtSite, PairsAtSite, Sequence[int], SearchConfig], Sequence[Subspace]]


def one_direction(key: str, direction: Float[Tensor, " d"], site: Site, sizes: Sequence[int]) -> list[Rotation]:
    """Return for each size a rotation of one direction; it is empty if the size is 0 or there is no direction.

    Args:
        key: key of the method.
        direction: vector of norm 1, or 0 if there is no direction.
    """
    column = basis_of(direction).float()
    return [Rotation(column[:, :size].contiguous(), site, {"method": key}) for size in sizes]


def basis_of(direction: Float[Tensor, " d"]) -> Float[Tensor, "d j"]:
    """Return the basis of a direction of norm 1, shape (d, 1), or the empty basis for 0, shape (d, 0)."""
    return direction[:, None] if direction.norm() > 0.5 else direction[:, None][:, :0]


@dataclass(frozen=True)
class Method:
    """Method that finds a subspace.

    Attributes:
        name: key and title of the method.
        fit: function from pairs to train on, pairs to validate on, sizes k and settings, whose seed it must respect, to
            a subspace for each size. A subspace may have fewer directions than k, never more.
        repeats: number of subspaces whose mean is reported if the method is a control.
        searched: True if `fit` searches step by step; otherwise it computes or draws, which takes negligible time.
    """

    name: MethodName
    fit: Fit
    repeats: int = 1
    searched: bool = False

    def seeds(self, seed: int) -> list[int]:
        """Return the seed of each repetition in a cell with this seed; cells with different seeds share no seed."""
        return [seed * self.repeats + number for number in range(self.repeats)]

    def controls(self, train: PairsAtSite, val: PairsAtSite, size: int, config: SearchConfig) -> list[Subspace]:
        """Return the subspaces of the method as a control of a cell; the settings have the seed of the cell."""
        fits = (self.fit(train, val, [size], replace(config, seed=seed)) for seed in self.seeds(config.seed))
        return [subspace for (subspace,) in fits]
