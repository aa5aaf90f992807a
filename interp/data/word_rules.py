"""Preferences without an image: the longer text, the more concrete text, and naive Bayes on words. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interp.data.norms import load_norm
from interp.data.pairs import Pair, texts_of
from interp.data.words import TOKEN, concreteness
from interp.stats import preference
from interp.stats.bag_of_words import bayes_preference

_WORD = re.compile(r"\w+")  # words as `naive_bayes` counts them
FOLDS = 10
# A template word of a kind occurs in at least this number of its texts, in at least this share of its texts, and at
# least this many times as often as in texts of the other kind.
_LEAST, _COMMON, _TIMES = 3, 0.1, 2.0

_Hits = NDArray[np.float64]


def longer_hits(pairs: Sequence[Pair]) -> _Hits:
    """Return 1 for each pair whose positive text has more words, 0 if fewer, 1/2 for a tie."""
    lengths = np.array([float(len(TOKEN.findall(text))) for text in texts_of(pairs)])
    return preference(*lengths.reshape(2, -1))


def concreteness_hits(pairs: Sequence[Pair]) -> _Hits:
    """Return 1 for each pair whose positive text is more concrete (Brysbaert, Warriner & Kuperman 2014), 0 if less.

    The concreteness of a text is the mean over its rated content words. A pair with a text without rated words is a
    tie, 1/2.
    """
    norm = load_norm("concreteness")
    ratings = np.array([concreteness(text, norm) for text in texts_of(pairs)]).reshape(2, -1)
    return np.where(np.isfinite(ratings).all(0), preference(*np.nan_to_num(ratings)), 0.5)


def bayes_hits(train: Sequence[Pair], pairs: Sequence[Pair], *, without_templates: bool = False) -> _Hits:
    """Return 1 for each pair whose positive text is the likelier one by naive Bayes, 0 if it is not, 1/2 for a tie.

    The naive Bayes classifier of words is fitted on other pairs.

    Args:
        train: pairs to fit the classifier on.
        without_templates: leave out the words of templates (`_template_words`) of the train pairs.
    """
    texts = texts_of(train)
    left_out = _template_words(train) if without_templates else frozenset()
    if not any(word not in left_out for text in texts for word in _WORD.findall(text.lower())):
        return np.full(len(pairs), 0.5)  # nothing can be learnt
    return bayes_preference(texts, texts_of(pairs), left_out)


def own_bayes_hits(pairs: Sequence[Pair], *, without_templates: bool = False) -> _Hits:
    """Return `bayes_hits` within one data set, ten-fold, with no group in two folds; NaN for fewer than two groups."""
    from sklearn.model_selection import GroupKFold

    groups = [pair.group for pair in pairs]
    folds = min(FOLDS, len(set(groups)))
    hits = np.full(len(pairs), np.nan)
    if folds < 2:
        return hits
    for train, test in GroupKFold(folds).split(groups, groups=groups):
        fitted = [pairs[i] for i in train]
        hits[test] = bayes_hits(fitted, [pairs[i] for i in test], without_templates=without_templates)
    return hits


def _template_words(pairs: Sequence[Pair]) -> frozenset[str]:
    """Return words of templates such as "This image shows".

    These words occur in a tenth of the texts of one kind, and in at least twice as many texts of this kind as of the
    other.
    """
    texts = texts_of(pairs)
    first, second = (
        Counter(word for text in half for word in set(_WORD.findall(text.lower())))
        for half in (texts[: len(pairs)], texts[len(pairs) :])
    )
    least = max(_LEAST, _COMMON * len(pairs))
    return frozenset(
        word
        for counts, other in ((first, second), (second, first))
        for word, count in counts.items()
        if count >= least and count >= _TIMES * other[word]
    )
