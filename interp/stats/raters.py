"""Agreement of raters with themselves, and of a metric with the order in which they put texts of one image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from interp.stats.clusters import clustered_share
from interp.stats.estimate import Estimate


@dataclass(frozen=True)
class RaterVariances:
    """Variances of ratings by crossed random effects; NaN where they cannot be estimated.

    Attributes:
        people: variance of the raters' means: some give higher ratings than others.
        items: variance of what is rated, which a metric can follow.
        rest: variance of one rating about both.
    """

    people: float
    items: float
    rest: float

    def reliability(self, raters: float) -> float:
        """Return the share of the variance of mean ratings that is variance of items.

        Args:
            raters: raters of an item, other people for each item, so that what they differ by is noise
                (Shrout & Fleiss 1979, ICC(1, k)).

        >>> round(RaterVariances(0.144, 0.455, 1.104).reliability(4), 3)
        0.593
        """
        return self.items / (self.items + (self.people + self.rest) / raters)

    def ceiling(self, raters: float) -> float:
        """Return the highest correlation with mean ratings that is to be expected of any metric: √reliability.

        >>> round(RaterVariances(0.144, 0.455, 1.104).ceiling(4), 2)
        0.77
        """
        return math.sqrt(self.reliability(raters))


def rater_variances(ratings: ArrayLike, people: Sequence[str], items: Sequence[str]) -> RaterVariances:
    """Estimate variances of ratings by restricted maximum likelihood, with statsmodels.

    Args:
        ratings: one rating for each person and item, or several; NaN is left out.
        people: who gave each rating.
        items: what was rated.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    values = np.asarray(ratings, dtype=float)
    known = np.flatnonzero(~np.isnan(values)).tolist()
    values = values[known]
    codes = [np.unique([names[i] for i in known], return_inverse=True)[1] for names in (people, items)]
    if not len(values) or np.ptp(values) == 0 or any(len(set(code)) in (1, len(code)) for code in codes):
        return RaterVariances(math.nan, math.nan, math.nan)
    designs = [np.eye(code.max() + 1)[code] for code in codes]
    columns = [[f"{i}" for i in range(design.shape[1])] for design in designs]
    effects = VCSpec(["people", "items"], [[names] for names in columns], [[design] for design in designs])
    model = MixedLM(values, np.ones((len(values), 1)), groups=np.zeros(len(values)), exog_vc=effects)
    with warnings.catch_warnings():  # of a variance of 0, at the edge of what there can be
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        fitted = model.fit(reml=True)
    of_people, of_items = map(float, fitted.vcomp)
    return RaterVariances(of_people, of_items, float(fitted.scale))


def order_within(scores: ArrayLike, ratings: ArrayLike, groups: Sequence[str]) -> Estimate:
    """Return the share of pairs of items of one group that scores put in the order of their ratings.

    Pairs of equal ratings are left out; equal scores count half. The interval is clustered by group.

    Args:
        scores: score of each item.
        ratings: mean rating of each item; NaN is left out.
        groups: group of each item, such as its image.

    >>> order_within([1, 2, 3, 5, 4], [1, 2, 2, 1, 2], list("aaabb")).value
    0.6666666666666666
    """
    found, rated = np.asarray(scores, dtype=float), np.asarray(ratings, dtype=float)
    hits, of = [], []
    for i, j in combinations(range(len(found)), 2):
        if groups[i] == groups[j] and (apart := rated[i] - rated[j]) != 0 and not math.isnan(apart):
            hits.append(0.5 + 0.5 * float(np.sign((found[i] - found[j]) * apart)))
            of.append(groups[i])
    return clustered_share(hits, of) if hits else Estimate(math.nan, 0)
