"""Correlations and regressions of many samples at once, from the covariances of each sample."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

LEAST = 1e-12  # rounding error of a variance of 1


def covariances(
    columns: Float[np.ndarray, "*samples p n"], weights: Float[np.ndarray, "draws n"]
) -> Float[np.ndarray, "draws p p"]:
    """Return the covariances of variables in each sample, scaled to variances of about 1.

    Args:
        columns: variables without NaN, shape (p, n) if all samples share them, else (draws, p, n).
        weights: weight of each unit in each sample.
    """
    spread = columns.std(-1, keepdims=True)
    z = (columns - columns.mean(-1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    w = weights / weights.sum(1, keepdims=True)
    if z.ndim == 2:
        count = len(z)
        means = w @ z.T
        second = (w @ (z[:, None] * z).reshape(count * count, -1).T).reshape(-1, count, count)
    else:
        means = np.einsum("dn,dpn->dp", w, z)
        second = np.einsum("dpn,dqn->dpq", z * w[:, None], z, optimize=True)
    return second - means[:, :, None] * means[:, None]


def covariances_without_each(columns: Float[np.ndarray, "p n"]) -> Float[np.ndarray, "n p p"]:
    """Return, for each unit, the covariances of all other units, scaled as in `covariances`.

    Args:
        columns: variables without NaN.
    """
    n, spread = columns.shape[1], columns.std(-1, keepdims=True)
    z = (columns - columns.mean(-1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    means = (z.sum(1) - z.T) / (n - 1)
    second = (z @ z.T - np.einsum("pn,qn->npq", z, z)) / (n - 1)
    return second - means[:, :, None] * means[:, None]


def partial(covariance: Float[np.ndarray, "draws p p"]) -> Float[np.ndarray, " draws"]:
    """Return the correlation of the first two variables given the others; NaN if one of the two does not vary."""
    two = covariance[:, :2, :2]
    if covariance.shape[1] > 2:
        across = covariance[:, :2, 2:]
        two = two - across @ _inverse(covariance[:, 2:, 2:]) @ across.transpose(0, 2, 1)
    a, b = two[:, 0, 0], two[:, 1, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        r = two[:, 0, 1] / np.sqrt(np.where((a > LEAST) & (b > LEAST), a * b, np.nan))
    return np.clip(r, -1.0, 1.0)


def coefficients(covariance: Float[np.ndarray, "draws p p"]) -> Float[np.ndarray, "draws q"]:
    """Return the standardized coefficients of a regression of the first variable on the others, shape (draws, q).

    Coefficients are NaN if a variable does not vary or the predictors are collinear.
    """
    variances = np.diagonal(covariance, axis1=1, axis2=2)
    defined = (variances > LEAST).all(1)
    scale = np.sqrt(np.where(variances > LEAST, variances, 1.0))
    r = covariance / scale[:, :, None] / scale[:, None]
    defined &= np.linalg.eigvalsh(r[:, 1:, 1:])[:, 0] > 1e-10
    r[~defined] = np.eye(r.shape[1])
    betas = np.linalg.solve(r[:, 1:, 1:], r[:, 1:, :1])[:, :, 0]
    return np.where(defined[:, None], betas, np.nan)


def _inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pseudo-inverses of symmetric matrices, in which directions without variance are 0."""
    values, vectors = np.linalg.eigh(matrix)
    inverse = np.where(values > LEAST, 1 / np.where(values > LEAST, values, 1.0), 0.0)
    return (vectors * inverse[:, None]) @ vectors.transpose(0, 2, 1)
