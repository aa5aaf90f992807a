"""Necessity: loss of the preference, and of nothing else, when Z does not tell the kinds apart.

Z of every text is set to the same neutral value. The remaining preference alone shows little: later blocks may read the
kind from other positions, or a large Z may hold most of the content of a text. In the second case a neutral value may
destroy the preference together with everything else. Three further numbers are therefore reported: the share of the gap
that is left with neutral values of other subspaces of this size, the share of retrieval that is left, and the share of
the gap that is left if Z is taken from another text of the same kind. The last change affects everything in Z except
the kind.
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
        positive, negative: scores of the positive and of the negative texts, length n.
    """

    positive: np.ndarray
    negative: np.ndarray

    @property
    def gaps(self) -> np.ndarray:
        """Score of the positive text minus score of the negative text, length n.

        Differences within rounding are exactly 0. If the score is read from Z alone, both texts of a pair have the same
        score.
        """
        return settled(np.subtract(self.positive, self.negative, dtype=np.float64))


def neutralize(part: PairsAtSite, subspace: Subspace, value: Float[Tensor, " d"]) -> Neutral:
    """Set Z of every text to the Z of one stream, and leave the rest of the stream.

    Args:
        part: pairs at the site.
        subspace: Z.
        value: stream at the site, which has the neutral Z.
    """
    return neutralize_all(part, [subspace], value)[0]


@torch.inference_mode()
def neutralize_all(part: PairsAtSite, subspaces: Sequence[Subspace], value: Float[Tensor, " d"]) -> list[Neutral]:
    """Neutralize several subspaces, each alone, in one pass through the model."""
    streams = part.streams
    h = torch.stack([subspace.neutral(streams, value) for subspace in subspaces], dim=1)
    scores = push_scores(part.pairs.run, part.pairs.targets, part.site, h).cpu().numpy()
    return [Neutral(*scores[:, number].reshape(2, -1)) for number in range(len(subspaces))]


def necessity(part: PairsAtSite, neutral: Neutral) -> dict[Key, Estimate]:
    """Return preference accuracy and gap with a neutral Z, and the shares left of the gap and of the preference.

    The share of the preference is that of its excess over 50 %. If the preference is in Z, preference accuracy is at
    chance and the gap is 0. A gap that has changed its sign gives a negative share. All numbers have intervals.

    Args:
        part: pairs at the site.
        neutral: scores with a neutral Z.
    """
    groups, gaps = np.asarray(part.pairs.clusters), part.gaps.cpu().numpy()
    negative, positive = part.clean.cpu().numpy().reshape(2, -1)
    hits, clean = preference(neutral.positive, neutral.negative), preference(positive, negative)
    return {
        Key("neutral_preference"): clustered_share(hits, groups),
        Key("neutral_gap"): clustered_mean(neutral.gaps, groups),
        Key("gap_left"): _share_left(neutral.gaps, gaps, groups),
        Key("preference_left"): _share_left(hits - 0.5, clean - 0.5, groups),
    }


def _share_left(after: np.ndarray, before: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the ratio of two means over the same units; the result is exact if nothing or everything is left."""
    for share in (0.0, 1.0):
        if before.any() and not settled(after - share * before).any():
            return Estimate(share, len(after), share, share)
    return ratio(after, before, groups)


def kept_within(within: Outcomes) -> Estimate:
    """Return the share of the gap that is kept if both texts of a pair get Z of other texts of their own kinds.

    The share is about 1 if Z encodes the kind of a text and everything else goes around Z. The share is 0 if a
    combination of Z and the rest of the stream encodes the kind, since every exchange of Z then destroys this
    combination, including a neutral value.

    Args:
        within: outcomes of swaps within a kind.
    """
    if moves_nothing(within):
        return Estimate(1.0, within.pairs, 1.0, 1.0)
    draws = len(within.groups) // within.pairs
    gaps = np.tile(within.gaps().astype(np.float64), draws)
    return ratio(gaps + within.moves("down") - within.moves("up"), gaps, within.groups, within.source_groups)


def beyond_controls(
    part: PairsAtSite, neutral: Neutral, controls: Mapping[str, Sequence[Neutral]]
) -> dict[Key, Estimate]:
    """Return by how much a neutral Z leaves less of the gap, in absolute value, than neutral controls leave.

    Args:
        part: pairs at the site.
        neutral: scores with a neutral Z.
        controls: key of a control -> scores with each of its subspaces neutral, which are averaged.

    Returns:
        Difference for each control as a share of the gap, paired over pairs.
    """
    groups, gaps = np.asarray(part.pairs.clusters), part.gaps.cpu().numpy()
    kept = _towards_zero(neutral)
    out: dict[Key, Estimate] = {}
    for name, others in controls.items():
        left = np.mean([_towards_zero(other) for other in others], axis=0)
        less = settled(left - kept)
        out[Key("left_below", name)] = ratio(less, gaps, groups) if less.any() else Estimate(0.0, len(kept), 0.0, 0.0)
    return out


def _towards_zero(neutral: Neutral) -> np.ndarray:
    """Return the gaps, negated if their mean is negative."""
    return neutral.gaps * (-1.0 if neutral.gaps.mean() < 0 else 1.0)


@torch.inference_mode()
def retrieval_left(part: PairsAtSite, subspace: Subspace, value: Float[Tensor, " d"]) -> Estimate:
    """Return the share of retrieval above chance that is left with a neutral Z.

    Each text must find its own image among `interp.evidence.specificity.AMONG`. The result is NaN if the unchanged
    texts are not above chance.
    """
    streams, n = part.streams, len(part)
    groups = np.tile(np.asarray(part.pairs.clusters), 2)
    hits = []
    for h in (streams, subspace.neutral(streams, value)):
        embedded = push_all(part.pairs.run, part.site, h)
        halves = zip(embedded.split(n), part.pairs.targets.split(n), strict=True)
        hits.append(np.concatenate([retrieval_hits(texts, images) for texts, images in halves]))
    return _share_left(hits[1], hits[0], groups)
