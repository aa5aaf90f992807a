"""Uniformly random subspaces, which show the effect of an arbitrary subspace of the same size.

These subspaces have a separate stream of random numbers. With the plain seed, the first subspace would be the start of
the search.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from interp.measures import MethodName
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation, random_basis
from interp.subspaces.search import SearchConfig


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """Return one subspace for each size, drawn with the settings' seed."""
    width, device, seed = train.streams.shape[1], train.streams.device, own_seed(config.seed)
    draws = (random_basis(width, size, torch.Generator().manual_seed(seed)) for size in sizes)
    return [Rotation(basis.to(device), train.site, {"method": "random"}) for basis in draws]


def own_seed(seed: int) -> int:
    """Return the seed of control subspaces, which differs from that of a search with this seed."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


METHOD = Method(MethodName("random", "random", "random subspaces"), fit, repeats=20)
