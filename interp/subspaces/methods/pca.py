"""Principal components of the streams at the site: the directions in which texts differ most, regardless of kind."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.clip.tensors import Float, Tensor
from interp.measures import MethodName
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, orthonormal
from interp.subspaces.search import SearchConfig


def components(centred: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Return the principal components of centred rows, the largest first; a full basis even for fewer than d rows."""
    _, vectors = torch.linalg.eigh(centred.T @ centred)  # ascending
    return vectors.flip(1)


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], _config: SearchConfig) -> list[Rotation]:
    """Return the first components of all train streams, computed in float64."""
    streams = train.streams.double()
    vectors = components(streams - streams.mean(0))
    return [Rotation(orthonormal(vectors[:, :size]).float(), train.site, {"method": "pca"}) for size in sizes]


METHOD = Method(MethodName("pca", "pca", "principal components"), fit)
