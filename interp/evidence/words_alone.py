"""Preference by words alone: a classifier without images, which an edit must beat to show anything about images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp.stats import Estimate, clustered_share
from interp.stats.bag_of_words import bayes_preference


def words_alone(train: Sequence[str], test: Sequence[str], groups: Sequence[str]) -> Estimate:
    """Return how often a naive Bayes classifier of word counts takes the positive text of a pair for the likelier one.

    Neither the image nor the order of words has a say. Ties count half.

    Args:
        train: positive texts of the train pairs, then negative ones.
        test: the same of the test pairs.
        groups: group of each test pair, such as its article, by which the interval is clustered.
    """
    return clustered_share(bayes_preference(train, test), np.array(groups))
