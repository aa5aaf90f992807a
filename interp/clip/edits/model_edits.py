"""Edits of a loaded model, and the merge of an edit into the weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from interp.clip.changes import changes_of
from interp.clip.edits.edit import Edit, EditError
from interp.clip.families.family import Tower
from interp.clip.model import Clip


def edits_of(clip: Clip) -> list[Edit]:
    """Return the edits of a model, in the order in which they act."""
    blocks = [block for tower in get_args(Tower) for block in clip.family.blocks(clip.model, tower)]
    return [change for block in blocks for change in changes_of(block) if isinstance(change, Edit)]


def merge_edit(clip: Clip, edit: Edit) -> Clip:
    """Return a copy of an edited CLIP with the edit merged into the weights, exact up to rounding.

    After the last block only EOT or CLS is read, so a constant shift of the stream there equals a shift of the block's
    bias.

    Args:
        clip: CLIP with this edit and no other.

    Raises:
        EditError: the edit cannot be merged into the weights.
    """
    site, last = edit.site, clip.depth(edit.site.tower)
    if site.layer != last:
        raise EditError(
            f"the edit at {site} cannot be merged: weights act at every position, and blocks above layer {site.layer} "
            f"also read positions other than {site.position}; only an edit at the last layer, {last}, can be merged"
        )
    if (shift := edit.shift) is None:
        raise EditError(
            f"this edit of kind '{edit.kind}' cannot be merged: its change depends on the stream; only a constant "
            "shift can be merged"
        )
    model: Any = type(clip.model)(clip.model.config)
    model.load_state_dict(clip.model.state_dict())
    model.to(clip.device, clip.model.dtype).eval().requires_grad_(False)
    bias = clip.family.parts(clip.family.blocks(model, site.tower)[site.block]).mlp.fc2.bias
    bias += shift.to(bias)
    return replace(clip, model=model)
