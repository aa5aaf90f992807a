"""Necessity: what is left of the preference when Z of every text is set to one neutral value?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from interp.interventions.rotation import swap
from interp.methods.pairs import PairsAtSite, push_scores
from interp.stats import Estimate, clustered_mean, clustered_share, ratio
from interp.tensors import Basis, Float, Tensor

ROUNDING = 1e-6  # of a cosine in float32


@dataclass(frozen=True)
class Neutral:
    """Scores of n pairs whose texts all have the same Z.

    Attributes:
        positive, negative: length n.
    """

    positive: np.ndarray
    negative: np.ndarray


def midpoint(train: PairsAtSite) -> Float[Tensor, " d"]:
    """The neutral value: half way between the mean streams of the two kinds, so that it says nothing of either."""
    positive, negative = train.kind_means
    return (positive + negative) / 2


@torch.inference_mode()
def neutralize(part: PairsAtSite, basis: Basis, value: Float[Tensor, " d"]) -> Neutral:
    """Set Z of every text to its value in one stream, and leave the rest.

    Args:
        basis: of Z, orthonormal, shape (d, k).
        value: a stream at the site.
    """
    own = part.streams
    h = swap(own, value.to(own).expand_as(own), basis)
    scores = push_scores(part.pairs.run, part.pairs.targets, part.site, h)
    positive, negative = scores.cpu().numpy().reshape(2, -1)
    return Neutral(positive, negative)


def necessity(part: PairsAtSite, found: Neutral) -> dict[str, float]:
    """Preference accuracy and gap with a neutral Z, and the share of the gap that is left; with intervals, by column.

    Scores that differ by less than `ROUNDING` tie, which counts one half: where Z is all that the score is read from,
    both texts have the same one.

    If the preference is in Z, they are chance, 0 and 0. A gap that has changed its sign leaves a negative share.
    """
    groups, neutral = np.asarray(part.pairs.clusters), found.positive - found.negative
    neutral[np.abs(neutral) < ROUNDING] = 0.0
    negative, positive = part.clean.cpu().numpy().reshape(2, -1)
    out = clustered_share((np.sign(neutral) + 1) / 2, groups).columns("neutral_preference")
    out |= clustered_mean(neutral, groups).columns("neutral_gap")
    left = ratio(neutral, positive - negative, groups) if neutral.any() else Estimate(0.0, len(part), 0.0, 0.0)
    return out | left.columns("gap_left")
