"""Erasure: Z takes one neutral value in every text, halfway between the kinds."""

from __future__ import annotations

from interp.clip.edits.kind import Kind, Tensors
from interp.clip.swap import swap
from interp.clip.tensors import Float, Tensor


def replace_z(h: Float[Tensor, "*n d"], tensors: Tensors) -> Float[Tensor, "*n d"]:
    """Return streams with Z set to one value: h + R R' (v - h)."""
    return swap(h, tensors["value"].expand_as(h), tensors["basis"])


FORMULA = "h + (value - h) @ basis @ basis.T"  # formula of `replace_z`

KIND = Kind("erase", {"basis": "dk", "value": "d"}, replace_z, FORMULA, "Z takes one neutral value in every text.")
