"""LEACE: the least change of the stream that hides the kinds from all linear functions of it (Belrose et al. 2023)."""

from __future__ import annotations

import torch

from interp.clip.edits.kind import Kind, Tensors
from interp.clip.tensors import Float, Tensor

_SMALL = 1e-9  # share of the largest eigenvalue; below it, streams count as constant


def _change(h: Float[Tensor, "*n d"], tensors: Tensors) -> Float[Tensor, "*n d"]:
    """Return h - L R (h - m), a change of rank k."""
    return h - ((h - tensors["value"]) @ tensors["right"].T) @ tensors["left"].T


def fit(streams: Float[Tensor, "n d"], labels: Float[Tensor, "n c"]) -> dict[str, Tensor]:
    """Return the tensors of the eraser of labels, in closed form (arXiv 2306.03819, theorem 4.3).

    With the covariance S of the streams, W = S^(-1/2) and the orthogonal projection P onto the columns of W S_xz, the
    eraser is h - W^+ P W (h - m).

    Args:
        streams: streams to fit.
        labels: labels of these streams; one column for two kinds.

    Returns:
        ``left``, shape (d, k), ``right``, shape (k, d), and ``value``, the mean m; float64.
    """
    x, z = streams.double(), labels.double()
    mean = x.mean(0)
    centred = x - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(x))
    kept = values > _SMALL * values[-1]
    roots, vectors = values[kept].sqrt(), vectors[:, kept]
    cross = centred.T @ (z - z.mean(0)) / len(x)
    whiten, unwhiten = (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T
    u, s, _ = torch.linalg.svd(whiten @ cross, full_matrices=False)
    u = u[:, s > 1e-12 * max(1.0, float(s.max()))] if len(s) else u
    return {"left": unwhiten @ u, "right": u.T @ whiten, "value": mean}


KIND = Kind(
    "leace",
    {"left": "dk", "right": "kd", "value": "d"},
    _change,
    "h - (h - value) @ right.T @ left.T",
    "No linear function of the stream tells the kinds of the fitted texts apart (LEACE).",
)
