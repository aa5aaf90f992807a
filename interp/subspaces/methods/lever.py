"""u*: the lever, one direction in closed form through which the score can be steered whether or not a model uses it.

With Delta the difference of the kinds' mean streams and g the mean gradient of the score, a swap along a unit vector u
moves the score by (g.u)(u.Delta) on average, to first order. That is largest for u* = Delta/|Delta| + g/|g|, of norm 1:
half of it tells the kinds apart, the other half moves scores. Where both exist, a high IIA needs no more than this;
Makelov, Lange & Nanda (2023, arXiv 2311.17030) show how such subspaces mislead.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from interp.clip.tensors import Basis, Float, Tensor
from interp.measures import MethodName
from interp.subspaces.methods.method import Method, one_direction
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig


def lever(train: PairsAtSite, basis: Basis | None = None) -> Float[Tensor, " d"]:
    """The unit vector along which a swap moves the score most, to first order; float64.

    Args:
        train: pairs whose mean streams and gradients are taken.
        basis: look only within the subspace of this orthonormal basis, shape (d, k).
    """
    positive, negative = train.kind_means
    parts = positive - negative, train.mean_gradient
    if basis is not None:
        wide = basis.to(parts[0])
        parts = wide @ (wide.T @ parts[0]), wide @ (wide.T @ parts[1])
    difference, gradient = (functional.normalize(part, dim=0) for part in parts)
    return functional.normalize(difference + gradient, dim=0)


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """The lever of the train pairs: a single direction, whatever the size."""
    return one_direction("lever", lever(train), train.site, sizes)


METHOD = Method(MethodName("lever", "lever", "lever in closed form"), fit)
