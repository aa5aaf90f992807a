"""Changes of the stream after a block, at EOT or CLS, that a model makes; see `interp.clip.edits.edited_model`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interp.clip.tensors import Float, Int, Tensor

Change = Callable[[Float[Tensor, "*n d"]], Float[Tensor, "*n d"]]
CHANGES = "stream_changes"  # name of the attribute of a block


def changes_of(block: Any) -> tuple[Change, ...]:
    """Return the changes of the stream after a block, in their order."""
    changes: tuple[Change, ...] = getattr(block, CHANGES, ())
    return changes


def changed(block: Any, h: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
    """Return streams at EOT or CLS after a block, with the changes of the block applied."""
    for change in changes_of(block):
        h = change(h)
    return h


def changed_at(block: Any, after: Float[Tensor, "total d"], ends: Int[Tensor, " n"]) -> Float[Tensor, "total d"]:
    """Return packed streams of all positions after a block, with its changes applied in the rows of EOT or CLS."""
    return after.index_copy(0, ends, changed(block, after[ends])) if changes_of(block) else after
