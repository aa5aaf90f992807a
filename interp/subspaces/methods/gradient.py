"""Mean gradient g of the score at the site: the direction that moves scores most, regardless of the texts."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from interp.measures import MethodName
from interp.subspaces.methods.method import Method, one_direction
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """Return the mean gradient over all train texts, each with its own image: one direction, regardless of the size."""
    return one_direction("gradient", functional.normalize(train.mean_gradient, dim=0), train.site, sizes)


METHOD = Method(MethodName("gradient", "grad", "mean gradient of the score"), fit)
