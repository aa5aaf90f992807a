"""Shape aliases for signatures (jaxtyping; checked at run time in tests only), and bytes of tensors for checksums."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Embeddings = Float[Tensor, "n embed"]
Streams = Float[Tensor, "n d"]
Basis = Float[Tensor, "d k"]
Pixels = Float[Tensor, "n channels height width"]

__all__ = ["Basis", "Bool", "Embeddings", "Float", "Int", "Pixels", "Streams", "Tensor", "bytes_of"]


def bytes_of(tensor: Tensor) -> memoryview:
    """Return the numbers of a tensor as bytes, in the order of its indices."""
    flat = tensor.detach().cpu().contiguous().view(-1)
    # torch calls a single number contiguous for any stride, but only stride 1 can be viewed as bytes.
    return flat.as_strided(flat.shape, (1,)).view(torch.uint8).numpy().data
