"""Lever u*: one direction in closed form through which the score can be steered, whether or not a model uses it.

With Delta the difference of the kinds' mean streams and g the mean gradient of the score, a swap along a unit vector u
moves the score by (g.u)(u.Delta) on average, to first order. This is largest for u* = Delta/|Delta| + g/|g|, scaled to
norm 1. Half of u* separates the kinds, and the other half moves scores. If Delta and g exist, u* alone reaches a high
IIA. Makelov, Lange & Nanda (2023, arXiv 2311.17030) show how subspaces of this kind mislead.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from interp.clip.tensors import Float, Tensor
from interp.measures import MethodName
from interp.subspaces.methods.method import Method, one_direction
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace, pulled


def lever(train: PairsAtSite, subspace: Subspace | None = None) -> Float[Tensor, " d"]:
    """Return the unit vector along which a swap moves the score most, to first order; float64.

    Args:
        train: pairs whose mean streams and gradients are taken.
        subspace: subspace to stay within. The difference is then the move that a swap of Z between the kinds' means
            makes. The gradient is then the part that passes through Z halfway between the means.
    """
    positive, negative = train.kind_means
    parts = positive - negative, train.mean_gradient
    if subspace is not None:
        middle = ((positive + negative) / 2)[None]
        moved = subspace.swap(negative[None], positive[None])[0] - negative
        parts = moved, pulled(subspace, middle, parts[1][None])[0]
    difference, gradient = (functional.normalize(part, dim=0) for part in parts)
    return functional.normalize(difference + gradient, dim=0)


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """Return the lever of the train pairs: one direction, regardless of the size."""
    return one_direction("lever", lever(train), train.site, sizes)


METHOD = Method(MethodName("lever", "lever", "lever in closed form"), fit)
