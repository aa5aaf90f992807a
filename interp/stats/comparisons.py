"""Strengths of rivals from paired comparisons (Bradley & Terry 1952)."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bradley_terry(wins: ArrayLike) -> NDArray[np.float64]:
    """Return log strengths with mean 0, by maximum likelihood: P(i beats j) = 1 / (1 + exp(s_j - s_i)).

    It is a logistic regression without intercept, fitted by statsmodels.

    Args:
        wins: how often each rival of a row beat each rival of a column, shape (m, m), not necessarily whole numbers.

    Returns:
        Shape (m,). All NaN where the data say nothing of some order: rivals fall into two groups, and none of the
        first ever lost to one of the second, or they never met (Ford 1957).

    >>> bradley_terry([[0, 3], [1, 0]]).round(4).tolist()
    [0.5493, -0.5493]
    """
    from scipy.sparse.csgraph import connected_components
    from statsmodels.api import GLM, families
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    counts = np.asarray(wins, np.float64)
    m = len(counts)
    if connected_components(counts > 0, connection="strong")[0] != 1:
        return np.full(m, np.nan)
    rows = [(i, j) for i in range(m) for j in range(i + 1, m) if counts[i, j] + counts[j, i] > 0]
    design = np.zeros((len(rows), m))
    for row, (i, j) in enumerate(rows):
        design[row, i], design[row, j] = 1.0, -1.0
    won = np.array([counts[i, j] for i, j in rows])
    met = won + np.array([counts[j, i] for i, j in rows])
    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", PerfectSeparationWarning)  # of equal rivals, whose fit is perfect
        fitted = GLM(won / met, design[:, :-1], family=families.Binomial(), var_weights=met).fit(tol=1e-12)
    strengths = np.append(fitted.params, 0.0)
    return np.asarray(strengths - strengths.mean())
