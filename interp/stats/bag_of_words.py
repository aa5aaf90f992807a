"""Classifier of texts by their words alone."""

from __future__ import annotations

from typing import Any


def naive_bayes() -> Any:
    """Return scikit-learn's multinomial naive Bayes of word counts, to be fitted on texts."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.naive_bayes import MultinomialNB
    from sklearn.pipeline import make_pipeline

    return make_pipeline(CountVectorizer(token_pattern=r"\w+"), MultinomialNB())
