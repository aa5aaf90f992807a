"""The interface of a component of a block. Each component is a file of this folder, and a line in its registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from interp.clip.blocks import Parts
from interp.clip.tensors import Float, Tensor


@dataclass(frozen=True)
class Component:
    """A vector that each block of a tower computes at each position, and a way to continue the block from it.

    `split` and `join` fit together: if `value, rest = split(parts)`, then `join(block, rest, value)` is `parts.after`.
    Another value in its place gives the stream that follows when this value is changed, and nothing before it.

    Attributes:
        name: the name in a site's label.
        pyvene: the name in pyvene's tables, see `interp.clip.pyvene.COMPONENTS`.
        module: from a block, and its parts by the engine's names, to the module whose output is the value; for hooks.
        split: from the parts of a block's output to the value, and to the rest that `join` needs. The rest has as many
            rows; it is None if nothing is needed.
        join: from a block, the rest and a value, both of shape (..., d), to the output stream of the block.
    """

    name: str
    pyvene: str
    module: Callable[[nn.Module, Any], nn.Module]
    split: Callable[[Parts], tuple[Float[Tensor, "*n d"], Float[Tensor, "*n d"] | None]]
    join: Callable[[Any, Any, Float[Tensor, "*n d"]], Float[Tensor, "*n d"]]
