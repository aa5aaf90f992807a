"""Losses of pairs at a site for several ways to swap Z: IIT-DAS, the interface of a search loss, contrastive loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from torch.nn import functional

from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Tensor
from interp.subspaces.pairs import PairRun, PairsAtSite, Swap, interventions
from interp.subspaces.subspace import Subspace

Objective = Literal["behavioral", "iit-das", "joint", "iit-das-calibrated"]
OBJECTIVES = get_args(Objective)


@runtime_checkable
class Loss(Protocol):
    """Quantity that a search minimizes."""

    def __call__(
        self, part: PairsAtSite, swaps: Sequence[Swap], source: Int[Tensor, " n"], rows: Int[Tensor, " b"], /
    ) -> Float[Tensor, " c"]:
        """Return the mean loss of a batch of pairs for each of c ways to swap Z.

        Args:
            part: n pairs at a site.
            source: for each of all n pairs, the pair that its source text comes from.
            rows: rows of the pairs to take.
        """
        ...


def iit_das_loss(
    part: PairsAtSite, swaps: Sequence[Swap], source: Int[Tensor, " n"], rows: Int[Tensor, " b"]
) -> Float[Tensor, " c"]:
    """Return `das_losses` of pairs at a site, in nats; a `Loss`."""
    return das_losses(part.pairs, part.site, swaps, source, part.clean * part.pairs.logit_scale, rows)


@torch.inference_mode()
def mean_losses(part: PairsAtSite, subspaces: Sequence[Subspace], source: Int[Tensor, " n"], loss: Loss) -> list[float]:
    """Return the mean loss of all pairs for each of several subspaces.

    Args:
        source: for each pair, the pair that its source text comes from.
    """
    total = torch.zeros(len(subspaces), dtype=torch.float64)
    swaps = [subspace.swap for subspace in subspaces]
    for rows in torch.arange(len(part)).split(256):
        total += loss(part, swaps, source, rows).double().cpu() * len(rows)
    return (total / len(part)).tolist()


def das_losses(
    pairs: PairRun,
    site: Site,
    swaps: Sequence[Swap],
    source: Int[Tensor, " n"],
    base_logits: Float[Tensor, " m"],
    rows: Int[Tensor, " b"],
) -> Float[Tensor, " c"]:
    """Return the IIT-DAS objective of a batch of pairs (Zur et al. 2024, section 3.2), for each of c ways to swap Z.

    The objective is the mean cross-entropy over [base, counterfactual] in nats, with both directions weighted equally.

    Args:
        swaps: functions that give base streams the Z of source streams.
        source: for each of all n pairs, the pair that its source text comes from.
        base_logits: clean logits of all negative texts, then of all positive ones, length 2 n.
        rows: rows of the pairs to take.
    """
    base_rows, source_rows = interventions(rows, source)
    base = pairs.run.take(base_rows)
    base_values, source_values = base.stream(site), pairs.run.take(source_rows).stream(site)
    h = torch.stack([swapped(base_values, source_values) for swapped in swaps], dim=1)
    logits = (base.push(site, h) * pairs.targets[base_rows][:, None]).sum(-1) * pairs.logit_scale
    return counterfactual_loss(base_logits[torch.cat([rows, rows + len(pairs)]), None], logits)


def counterfactual_loss(base: Tensor, counterfactual: Tensor) -> Tensor:
    """Return the cross-entropy over [base, counterfactual].

    The counterfactual must win in the first half of the rows, and the base in the second half.

    Args:
        base, counterfactual: logits, shape (m,), or (m, 1) and (m, c).

    Returns:
        The mean of each column, in nats.
    """
    sign = torch.ones_like(base)
    sign[len(base) // 2 :] = -1
    return functional.softplus(sign * (base - counterfactual)).mean(0)  # two-way cross-entropy


def contrastive_loss(logits: Float[Tensor, "*c b b"]) -> Float[Tensor, " *c"]:
    """Return the contrastive loss: the mean of the cross-entropies of picking each text's image and each image's text.

    Args:
        logits: logits of each image (rows) with each text (columns); a text and its own image have the same number.

    Returns:
        The mean over the batch, in nats.
    """
    by_image, by_text = (-logits.log_softmax(dim).diagonal(dim1=-2, dim2=-1).mean(-1) for dim in (-1, -2))
    return (by_image + by_text) / 2


def behavioral_loss(positive: Float[Tensor, " n"], negative: Float[Tensor, " n"]) -> Tensor:
    """Return the mean cross-entropy over [negative, positive] of each pair's logits, target positive."""
    return functional.softplus(negative - positive).mean()


def joint_loss(behavioral: Tensor, iit_das: Tensor, weight: float) -> Tensor:
    """Return w x IIT-DAS + (1 - w) x behavioral."""
    return weight * iit_das + (1 - weight) * behavioral


def calibrated_loss(behavioral: Tensor, iit_das: Tensor, calibration: Tensor, weight: float) -> Tensor:
    """Return behavioral + IIT-DAS + w x calibration.

    IIT-DAS alone does not train a preference of the clean run, and without a preference calibration is nearly free.
    """
    return behavioral + iit_das + weight * calibration
