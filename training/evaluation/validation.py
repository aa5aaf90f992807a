"""Measures that choose among cells of a sweep: preference and retrieval of a fine-tuned model on validation pairs."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, embed_texts, scores
from interp.measures import Key
from interp.stats import Estimate, preference, standard_error
from training.evaluation.retrieval import random_sets, retrieval_losses


def measure_on_val(clip: Clip, val: EmbeddedPairs, *, seed: int = 0) -> tuple[dict[Key, Estimate], Estimate]:
    """Measure preference accuracy with its standard error, and the cross-entropy of retrieval of texts, in nats.

    Retrieval picks an image's own text. Candidates are the texts of one kind in a random set of 64 pairs, which is the
    same for every model. The cross-entropy is the mean over pairs and both kinds. All texts are embedded once.

    Args:
        clip: model.
        val: validation pairs, with their images.
        seed: seed of the sets.
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
    preferred = {
        Key("preference_val"): Estimate(float(hits.mean()), n),
        Key("preference_val_se"): Estimate(standard_error(hits, np.array(val.groups)), n),
    }
    return preferred, Estimate(fmean(losses), len(rows))
