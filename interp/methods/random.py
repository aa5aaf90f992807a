"""Uniformly random subspaces: what any subspace of that size would do."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from interp.interventions.rotation import Rotation, random_basis
from interp.measures import MethodName
from interp.methods.method import Method
from interp.methods.pairs import PairsAtSite
from interp.methods.search import SearchConfig


def fit(train: PairsAtSite, _val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """One drawn from the settings' seed for each size."""
    width, device = train.streams.shape[1], train.streams.device
    draws = (random_basis(width, size, torch.Generator().manual_seed(config.seed)) for size in sizes)
    return [Rotation(basis.to(device), train.site, {"method": "random"}) for basis in draws]


METHOD = Method(MethodName("random", "random", "random, mean of three"), fit, repeats=3)
