"""Uniformly random subspaces: what any subspace of that size would do.

They are drawn from a stream of their own: with a plain seed the first one would be the very start of the search.
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
    """One drawn from the settings' seed for each size."""
    width, device, seed = train.streams.shape[1], train.streams.device, own_seed(config.seed)
    draws = (random_basis(width, size, torch.Generator().manual_seed(seed)) for size in sizes)
    return [Rotation(basis.to(device), train.site, {"method": "random"}) for basis in draws]


def own_seed(seed: int) -> int:
    """Of the stream that control subspaces are drawn from; another one than that of a search with this seed."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


METHOD = Method(MethodName("random", "random", "random subspaces"), fit, repeats=20)
