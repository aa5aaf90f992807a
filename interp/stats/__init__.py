"""Statistics as plain functions of arrays: IIA, correlations, means, shares and ratios with intervals."""

from interp.stats.clusters import (
    clustered_mean,
    clustered_share,
    independent_difference,
    paired_difference,
    standard_error,
    too_few,
)
from interp.stats.correlation import CorrelationMethod, correlate, difference, mean_correlation, pearson
from interp.stats.estimate import Estimate, resamples
from interp.stats.grid import GridTests, max_statistic
from interp.stats.pareto import pareto_front
from interp.stats.raters import RaterVariances, crossed_effects, krippendorff_alpha, order_within, rater_variances
from interp.stats.ratios import Yardstick, measured_mean, ratio, ratio_to, yardstick
from interp.stats.reliability import Disattenuated, disattenuate
from interp.stats.shares import iia_outcomes, macro_f1, mean_of_means, placement, preference, settled, wilson
from interp.stats.spread import student
from interp.stats.words import Occurrences, correlate_words, regress_words

__all__ = [
    "CorrelationMethod",
    "Disattenuated",
    "Estimate",
    "GridTests",
    "Occurrences",
    "RaterVariances",
    "Yardstick",
    "clustered_mean",
    "clustered_share",
    "correlate",
    "correlate_words",
    "crossed_effects",
    "difference",
    "disattenuate",
    "iia_outcomes",
    "independent_difference",
    "krippendorff_alpha",
    "macro_f1",
    "max_statistic",
    "mean_correlation",
    "mean_of_means",
    "measured_mean",
    "order_within",
    "paired_difference",
    "pareto_front",
    "pearson",
    "placement",
    "preference",
    "rater_variances",
    "ratio",
    "ratio_to",
    "regress_words",
    "resamples",
    "settled",
    "standard_error",
    "student",
    "too_few",
    "wilson",
    "yardstick",
]
