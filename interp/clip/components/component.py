"""Interface of a component of a block. Each component is one file in this folder and one line in the registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from interp.clip.blocks import Parts
from interp.clip.tensors import Float, Tensor


@dataclass(frozen=True)
class Component:
    """Vector that each block of a tower computes at each position, and a way to continue the block from this vector.

    `split` and `join` fit together: if `value, rest = split(parts)`, then `join(block, rest, value)` is `parts.after`.
    With another value, `join` returns the stream that follows when only this value is changed.

    Attributes:
        name: name in a site's label.
        pyvene: name in pyvene's tables, see `interp.clip.pyvene.COMPONENTS`.
        module: function from a block, and its parts by the engine's names, to the module whose output is the value; for
            hooks.
        split: function from the parts of a block's output to the value, and to the rest that `join` needs. The rest has
            as many rows as the value; it is None if `join` needs nothing.
        join: function from a block, the rest and a value, both of shape (..., d), to the output stream of the block.
    """

    name: str
    pyvene: str
    module: Callable[[nn.Module, Any], nn.Module]
    split: Callable[[Parts], tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"] | None]]
    join: Callable[[Any, Any, Float[Tensor, "*n d"]], Float[Tensor, "*n d"]]
