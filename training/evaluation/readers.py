"""Agreement of scores with ratings by readers: correlations, their bounds, and order within images. No torch."""

from __future__ import annotations

import math
from statistics import harmonic_mean

import numpy as np

from interp.data.blv import QUESTIONS, RatedTexts
from interp.stats import CorrelationMethod, correlate, difference, order_within, rater_variances
from training.evaluation.numbers import Number, measured

AGREEMENT = ("variance of readers", "variance of texts", "variance of the rest", "reliability", "ceiling")
CORRELATIONS: tuple[CorrelationMethod, ...] = ("pearson", "spearman")


def agreement_with_readers(rated: RatedTexts, scores: np.ndarray, other: np.ndarray | None = None) -> list[Number]:
    """Correlate scores with mean ratings; intervals resample images, each of which has several texts.

    Args:
        rated: rated texts.
        scores: scores of the rated texts.
        other: scores by another model; the difference of both correlations is added, with the same resamples.
    """
    images = [text.image for text in rated.texts]
    length = np.array([len(text.description) for text in rated.texts], dtype=float)
    rows = []
    for question in QUESTIONS:
        ratings = [text.ratings[question] for text in rated.texts]
        for method in CORRELATIONS:
            rows.append(measured("blv", question, method, correlate(scores, ratings, images, method=method)))
        for method in CORRELATIONS:
            given = correlate(scores, ratings, images, given=length, method=method)
            rows.append(measured("blv", question, f"{method} given length", given))
        rows.append(measured("blv", question, "pearson of length", correlate(length, ratings, images)))
        rows.append(measured("blv", question, "order within images", order_within(scores, ratings, images)))
        rows.append(measured("blv", question, "order within images of length", order_within(length, ratings, images)))
        if other is not None:
            for method in CORRELATIONS:
                more = difference(scores, other, ratings, images, method=method)
                rows.append(measured("blv", question, f"{method} more than the other", more))
        rows += _agreement(rated, question)
    return rows


def _agreement(rated: RatedTexts, question: str) -> list[Number]:
    """Return measures of the readers' agreement, which limits the correlation of any score with mean ratings."""
    if not all(text.readers for text in rated.texts):
        return []
    people = [reader for text in rated.texts for reader in text.readers]
    items = [str(i) for i, text in enumerate(rated.texts) for _ in text.readers]
    ratings = np.array([rating for text in rated.texts for rating in text.answers[question]])
    variances = rater_variances(ratings, people, items)
    counts = [sum(not math.isnan(rating) for rating in text.answers[question]) for text in rated.texts]
    raters = harmonic_mean([count for count in counts if count] or [1])
    bounds = (variances.reliability(raters), variances.ceiling(raters))
    values = (variances.people, variances.items, variances.rest, *bounds)
    return [Number("blv", question, name, value, sum(counts)) for name, value in zip(AGREEMENT, values, strict=True)]
