"""Changes of the stream after a block, at EOT or CLS, that a model makes itself; see `interp.clip.edited`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp.clip.tensors import Float, Tensor

Change = Callable[[Float[Tensor, "*n d"]], Float[Tensor, "*n d"]]
CHANGES = "stream_changes"  # name of the attribute of a block


def changes_of(block: Any) -> tuple[Change, ...]:
    """Return the changes of the stream after a block, in their order."""
    found: tuple[Change, ...] = getattr(block, CHANGES, ())
    return found


def changed(block: Any, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Return streams at EOT or CLS after a block, as its changes leave them."""
    for change in changes_of(block):
        h = change(h)
    return h
