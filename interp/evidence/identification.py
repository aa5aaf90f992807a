"""Identification: is it this subspace, of this size, that does it?"""

from __future__ import annotations

import numpy as np

from interp.clip.tensors import Basis, Float, Tensor
from interp.data.contrast import DIRECTIONS, SIGN
from interp.stats import ratio
from interp.subspaces.methods.lever import lever
from interp.subspaces.methods.method import basis_of
from interp.subspaces.outcomes import Outcomes
from interp.subspaces.pairs import PairsAtSite


def best_direction(train: PairsAtSite, basis: Basis) -> Float[Tensor, "d j"]:
    """Return the direction of Z along which a swap moves the score most, to first order; shape (d, 1), or (d, 0)."""
    return basis_of(lever(train, basis)).to(basis)


def single(found: Outcomes, alone: Outcomes) -> dict[str, float]:
    """Return the share of the shift, both directions, that is left if Z is replaced by its best direction alone; by
    column.

    Args:
        found, alone: outcomes of Z, and of `best_direction`, with the same sources.
    """
    whole, part = (sum(SIGN[way] * each.moves(way) for way in DIRECTIONS) for each in (found, alone))
    shares = ratio(np.asarray(part), np.asarray(whole), found.groups, found.source_groups)
    return shares.columns("single_share") | {"single_iia": alone.iia()}
