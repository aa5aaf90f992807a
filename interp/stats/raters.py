"""Agreement of raters with each other, and of a metric with the raters' order of texts of an image."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from interp.stats.clusters import clustered_share
from interp.stats.estimate import Estimate
from interp.stats.spread import student


@dataclass(frozen=True)
class RaterVariances:
    """Variances of ratings from crossed random effects; NaN if the data do not determine the variances.

    Attributes:
        people: variance between raters, since some raters give higher ratings than others.
        items: variance between rated items, which a metric can follow.
        rest: residual variance of one rating.
    """

    people: float
    items: float
    rest: float

    def reliability(self, raters: float) -> float:
        """Return the share of the variance of mean ratings that is variance of items.

        Args:
            raters: number of raters of an item. Each item has different raters, so the variance between raters is
                noise (Shrout & Fleiss 1979, ICC(1, k)).

        >>> round(RaterVariances(0.144, 0.455, 1.104).reliability(4), 3)
        0.593
        """
        return self.items / (self.items + (self.people + self.rest) / raters)

    def ceiling(self, raters: float) -> float:
        """Return the highest expected correlation of any metric with mean ratings: √reliability.

        >>> round(RaterVariances(0.144, 0.455, 1.104).ceiling(4), 2)
        0.77
        """
        return math.sqrt(self.reliability(raters))


def rater_variances(ratings: ArrayLike, people: Sequence[str], items: Sequence[str]) -> RaterVariances:
    """Estimate variances of ratings by restricted maximum likelihood, with statsmodels.

    Args:
        ratings: one or more ratings for each person and item; NaN is ignored.
        people: rater of each rating.
        items: rated item of each rating.
    """
    values = np.asarray(ratings, dtype=float)
    kept = np.flatnonzero(~np.isnan(values)).tolist()
    values = values[kept]
    people, items = ([names[i] for i in kept] for names in (people, items))
    if not len(values) or np.ptp(values) == 0 or any(len(set(names)) in (1, len(names)) for names in (people, items)):
        return RaterVariances(math.nan, math.nan, math.nan)
    fitted = _crossed(values, np.ones((len(values), 1)), people, items)
    between_people, between_items = map(float, fitted.vcomp)
    return RaterVariances(between_people, between_items, float(fitted.scale))


def crossed_effects(
    values: ArrayLike, effects: Mapping[str, ArrayLike], people: Sequence[str], items: Sequence[str]
) -> dict[str, Estimate]:
    """Estimate fixed effects on answers, with crossed random effects of people and items, by statsmodels' REML.

    Args:
        values: one or more answers for each person and item, length n.
        effects: name -> value of the effect in each answer, length n; its mean is subtracted.
        people: person of each answer.
        items: item of each answer.

    Returns:
        "mean", the mean answer at the mean of all effects; and each effect for one unit of its value. Intervals are
        ± t times the standard error. The degrees of freedom are one less than the number of people or of items,
        whichever is smaller.
    """
    x = np.asarray(values, dtype=float)
    columns = [np.asarray(effect, dtype=float) for effect in effects.values()]
    design = np.column_stack([np.ones(len(x)), *(column - column.mean() for column in columns)])
    reach = student(min(len(set(people)), len(set(items))) - 1)
    fitted = _crossed(x, design, people, items)
    return {
        name: Estimate(value, len(x), value - reach * error, value + reach * error)
        for name, value, error in zip(
            ("mean", *effects), map(float, fitted.fe_params), map(float, fitted.bse_fe), strict=True
        )
    }


def _crossed(values: np.ndarray, design: np.ndarray, people: Sequence[str], items: Sequence[str]) -> Any:
    """Fit a linear model with crossed random effects, and return the result of statsmodels."""
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    codes = [np.unique(names, return_inverse=True)[1] for names in (people, items)]
    designs = [np.eye(code.max() + 1)[code] for code in codes]
    columns = [[f"{i}" for i in range(each.shape[1])] for each in designs]
    effects = VCSpec(["people", "items"], [[names] for names in columns], [[each] for each in designs])
    model = MixedLM(values, design, groups=np.zeros(len(values)), exog_vc=effects)
    with warnings.catch_warnings():  # a variance may be 0, the least value
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", UserWarning)
        return model.fit(reml=True)


def krippendorff_alpha(
    answers: ArrayLike, people: Sequence[str], items: Sequence[str], level: Literal["nominal", "ordinal", "interval"]
) -> float:
    """Return Krippendorff's alpha of answers, from the package krippendorff; NaN if it is undefined.

    Args:
        answers: answer for each person and item, length n. The last of several answers counts; NaN is ignored.
        people: person of each answer.
        items: item of each answer.
        level: level of measurement.

    >>> round(krippendorff_alpha([1, 1, 2, 2, 1, 2], list("ababab"), list("xxyyzz"), "nominal"), 3)
    0.444
    """
    import krippendorff

    rows, columns = (np.unique(names, return_inverse=True)[1] for names in (people, items))
    table = np.full((rows.max(initial=-1) + 1, columns.max(initial=-1) + 1), math.nan)
    table[rows, columns] = np.asarray(answers, dtype=float)
    counts = np.isfinite(table).sum(0)
    paired = table[:, counts > 1]
    if len(np.unique(paired[np.isfinite(paired)])) < 2:
        return math.nan
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement=level))


def order_within(scores: ArrayLike, ratings: ArrayLike, groups: Sequence[str]) -> Estimate:
    """Return the share of pairs of items in a group whose scores have the order of the ratings.

    Pairs with equal ratings are ignored. Equal scores count half. The interval is clustered by group.

    Args:
        scores: score of each item.
        ratings: mean rating of each item; NaN is ignored.
        groups: group of each item, for example its image.

    >>> order_within([1, 2, 3, 5, 4], [1, 2, 2, 1, 2], list("aaabb")).value
    0.6666666666666666
    """
    scored, rated = np.asarray(scores, dtype=float), np.asarray(ratings, dtype=float)
    hits, clusters = [], []
    for i, j in combinations(range(len(scored)), 2):
        if groups[i] == groups[j] and (apart := rated[i] - rated[j]) != 0 and not math.isnan(apart):
            hits.append(0.5 + 0.5 * float(np.sign((scored[i] - scored[j]) * apart)))
            clusters.append(groups[i])
    return clustered_share(hits, clusters) if hits else Estimate(math.nan, 0)
