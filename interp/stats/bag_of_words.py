"""Classifier of texts by their words alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interp.stats.shares import preference


def naive_bayes(left_out: Collection[str] = ()) -> Any:
    """Return an unfitted multinomial naive Bayes classifier of word counts, from scikit-learn.

    Args:
        left_out: lower-case words that are ignored.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(token_pattern=r"\w+", stop_words=sorted(left_out) or None), MultinomialNB())


def bayes_preference(train: Sequence[str], test: Sequence[str], left_out: Collection[str] = ()) -> NDArray[np.float64]:
    """Return 1 for each pair whose positive text is more likely by naive Bayes, 0 if less likely, 1/2 for a tie.

    Args:
        train: positive texts of the train pairs, then negative texts.
        test: positive texts of the test pairs, then negative texts.
        left_out: lower-case words that are ignored.
    """
    model = naive_bayes(left_out).fit(list(train), np.repeat([1, 0], len(train) // 2))
    odds = model.predict_log_proba(list(test))
    return preference(*(odds[:, 1] - odds[:, 0]).reshape(2, -1))
