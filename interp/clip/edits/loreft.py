"""LoReFT: in k orthonormal directions the stream is replaced by an affine function of the stream (Wu et al. 2024)."""

from __future__ import annotations

from interp.clip.edits.kind import Kind, Tensors
from interp.clip.tensors import Float, Tensor


def _change(h: Float[Tensor, "*n d"], tensors: Tensors) -> Float[Tensor, "*n d"]:
    """Return h + R' (W h + b - R h), with the rows of R orthonormal (arXiv 2404.03592, eq. 2)."""
    rows = tensors["rows"]
    return h + (h @ tensors["weight"].T + tensors["bias"] - h @ rows.T) @ rows


KIND = Kind(
    "loreft",
    {"rows": "kd", "weight": "kd", "bias": "k"},
    _change,
    "h + (h @ weight.T + bias - h @ rows.T) @ rows",
    "In k orthonormal directions the stream is replaced by an affine function of the stream (LoReFT).",
)
