"""Necessity: is the preference gone when Z says nothing of the kind, and only the preference?

Z of every text is set to one neutral value. What is left of the preference then says little alone: where later blocks
read the kind from other positions, or where a large Z holds most of what a text says, a neutral value may destroy the
preference together with everything else. So three things stand next to it: how much a neutral value of other subspaces
of this size leaves, how much retrieval it leaves, and whether the gap survives where Z is taken from another text of
the same kind, which changes everything in Z but the kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from interp.clip.tensors import Float, Tensor
from interp.evidence.calibration import moves_nothing
from interp.evidence.specificity import retrieval_hits
from interp.measures import Key
from interp.stats import Estimate, clustered_mean, clustered_share, preference, ratio, settled
from interp.subspaces.outcomes import Outcomes
from interp.subspaces.pairs import PairsAtSite, push_all, push_scores
from interp.subspaces.subspace import Subspace


@dataclass(frozen=True)
class Neutral:
    """Scores of n pairs whose texts all have the same Z.

    Attributes:
        positive, negative: length n.
    """

    positive: np.ndarray
    negative: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Score of the positive text minus that of the negative one, length n; 0 where both are the same but for
        rounding: if Z is all that the score is read from, both texts have the same one."""
        return settled(np.subtract(self.positive, self.negative, dtype=np.float64))


def neutralize(part: PairsAtSite, subspace: Subspace, value: Float[Tensor, " d"]) -> Neutral:
    """Set Z of every text to its value in one stream, and leave the rest.

    Args:
        value: a stream at the site.
    """
    return neutralize_all(part, [subspace], value)[0]


@torch.inference_mode()
def neutralize_all(part: PairsAtSite, subspaces: Sequence[Subspace], value: Float[Tensor, " d"]) -> list[Neutral]:
    """Neutralize several subspaces, each on its own; all pass the model side by side."""
    own = part.streams
    h = torch.stack([subspace.neutral(own, value) for subspace in subspaces], dim=1)
    scores = push_scores(part.pairs.run, part.pairs.targets, part.site, h).cpu().numpy()
    return [Neutral(*scores[:, number].reshape(2, -1)) for number in range(len(subspaces))]


def necessity(part: PairsAtSite, found: Neutral) -> dict[Key, Estimate]:
    """Return preference accuracy and gap with a neutral Z, and the share that is left of the gap and of what the
    preference exceeds 50 % by; with intervals.

    If the preference is in Z, they are chance and 0. A gap that has changed its sign leaves a negative share.
    """
    groups, gaps = np.asarray(part.pairs.clusters), part.gaps.cpu().numpy()
    negative, positive = part.clean.cpu().numpy().reshape(2, -1)
    hits, clean = preference(found.positive, found.negative), preference(positive, negative)
    return {
        Key("neutral_preference"): clustered_share(hits, groups),
        Key("neutral_gap"): clustered_mean(found.gaps, groups),
        Key("gap_left"): _share_left(found.gaps, gaps, groups),
        Key("preference_left"): _share_left(hits - 0.5, clean - 0.5, groups),
    }


def _share_left(after: np.ndarray, before: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the ratio of two means of the same units; exact where nothing is left, or all of it."""
    for share in (0.0, 1.0):
        if before.any() and not settled(after - share * before).any():
            return Estimate(share, len(after), share, share)
    return ratio(after, before, groups)


def kept_within(within: Outcomes) -> Estimate:
    """Return the share of the gap that is kept where both texts of a pair have Z of other texts of their own kinds.

    About 1 if Z says of a text which kind it is, and the rest goes around Z. 0 if Z alone says nothing: where the kind
    is in a combination of Z and the rest, any exchange of Z loses it, a neutral value included.

    Args:
        within: outcomes of swaps within a kind.
    """
    if moves_nothing(within):
        return Estimate(1.0, within.pairs, 1.0, 1.0)
    draws = len(within.groups) // within.pairs
    gaps = np.tile(within.gaps().astype(np.float64), draws)
    return ratio(gaps + within.moves("down") - within.moves("up"), gaps, within.groups, within.source_groups)


def beyond_controls(
    part: PairsAtSite, found: Neutral, controls: Mapping[str, Sequence[Neutral]]
) -> dict[Key, Estimate]:
    """Return by how much a neutral Z leaves less of the gap, in either sign, than neutral controls.

    Args:
        controls: key of a control -> outcomes with its subspaces neutral, of which the mean is taken.

    Returns:
        The difference for each control, as a share of the gap, paired over pairs.
    """
    groups, gaps = np.asarray(part.pairs.clusters), part.gaps.cpu().numpy()
    own = _towards_zero(found)
    out: dict[Key, Estimate] = {}
    for name, others in controls.items():
        left = np.mean([_towards_zero(other) for other in others], axis=0)
        less = settled(left - own)
        out[Key("left_below", name)] = ratio(less, gaps, groups) if less.any() else Estimate(0.0, len(own), 0.0, 0.0)
    return out


def _towards_zero(neutral: Neutral) -> np.ndarray:
    """Return the gaps with the sign for which their mean is not negative."""
    return neutral.gaps * (-1.0 if neutral.gaps.mean() < 0 else 1.0)


@torch.inference_mode()
def retrieval_left(part: PairsAtSite, subspace: Subspace, value: Float[Tensor, " d"]) -> Estimate:
    """Return the share of retrieval above chance that is left with a neutral Z; NaN where the unchanged texts are not
    above chance.

    Each text is to find its own image among `interp.evidence.specificity.AMONG`.
    """
    own, n = part.streams, len(part)
    groups = np.tile(np.asarray(part.pairs.clusters), 2)
    hits = []
    for h in (own, subspace.neutral(own, value)):
        embedded = push_all(part.pairs.run, part.site, h)
        halves = zip(embedded.split(n), part.pairs.targets.split(n), strict=True)
        hits.append(np.concatenate([retrieval_hits(texts, images) for texts, images in halves]))
    return _share_left(hits[1], hits[0], groups)
