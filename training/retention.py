"""Retention term of a fine-tuning: CLIP's own contrastive loss over the pairs of a batch, which preserves retrieval."""

from __future__ import annotations

import torch

from interp.clip.tensors import Float, Tensor
from interp.subspaces.losses import contrastive_loss
from interp.subspaces.shares import Share

_BATCH = 256  # number of pairs of val that compete with each other


def retention_loss(
    images: Float[Tensor, "m embed"], texts: Float[Tensor, "k embed"], scale: float, share: Share | None = None
) -> Tensor:
    """Return the contrastive loss of a batch in nats, as the mean over both kinds of text.

    With several processes, each returns the loss of the whole batch.

    Args:
        images: unit-norm embeddings of the images of the share.
        texts: unit-norm embeddings of positive texts of the share, then of negative ones.
        scale: factor from score to logit.
        share: pairs that this process computes; by default all.
    """
    share = share or Share.of(len(images), 1, 0)
    each, both = share.joined(_at_full_precision(images)), share.joined(_at_full_precision(texts)).unflatten(0, (2, -1))
    with torch.autocast(images.device.type, enabled=False):
        return contrastive_loss(scale * torch.einsum("ie,kje->kij", each, both)).mean()


def mean_retention(images: Float[Tensor, "n embed"], texts: Float[Tensor, "k embed"], scale: float) -> float:
    """Return `retention_loss` of pairs in batches of 256, as the mean over pairs."""
    n, total = len(images), 0.0
    for rows in torch.arange(n).split(_BATCH):
        total += float(retention_loss(images[rows], texts[torch.cat([rows, rows + n])], scale)) * len(rows)
    return total / n


def _at_full_precision(embeddings: Tensor) -> Tensor:
    """Return embeddings in float32 or a higher precision, which logits of up to 100 need."""
    return embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
