"""Models with edits: after some blocks, a function of the stream replaces the stream at EOT or CLS.

For the model's own forward pass, which captum and plain transformers code call, a change is a hook on the block. The
engine runs the parts of blocks and no hooks, so it reads the changes from the block (`interp.clip.changes`). The value
at the site is the changed value, as a hook that is registered later sees it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from interp.clip.changes import CHANGES, Change, changes_of
from interp.clip.families import family_of
from interp.clip.hooks import changed_output
from interp.clip.model import Clip
from interp.clip.sites import BLOCK, Site, SiteError
from interp.clip.tensors import Tensor


@contextmanager
def edited(clip: Clip, site: Site, change: Change) -> Iterator[None]:
    """Change the stream at a site of a model during the body, and restore the model on exit.

    Args:
        change: function from streams, shape (..., d), to streams; differentiable.

    Raises:
        SiteError: the model does not have the site, or the site is not in the residual stream.
    """
    remove = _attach(clip, site, change)
    try:
        yield
    finally:
        remove()


def with_change(clip: Clip, site: Site, change: Change, name: str, fingerprint: str) -> Clip:
    """Return a copy of a CLIP that shares its weights, with the stream at a site changed.

    Args:
        change: function from streams, shape (..., d), to streams; differentiable.
        name: name of the copy.
        fingerprint: checksum of the change.

    Raises:
        SiteError: the model does not have the site, or the site is not in the residual stream.
    """
    weights = [*clip.model.parameters(), *clip.model.buffers()]
    model = copy.deepcopy(clip.model, {id(tensor): tensor for tensor in weights})
    images = clip.image_fingerprint if site.tower == "text" else f"{clip.image_fingerprint}+{fingerprint}"
    result = replace(
        clip, name=name, model=model, fingerprint=f"{clip.fingerprint}+{fingerprint}", image_fingerprint=images
    )
    _attach(result, site, change)
    return result


def _attach(clip: Clip, site: Site, change: Change) -> Callable[[], None]:
    """Add a change to a block, for the engine and for the model's own forward pass; return a function to remove it."""
    if site.component != BLOCK:
        raise SiteError(f"an edit changes the residual stream, so the site must be a block's output, not {site}")
    block = site.module(clip)
    whole, _ = family_of(clip.model).whole(clip.model, site.tower)
    ids: list[Tensor] = []

    def note(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        given = named.get("input_ids", args[0] if args else None)
        ids[:] = [given] if isinstance(given, Tensor) else []

    def hook(_module: nn.Module, _inputs: Any, output: Any) -> Any:
        if site.tower == "vision":
            hidden = output[0] if isinstance(output, tuple) else output
            return changed_output(output, torch.zeros(len(hidden), dtype=torch.long), change)
        if not ids:
            raise SiteError(f"the edit at {site} needs the positions of EOT: call the model with input_ids")
        return changed_output(output, (ids[0] == clip.eot).int().argmax(-1), change)

    handles = [block.register_forward_hook(hook)]
    if site.tower == "text":
        handles.append(whole.register_forward_pre_hook(note, with_kwargs=True))
    before = changes_of(block)
    setattr(block, CHANGES, (*before, change))

    def remove() -> None:
        for handle in handles:
            handle.remove()
        setattr(block, CHANGES, tuple(other for other in changes_of(block) if other is not change))

    return remove
