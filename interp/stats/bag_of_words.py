"""Classifier of texts by their words alone."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any


def naive_bayes(left_out: Collection[str] = ()) -> Any:
    """Return scikit-learn's multinomial naive Bayes of word counts, to be fitted on texts.

    Args:
        left_out: lower-case words that are not counted.
    """
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(token_pattern=r"\w+", stop_words=sorted(left_out) or None), MultinomialNB())
