"""The difference of the kinds' mean streams, completed to any size by principal components of what is left."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch.nn import functional

from interp.interventions.rotation import Rotation, orthonormal
from interp.measures import MethodName
from interp.methods.method import Method
from interp.methods.pairs import PairsAtSite
from interp.methods.pca import components
from interp.methods.search import SearchConfig


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """Mean positive minus mean negative train stream first, then components; computed in float64."""
    streams, n = train.streams.double(), len(train)
    difference = functional.normalize(streams[:n].mean(0) - streams[n:].mean(0), dim=0)[:, None]
    centred = streams - streams.mean(0)
    rest = components(centred - (centred @ difference) @ difference.T)
    bases = [orthonormal(torch.cat([difference, rest], dim=1)[:, :size]).float() for size in sizes]
    return [Rotation(basis, train.site, {"method": "means"}) for basis in bases]


METHOD = Method(MethodName("means", "means", "difference in means"), fit)
