"""Exact interchange interventions on clean runs, which are cheap since only the changed position runs again."""

from __future__ import annotations

import torch

from interp.clip.modes import no_gradients
from interp.clip.sites import SiteMismatch
from interp.clip.tensors import Embeddings, Tensor
from interp.subspaces.clean_run import Run
from interp.subspaces.subspace import Subspace


@no_gradients()
def interchange(base: Run, source: Run, subspace: Subspace, *, batch_size: int = 128) -> Embeddings:
    """Embed each base input with its subspace *Z* set to the value that *Z* has in the source input.

    With a rotation R: h <- h_base + R R' (h_source - h_base) at its site (Geiger et al. 2024, eq. 3).

    Args:
        base: clean run of n inputs, which kept the subspace's site.
        source: clean run of n inputs of the same tower.
        subspace: Z, such as a `Rotation`, and its site.

    Returns:
        Unit-norm embeddings, shape (n, embed).

    Raises:
        SiteMismatch: runs and subspace are of different towers, sites, widths or lengths.
        SiteError: the model has no such site.
    """
    site = subspace.site
    if not base.tower == source.tower == site.tower:
        raise SiteMismatch(f"a subspace at {site.label} needs {site.tower} runs, got {base.tower} and {source.tower}")
    if len(base) != len(source):
        raise SiteMismatch(f"base and source need equally many inputs, got {len(base)} and {len(source)}")
    subspace.check(base.clip)
    out: Tensor | None = None
    for rows in base.batches(batch_size):
        bases, sources = base.take(rows), source.take(rows)
        h = subspace.swap(bases.stream(site), sources.stream(site))
        pushed = bases.push(site, h)
        out = torch.empty(len(base), pushed.shape[1], dtype=pushed.dtype, device=pushed.device) if out is None else out
        out[rows] = pushed
    return torch.empty(0, base.clip.embed_dim) if out is None else out
