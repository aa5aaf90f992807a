"""Gain: the deviation of Z from a middle is multiplied by 1 + alpha."""

from __future__ import annotations

from interp.clip.edits.kind import Kind, Tensors
from interp.clip.tensors import Float, Tensor


def _change(h: Float[Tensor, "*n d"], tensors: Tensors) -> Float[Tensor, "*n d"]:
    """Return h + alpha R R' (h - m).

    An alpha of 0 returns h itself, bit for bit, and an alpha of -1 gives the result of an erasure.
    """
    alpha, basis = tensors["alpha"], tensors["basis"]
    if not alpha:
        return h
    return h + ((tensors["value"] - h) @ basis) @ basis.T * -alpha


KIND = Kind(
    "gain",
    {"basis": "dk", "value": "d", "alpha": ""},
    _change,
    "h + alpha * (h - value) @ basis @ basis.T",
    "The deviation of Z from the middle between the kinds is multiplied by 1 + alpha.",
)
