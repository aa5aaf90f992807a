"""Strengths of rivals from paired comparisons (Bradley & Terry 1952)."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray


def bradley_terry(wins: ArrayLike) -> NDArray[np.float64]:
    """Return log strengths with mean 0, by maximum likelihood: P(i beats j) = 1 / (1 + exp(s_j - s_i)).

    Statsmodels fits the strengths as a logistic regression without an intercept.

    Args:
        wins: wins of the rival of each row over the rival of each column, shape (m, m); fractions are valid.

    Returns:
        Strengths, shape (m,). All are NaN if the data do not determine the strengths: the rivals fall into two groups
        that never met, or no rival of one group ever lost to a rival of the other (Ford 1957).

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
        warnings.simplefilter("ignore", PerfectSeparationWarning)  # the fit of equal rivals is perfect
        fitted = GLM(won / met, design[:, :-1], family=families.Binomial(), var_weights=met).fit(tol=1e-12)
    strengths = np.append(fitted.params, 0.0)
    return np.asarray(strengths - strengths.mean())
