"""Objectives (Zur et al. 2024, section 3): two-way cross-entropies of logits, and a module that computes them.

The IIT-DAS loss comes from `interp.subspaces.losses`, as on a frozen model; here its runs keep their autograd graph.
Calibrated IIT-DAS, which is not from the paper, adds the terms of `interp.subspaces.calibrated_loss`. Any objective can
have the term of `training.retention`.
"""

from __future__ import annotations

from torch import nn

from interp.clip.model import Clip, unit_images
from interp.clip.sites import Site
from interp.clip.tensors import Int, Streams, Tensor
from interp.subspaces.calibrated_loss import calibration_loss, swapped_logits
from interp.subspaces.losses import (
    Objective,
    behavioral_loss,
    calibrated_loss,
    counterfactual_loss,
    das_losses,
    joint_loss,
)
from interp.subspaces.methods.das import unwhitened
from interp.subspaces.pairs import PairRun
from interp.subspaces.rotation import swap_span
from interp.subspaces.shares import Share
from interp.subspaces.trainable_run import TrainableRun, trainable_texts
from training.retention import retention_loss


class Learner(nn.Module):
    """Loss of a batch of pairs, as one module, so that several processes can share its gradients.

    Args:
        clip: model, whose parameters with gradients are trained.
        objective: name of the objective.
        site: site of the subspace, in the text tower; ignored without a rotation.
        free: free d x k matrix V, float32; None for the behavioral objective.
        weight: weight of IIT-DAS in the joint objective, or of calibration in calibrated IIT-DAS.
        whitening: fixed d x d matrix W; the span of W V is the subspace. By default V is in the stream's coordinates.
        retain: weight of the contrastive term that is added to any objective; 0 leaves it out.
    """

    whitening: Tensor | None

    def __init__(
        self,
        clip: Clip,
        objective: Objective,
        site: Site,
        free: Tensor | None,
        weight: float,
        whitening: Tensor | None = None,
        retain: float = 0.0,
    ) -> None:
        super().__init__()
        self.clip, self.objective, self.weight, self.retain = clip, objective, weight, retain
        self.site = site if free is not None else Site("text", clip.depth("text"))
        self.model = clip.model
        self.free = None if free is None else nn.Parameter(free)
        self.register_buffer("whitening", whitening, persistent=False)

    def span(self) -> Tensor:
        """Return W V, whose columns span the subspace.

        Raises:
            ValueError: the objective has no subspace.
        """
        if self.free is None:
            raise ValueError(f"the objective {self.objective} has no subspace")
        return self.free if self.whitening is None else unwhitened(self.whitening, self.free)

    def forward(
        self,
        ids: Int[Tensor, "m t"],
        eot: Int[Tensor, " m"],
        images: Tensor,
        source: Int[Tensor, " n"],
        within: Int[Tensor, " n"] | None = None,
        share: Share | None = None,
    ) -> Tensor:
        """Return the mean loss of n pairs.

        With several processes, each returns a part such that the mean over processes is the loss.

        Args:
            ids: token ids of the positive texts of the share, then of the negative ones.
            eot: place of each text's EOT.
            images: unit-norm embeddings, shape (m / 2, embed), or pixel values if the vision tower is trained.
            source: for each pair of the batch, the number of the pair that its source text comes from.
            within: for each pair, the pair of a source of the base's own kind, which calibrated IIT-DAS needs.
            share: pairs that this process computes; by default all.
        """
        share = share or Share.of(len(source), 1, 0)
        embedded = images if images.ndim == 2 else unit_images(self.model, images)
        run = trainable_texts(self.clip, ids, eot, self.site)
        loss = self._objective(run, embedded, source, within, share)
        if not self.retain:
            return loss
        return loss + self.retain * retention_loss(embedded, run.embeddings, self.clip.logit_scale, share)

    def _objective(
        self, run: TrainableRun, embedded: Tensor, source: Tensor, within: Tensor | None, share: Share
    ) -> Tensor:
        """Return the loss without retention."""
        m, scale = len(embedded), self.clip.logit_scale
        logits = (run.embeddings * embedded.repeat(2, 1)).sum(-1) * scale
        behavioral = share.weight * behavioral_loss(logits[:m], logits[m:])
        if self.free is None:
            return behavioral
        pairs = PairRun(share.spread(run), share.placed(embedded), scale)
        site, span, clean = self.site, self.span(), share.joined(logits.roll(m))

        def swap(base: Streams, other: Streams) -> Streams:
            return swap_span(base, other, span)

        if self.objective == "iit-das-calibrated":
            if within is None:
                raise ValueError("calibrated IIT-DAS also needs sources of the base's own kind: pass `within`")
            swapped = swapped_logits(pairs, site, swap, source, within, clean, share)
            iit_das = counterfactual_loss(clean, swapped.across)  # for the whole batch, like the other terms
            return calibrated_loss(behavioral, iit_das, calibration_loss(swapped), self.weight)
        rows = share.pairs.to(embedded.device)
        iit_das = share.weight * das_losses(pairs, site, [swap], source, clean, rows)[0]
        return iit_das if self.objective == "iit-das" else joint_loss(behavioral, iit_das, self.weight)
