"""The objectives (Zur et al. 2024, section 3): two-way cross-entropies of logits, and a module that computes them.

The IIT-DAS loss is `interp.methods.search.das_losses`, the same as on a frozen model; here its runs keep their graph.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional

from interp.clip.model import Clip, unit_images
from interp.clip.sites import Site
from interp.interventions.rotation import swap_span
from interp.interventions.trainable_run import trainable_texts
from interp.methods.pairs import PairRun
from interp.methods.search import das_losses
from interp.tensors import Float, Int, Tensor

Objective = Literal["behavioral", "iit-das", "joint"]


def behavioral_loss(positive: Float[Tensor, " n"], negative: Float[Tensor, " n"]) -> Tensor:
    """Cross-entropy over [negative, positive] of each pair's logits, target positive; the mean."""
    return functional.softplus(negative - positive).mean()


def joint_loss(behavioral: Tensor, iit_das: Tensor, weight: float) -> Tensor:
    """w x IIT-DAS + (1 - w) x behavioral."""
    return weight * iit_das + (1 - weight) * behavioral


class Learner(nn.Module):
    """The loss of a batch of pairs; one module, so that several processes can share its gradients.

    Args:
        clip: its parameters that require gradients are trained.
        layer: of the site in the text tower; without a rotation it does not matter.
        free: free d x k matrix whose span is the subspace, float32; None for the behavioral objective.
        weight: of IIT-DAS in the joint objective.
    """

    def __init__(self, clip: Clip, objective: Objective, layer: int, free: Tensor | None, weight: float) -> None:
        super().__init__()
        self.clip, self.objective, self.weight = clip, objective, weight
        self.layer = layer if free is not None else clip.depth("text")
        self.model = clip.model
        self.free = None if free is None else nn.Parameter(free)

    def forward(self, ids: Int[Tensor, "m t"], eot: Int[Tensor, " m"], images: Tensor, source: Tensor) -> Tensor:
        """The mean loss of n pairs.

        Args:
            ids, eot: positive texts, then negative ones; m = 2 n.
            images: unit-norm embeddings, shape (n, embed), or pixel values, if the vision tower is trained.
            source: for each pair the one that its source text comes from, shape (n,).
        """
        embedded = images if images.ndim == 2 else unit_images(self.model, images)
        run, n, scale = trainable_texts(self.clip, ids, eot, self.layer), len(images), self.clip.logit_scale
        logits = (run.embeddings * embedded.repeat(2, 1)).sum(-1) * scale
        behavioral = behavioral_loss(logits[:n], logits[n:])
        if self.free is None:
            return behavioral
        pairs = PairRun(run, embedded, scale)
        rows = torch.arange(n, device=ids.device)
        site, free = Site("text", self.layer), self.free
        swaps = [lambda base, other: swap_span(base, other, free)]
        iit_das = das_losses(pairs, site, swaps, source, logits.roll(n), rows)[0]
        return iit_das if self.objective == "iit-das" else joint_loss(behavioral, iit_das, self.weight)
