"""Numbers about numbers: correlations with intervals, shares with intervals, IIA. Plain functions of arrays."""

from interp.stats.correlation import CorrelationMethod, correlate, difference, mean_correlation, pearson
from interp.stats.estimate import Estimate, resamples
from interp.stats.shares import (
    clustered_share,
    iia_outcomes,
    macro_f1,
    mean_of_means,
    preference,
    standard_error,
    wilson,
)

__all__ = [
    "CorrelationMethod", "Estimate", "clustered_share", "correlate", "difference", "iia_outcomes", "macro_f1",
    "mean_correlation", "mean_of_means", "pearson", "preference", "resamples", "standard_error", "wilson",
]  # fmt: skip
