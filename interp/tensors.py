"""Shape aliases, so that a signature says what a tensor is (jaxtyping; checked at run time in the tests only)."""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

Embeddings = Float[Tensor, "n embed"]
Streams = Float[Tensor, "n d"]
Basis = Float[Tensor, "d k"]
Pixels = Float[Tensor, "n channels height width"]

__all__ = ["Basis", "Bool", "Embeddings", "Float", "Int", "Pixels", "Streams", "Tensor"]
