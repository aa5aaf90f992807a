"""Identification: comparison of Z with its best single direction."""

from __future__ import annotations

import numpy as np

from interp.data.contrast import DIRECTIONS, SIGN
from interp.measures import Key
from interp.stats import Estimate, ratio
from interp.subspaces.methods.lever import lever
from interp.subspaces.methods.method import basis_of
from interp.subspaces.outcomes import Outcomes
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import Rotation
from interp.subspaces.subspace import Subspace


def best_direction(train: PairsAtSite, subspace: Subspace) -> Rotation:
    """Return the direction of Z along which a swap moves the score most, to first order, as a rotation.

    The rotation has size 1, or size 0 if there is no such direction. If Z is curved, the direction is a direction of
    the stream that is tangent to Z.
    """
    return Rotation(basis_of(lever(train, subspace)).to(train.streams), subspace.site)


def single(outcomes: Outcomes, alone: Outcomes) -> dict[Key, Estimate]:
    """Return the share of the shift that remains if Z is replaced by its best direction, and the IIA of that direction.

    The shift is summed over both directions.

    Args:
        outcomes, alone: outcomes of Z and of `best_direction`, with the same sources.
    """
    whole, part = (sum(SIGN[way] * each.moves(way) for way in DIRECTIONS) for each in (outcomes, alone))
    shares = ratio(np.asarray(part), np.asarray(whole), outcomes.groups, outcomes.source_groups)
    return {Key("single_share"): shares, Key("single_iia"): Estimate(alone.iia(), alone.pairs)}
