"""The interchange itself: one stream is given the value that Z has in another."""

from __future__ import annotations

import torch

from interp.clip.tensors import Basis, Float, Tensor


def swap(base: Float[Tensor, "*n d"], source: Float[Tensor, "*n d"], basis: Basis) -> Float[Tensor, "*n d"]:
    """Give the base stream the value that Z has in the source stream.

    h <- h_base + R R' (h_source - h_base) (Geiger et al. 2024, eq. 3). The basis is cast to the stream's dtype, and
    autocast, which would round it to half precision, is kept out.
    """
    basis = basis.to(base)
    with torch.autocast(base.device.type, enabled=False):
        return base + ((source - base) @ basis) @ basis.T
