"""Interchange of Z: one stream takes the value that Z has in another stream."""

from __future__ import annotations

import torch

from interp.clip.tensors import Basis, Float, Tensor


def swap(base: Float[Tensor, "*n d"], source: Float[Tensor, "*n d"], basis: Basis) -> Float[Tensor, "*n d"]:
    """Return the base stream with the value that Z has in the source stream.

    h <- h_base + R R' (h_source - h_base) (Geiger et al. 2024, eq. 3). The basis is cast to the stream's dtype.
    Autocast is disabled, since it would round the basis to half precision.
    """
    basis = basis.to(base)
    with torch.autocast(base.device.type, enabled=False):
        return base + ((source - base) @ basis) @ basis.T
