"""Interface of a kind of edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from interp.clip.tensors import Float, Tensor

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Kind:
    """Form of a change of a stream, as a function of that stream.

    Attributes:
        name: name in files.
        shapes: name of each tensor -> its shape in the letters d (width of the stream) and k (size of the edit).
        change: function from streams, shape (..., d), and the tensors in the dtype of the streams to the changed
            streams.
        formula: the change as Python code of ``h`` and the names of the tensors, for cards.
        about: effect of the edit, as a sentence for a card.
    """

    name: str
    shapes: Mapping[str, str]
    change: Callable[[Float[Tensor, "*n d"], Tensors], Float[Tensor, "*n d"]]
    formula: str
    about: str
