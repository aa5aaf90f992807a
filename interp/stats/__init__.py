"""Numbers about numbers: correlations, means, shares and ratios with intervals, IIA. Plain functions of arrays."""

from interp.stats.clusters import clustered_mean, clustered_share, paired_difference, ratio, standard_error
from interp.stats.correlation import CorrelationMethod, correlate, difference, mean_correlation, pearson
from interp.stats.estimate import Estimate, resamples
from interp.stats.shares import iia_outcomes, macro_f1, mean_of_means, preference, wilson

__all__ = [
    "CorrelationMethod", "Estimate", "clustered_mean", "clustered_share", "correlate", "difference", "iia_outcomes",
    "macro_f1", "mean_correlation", "mean_of_means", "paired_difference", "pearson", "preference", "ratio", "resamples",
    "standard_error", "wilson",
]  # fmt: skip
