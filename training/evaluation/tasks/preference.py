"""Task `preference`: a model's preference between the texts of each pair, and the measures of its subspace."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip, embed_texts, scores
from interp.data.contrast import Contrast
from interp.measures.schema import SCORE, SHARE, Unit
from interp.runs.examples import EXAMPLES
from training.evaluation.aligned_subspace import AlignedSubspace, evidence_units, rows_of
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.numbers import Number
from training.evaluation.preferences import preferences
from training.evaluation.tasks.task import Job, Task, TaskResult


def pair_scores(clip: Clip, features: EmbeddedPairs) -> np.ndarray:
    """Return the scores of each pair's positive and negative text with its image, shape (2, pairs)."""
    texts = embed_texts(clip, features.texts)
    both: np.ndarray = scores(features.embeddings.repeat(2, 1), texts).cpu().numpy().reshape(2, -1)
    return both


def measure_preference(
    clip: Clip, features: EmbeddedPairs, aligned: AlignedSubspace | None
) -> tuple[list[Number], np.ndarray]:
    """Measure preferences of a model; with a subspace also IIA on each split, and evidence on the last split.

    Returns:
        Measures, and scores of each pair's positive and negative text, shape (2, pairs).
    """
    pairs, contrast = features.pairs, features.contrast
    if aligned is None:
        both = pair_scores(clip, features)
        return preferences(pairs, contrast, *both), both
    both = np.zeros((2, len(pairs)))
    rows: list[Number] = []
    splits = list(dict.fromkeys(pair.split for pair in pairs))
    for split in splits:  # a clean run takes memory, so the splits are run one after another
        part, texts = aligned.part(clip, features.split(split)), features.split(split).texts
        negative, positive = part.clean.cpu().numpy().reshape(2, -1)
        both[:, features.rows(split)] = positive, negative
        everything = split == splits[-1] and aligned.reference is not None
        numbers = aligned.evidence(clip, part, texts) if everything else aligned.iias(part)
        rows += rows_of(numbers, split, contrast, len(part))
    return [*preferences(pairs, contrast, *both), *rows], both


def _job(on: EvaluatedPairs, _: None) -> Job:
    def compute() -> TaskResult:
        rows, both = measure_preference(on.clip, on.features, on.aligned)
        shown = [
            {"id": on.features.pairs[i].id, "positive": float(both[0, i]), "negative": float(both[1, i])}
            for i in on.held_out[:EXAMPLES]
        ]
        return TaskResult(rows, details={"examples": shown})

    sources = None if on.aligned is None else on.aligned.sources
    return Job("preference", {**on.settings, "sources": sources, "examples": EXAMPLES, **on.referred}, compute)


def _units(contrast: Contrast) -> Mapping[str, Unit]:
    shares = ("preference", *(f"preference, {kind} longer" for kind in contrast.kinds))
    scored = dict.fromkeys((f"mean {kind} score" for kind in contrast.kinds), SCORE)
    return evidence_units(contrast) | dict.fromkeys(shares, SHARE) | scored


TASK = Task(_job, _units, evidence=True)
