"""Losses of edits of a stream on clean runs: the objectives of a fine-tuning, and retention.

An edited model differs from the base only in EOT's stream, from the site on. Its scores, with its own Z or another Z,
thus follow from vectors that are pushed from the site against the base's clean run, and no text tower runs. Z is the
row space of R at the edited stream: a counterfactual gives an edited base stream the Z of an edited source stream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.nn import functional

from interp.clip.swap import swap
from interp.clip.tensors import Basis, Float, Int, Streams, Tensor
from interp.subspaces.calibrated_loss import SwappedLogits, calibration_loss
from interp.subspaces.losses import (
    Objective,
    calibrated_loss,
    contrastive_loss,
    counterfactual_loss,
    joint_loss,
)
from interp.subspaces.pairs import PairsAtSite, Sources, draw_sources

CALIBRATED: Objective = "iit-das-calibrated"


@dataclass(frozen=True, eq=False)
class Change:
    """Edit during its training.

    Attributes:
        stream: function from streams, shape (..., d), to edited streams; affine.
        basis: orthonormal basis of Z.
    """

    stream: Callable[[Streams], Streams]
    basis: Basis


@dataclass(frozen=True, eq=False)
class Batch:
    """Pairs of a batch, by their rows, and the pairs that their sources come from.

    Attributes:
        source, within: for each row, the pair that its source text comes from, of the other kind and of its own kind;
            None if the objective needs no such source.
    """

    rows: Int[Tensor, " b"]
    source: Int[Tensor, " b"] | None = None
    within: Int[Tensor, " b"] | None = None

    @classmethod
    def draw(
        cls,
        part: PairsAtSite,
        rows: Int[Tensor, " b"],
        objective: Objective,
        sources: Sources,
        generator: torch.Generator,
    ) -> Batch:
        """Draw the sources for pairs of a batch among the pairs of the batch, as far as the objective needs them."""
        if objective == "behavioral":
            return cls(rows)
        groups = [part.pairs.clusters[row] for row in rows.tolist()]
        source = rows[draw_sources(len(rows), sources, generator, groups)]
        if objective != CALIBRATED:
            return cls(rows, source)
        return cls(rows, source, rows[draw_sources(len(rows), "random", generator, groups)])


@dataclass(frozen=True)
class Losses:
    """Losses of a batch for each of c edits, in nats.

    Attributes:
        behavioral: cross-entropy over [negative, positive] of each pair's logits, target positive.
        retention: contrastive loss over the batch (`contrastive_loss`), the mean over the kinds of text.
        preference: share of pairs whose positive text scores higher; not a loss.
        iit_das: two-way cross-entropy of the counterfactuals; None without sources.
        calibration: terms of calibration, without a unit; None without sources of a text's own kind.
    """

    behavioral: Float[Tensor, " c"]
    retention: Float[Tensor, " c"]
    preference: Float[Tensor, " c"]
    iit_das: Float[Tensor, " c"] | None = None
    calibration: Float[Tensor, " c"] | None = None

    def total(self, objective: Objective, weight: float) -> Float[Tensor, " c"]:
        """Return the loss of an objective, without retention.

        Args:
            weight: weight of IIT-DAS in the joint objective, or of the calibration terms in calibrated IIT-DAS.

        Raises:
            ValueError: the batch has no sources, and the objective needs them.
        """
        if objective == "behavioral":
            return self.behavioral
        if self.iit_das is None or (objective == CALIBRATED and self.calibration is None):
            raise ValueError(f"the objective {objective} needs sources; draw the batch with Batch.draw")
        if objective == "iit-das":
            return self.iit_das
        if objective == "joint":
            return joint_loss(self.behavioral, self.iit_das, weight)
        assert self.calibration is not None
        return calibrated_loss(self.behavioral, self.iit_das, self.calibration, weight)


def edit_losses(part: PairsAtSite, changes: Sequence[Change], batch: Batch) -> Losses:
    """Return the losses of a batch, differentiable in all inputs of the changes; one push serves all changes."""
    n, m, streams = len(part), len(batch.rows), part.streams
    bases, across, within = (
        None if rows is None else torch.cat(rows)
        for rows in (
            (batch.rows + n, batch.rows),
            None if batch.source is None else (batch.source, batch.source + n),
            None if batch.within is None else (batch.within + n, batch.within),
        )
    )
    assert bases is not None
    base = streams[bases]
    edited = [change.stream(base) for change in changes]
    values = [edited]
    if across is not None:
        values.append(_swap_all(changes, edited, streams[across]))
    if within is not None:
        middle = base.reshape(2, m, -1).mean(1).mean(0).expand_as(base)
        values += [_swap_all(changes, edited, streams[within]), _swap_all(changes, edited, middle)]
    run, images = part.pairs.run.take(bases), part.pairs.targets[bases]
    embedded = run.push(part.site, torch.stack([h for each in values for h in each], dim=1))
    c, scale = len(changes), part.pairs.logit_scale
    clean, *others = ((embedded * images[:, None]).sum(-1) * scale).split(c, dim=1)
    negative, positive = clean.split(m)
    kinds = [
        contrastive_loss(scale * torch.einsum("ie,jce->cij", images[half], embedded[half, :c]))
        for half in (slice(0, m), slice(m, 2 * m))
    ]
    won = (positive > negative).float() + (positive == negative).float() / 2
    return Losses(
        functional.softplus(negative - positive).mean(0),
        torch.stack(kinds).mean(0),
        won.mean(0),
        counterfactual_loss(clean, others[0]) if others else None,
        _calibration(clean, others) if len(others) > 1 else None,
    )


def _swap_all(changes: Sequence[Change], edited: Sequence[Streams], source: Streams) -> list[Streams]:
    """Return edited streams with Z of other texts."""
    return [swap(h, change.stream(source), change.basis) for change, h in zip(changes, edited, strict=True)]


def _calibration(clean: Float[Tensor, "m c"], others: Sequence[Float[Tensor, "m c"]]) -> Float[Tensor, " c"]:
    columns = [[table[:, i] for table in (clean, *others)] for i in range(clean.shape[1])]
    return torch.stack([calibration_loss(SwappedLogits(*tables)) for tables in columns])
