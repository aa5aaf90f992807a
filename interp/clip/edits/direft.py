"""DiReFT: an affine function of the stream of rank k is added to the stream (Wu et al. 2024)."""

from __future__ import annotations

from interp.clip.edits.kind import Kind, Tensors
from interp.clip.tensors import Float, Tensor


def _change(h: Float[Tensor, "*n d"], tensors: Tensors) -> Float[Tensor, "*n d"]:
    """Return h + V' (W h + b) (arXiv 2404.03592, eq. 3)."""
    return h + (h @ tensors["weight"].T + tensors["bias"]) @ tensors["rows"]


KIND = Kind(
    "direft",
    {"rows": "kd", "weight": "kd", "bias": "k"},
    _change,
    "h + (h @ weight.T + bias) @ rows",
    "An affine function of the stream of rank k is added to the stream (DiReFT).",
)
