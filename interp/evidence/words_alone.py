"""Preference by words alone: a classifier without images. An edit must beat it to show anything about images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp.stats import Estimate, clustered_share
from interp.stats.bag_of_words import bayes_preference


def words_alone(train: Sequence[str], test: Sequence[str], groups: Sequence[str]) -> Estimate:
    """Return the share of pairs in which a naive Bayes classifier of word counts prefers the positive text.

    The classifier sees neither the image nor the order of words. Ties count half.

    Args:
        train: positive texts of the train pairs, then negative ones.
        test: positive texts of the test pairs, then negative ones.
        groups: group of each test pair, such as its article, for clustered intervals.
    """
    return clustered_share(bayes_preference(train, test), np.array(groups))
