"""Subspaces that need no search, to compare with one that was found."""

from __future__ import annotations

import torch
from torch.nn import functional

from interp.interventions.rotation import orthonormal, random_basis
from interp.methods.das import PairRun
from interp.tensors import Basis

BASELINES = ("pca", "means", "random")


def baseline_basis(kind: str, train: PairRun, layer: int, size: int, *, seed: int = 0) -> Basis:
    """A subspace of the same size that needs no search.

    Args:
        kind: ``pca`` (principal components of all train streams at the site), ``means`` (the difference of the mean
            positive and the mean negative text, completed by the principal components of what is left), or ``random``.

    Raises:
        ValueError: unknown kind.
    """
    streams = train.run.stream(layer).double()
    width, device = streams.shape[1], streams.device
    if kind == "random":
        return random_basis(width, size, torch.Generator().manual_seed(seed)).to(device)
    centred = streams - streams.mean(0)
    first = torch.zeros(width, 0, dtype=torch.float64, device=device)
    if kind == "means":
        difference = streams[: len(train)].mean(0) - streams[len(train) :].mean(0)
        first = functional.normalize(difference, dim=0)[:, None][:, :size]
        centred = centred - (centred @ first) @ first.T
    elif kind != "pca":
        raise ValueError(f"unknown baseline '{kind}'; known: {', '.join(BASELINES)}")
    # eigh orders ascending; a full basis comes out even where there are fewer texts than dimensions.
    _, vectors = torch.linalg.eigh(centred.T @ centred)
    rest = vectors.flip(1)[:, : size - first.shape[1]]
    return orthonormal(torch.cat([first, rest], dim=1)).float()
