"""Context managers that record or change a forward pass, and that remove only their own hooks.

Hooks are the slow, plain way to intervene, for questions that the cached engine does not answer and for its tests.
Beware of pyvene: each forward pass of pyvene removes *all* hooks of a model, including these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Streams, Tensor


@contextmanager
def capture(clip: Clip, sites: list[Site]) -> Iterator[dict[Site, Float[Tensor, "n t d"]]]:
    """Record the residual stream, all positions, at each site during the forward passes of the body.

    Yields:
        A dictionary that each forward pass fills again; tensors keep their graph.
    """
    seen: dict[Site, Tensor] = {}

    def recorder(site: Site) -> Callable[..., None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            seen[site] = output[0] if isinstance(output, tuple) else output

        return hook

    handles = []
    try:
        for site in sites:
            handles.append(site.module(clip).register_forward_hook(recorder(site)))
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def changed_output(output: Any, index: Int[Tensor, " n"], change: Callable[[Streams], Streams]) -> Any:
    """Return the output of a module with the stream at one position of each input changed; other parts are kept."""
    hidden = output[0] if isinstance(output, tuple) else output
    rows, where = torch.arange(len(hidden), device=hidden.device), index.to(hidden.device)
    changed = hidden.index_put((rows, where), change(hidden[rows, where]))
    return (changed, *output[1:]) if isinstance(output, tuple) else changed


@contextmanager
def patch(clip: Clip, site: Site, index: Int[Tensor, " n"], change: Callable[[Streams], Streams]) -> Iterator[None]:
    """Replace the stream at a site during the forward passes of the body.

    Args:
        index: position of the stream in each input of the batch (see `Site.index`).
        change: function from the stream, shape (n, d), to its replacement.
    """

    def hook(_module: Any, _inputs: Any, output: Any) -> Any:
        return changed_output(output, index, change)

    handle = site.module(clip).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
