"""u*: the lever, one direction in closed form through which the score can be steered whether or not a model uses it.

With Delta the difference of the kinds' mean streams and g the mean gradient of the score, a swap along a unit vector u
moves the score by (g.u)(u.Delta) on average, to first order. That is largest for u* = Delta/|Delta| + g/|g|, of norm 1:
half of it tells the kinds apart, the other half moves scores. Where both exist, a high IIA needs no more than this;
Makelov, Lange & Nanda (2023, arXiv 2311.17030) show how such subspaces mislead.
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
        subspace: look only within this subspace: at what of the difference a swap of Z between the kinds' means moves,
            and at what of the gradient passes through Z half way between them.
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
    """Return the lever of the train pairs: a single direction, whatever the size."""
    return one_direction("lever", lever(train), train.site, sizes)


METHOD = Method(MethodName("lever", "lever", "lever in closed form"), fit)
