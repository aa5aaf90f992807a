"""What every way to find a subspace has in common. A method is a file of this folder and a line in its registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interp.interventions.rotation import Rotation
from interp.measures import MethodName
from interp.methods.pairs import PairsAtSite
from interp.methods.search import SearchConfig

Fit = Callable[[PairsAtSite, PairsAtSite, Sequence[int], SearchConfig], list[Rotation]]


@dataclass(frozen=True)
class Method:
    """A way to find the rotation of a subspace.

    Attributes:
        name: what it is called.
        fit: from pairs to train on, pairs to validate on, sizes k and settings, whose seed it must heed, to a
            rotation for each size. It may find fewer directions than k, never more.
        repeats: subspaces of which the mean is reported where the method is a control.
    """

    name: MethodName
    fit: Fit
    repeats: int = 1

    def seeds(self, seed: int) -> list[int]:
        """The seed of each repetition in a cell of this seed; no two cells of different seeds share one."""
        return [seed * self.repeats + number for number in range(self.repeats)]
