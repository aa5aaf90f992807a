"""What cells of a sweep are chosen by: preference and retrieval of a fine-tuned model on validation pairs."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, embed_texts, scores
from interp.stats import preference, standard_error
from training.evaluation.tasks import random_sets
from training.evaluation.zeroshot import retrieval_losses

RETRIEVAL_LOSS = "retrieval_loss_val"


def on_val(clip: Clip, val: EmbeddedPairs, *, seed: int = 0) -> dict[str, float]:
    """Preference accuracy with its standard error, and the cross-entropy of picking an image's own text in nats.

    Candidates are the texts of one kind in a random set of 64 pairs, the same ones for every model; the cross-entropy
    is the mean over pairs and both kinds. All texts are embedded once.

    Args:
        val: validation pairs, with their images.
        seed: of the sets.
    """
    texts = embed_texts(clip, val.texts)
    n, images = len(val), val.embeddings.to(texts)
    positive, negative = scores(images.repeat(2, 1), texts).cpu().numpy().reshape(2, -1)
    hits = preference(positive, negative)
    rows, groups = random_sets(n, seed)
    losses = [
        float(np.mean(retrieval_losses(images[rows], half[rows], groups, clip.logit_scale)))
        for half in (texts[:n], texts[n:])
    ]
    return {
        "preference_val": float(hits.mean()),
        "preference_val_se": standard_error(hits, np.array(val.groups)),
        RETRIEVAL_LOSS: fmean(losses),
    }
