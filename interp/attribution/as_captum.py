"""Attributions in the format of captum's text visualization."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from captum.attr._utils.visualization import VisualizationDataRecord

from interp.drawing.markup import escape


def records(
    route: str, words: Sequence[Sequence[str]], values: Sequence[np.ndarray], score: np.ndarray, delta: np.ndarray
) -> list[VisualizationDataRecord]:
    """Return one record for each text.

    Words are escaped. The colour of a word shows its attribution as a share of the largest absolute value of all texts.

    Args:
        route: route of the attributions.
        words: words of each text.
        values: attributions of the words of each text.
        score, delta: score and convergence error of each text.
    """
    reach = max((float(np.abs(each).max(initial=0.0)) for each in values), default=0.0) or 1.0
    return [
        VisualizationDataRecord(
            word_attributions=each / reach,
            pred_prob=float(score[i]),
            pred_class="score",
            true_class=f"text {i}",
            attr_class=route,
            attr_score=float(each.sum()),
            raw_input_ids=[escape(word) for word in words[i]],
            convergence_score=float(delta[i]),
        )
        for i, each in enumerate(values)
    ]
