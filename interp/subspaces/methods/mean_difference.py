"""Difference Delta of the kinds' mean streams: the direction in which the kinds differ on average."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import functional

from interp.measures import MethodName
from interp.subspaces.methods.method import Method, one_direction
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """Return the normalized difference of the kinds' mean train streams: one direction, regardless of the size."""
    positive, negative = train.kind_means
    return one_direction("means", functional.normalize(positive - negative, dim=0), train.site, sizes)


METHOD = Method(MethodName("means", "means", "difference in means"), fit)
