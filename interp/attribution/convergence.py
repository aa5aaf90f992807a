"""How many points a path integral needs: as many as make a text's attributions add up to its difference of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.integral import PathSettings, Shared, integrate
from interp.attribution.result import relative_delta
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Embeddings
from interp.subspaces.subspace import Subspace

MOST_DOUBLINGS = 4  # 16 times the points that were asked for; a text that still misses then is reported


def integrate_until(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    layer: int,
    subspaces: Mapping[str, Subspace],
    settings: PathSettings,
    tolerance: float | None,
) -> tuple[Shared, dict[str, np.ndarray]]:
    """`integrate`, again with twice the points for those texts alone that miss a tolerance, until none does.

    Args:
        tolerance: largest `relative_delta` of a text; None to take `settings.n_steps` points and no more.

    Returns:
        As `integrate`; `Shared.points` tells how many points each text got.

    Raises:
        ValueError: see `integrate`; or the tolerance is not positive.
    """
    if tolerance is None:
        return integrate(clip, tokens, images, layer, subspaces, settings)
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, got {tolerance}")
    settings = replace(settings, routes=(*settings.routes, "full"))  # what a text converges by
    shared, through = integrate(clip, tokens, images, layer, subspaces, settings)
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    for doubling in range(1, MOST_DOUBLINGS + 1):
        rows = torch.from_numpy(np.flatnonzero(_missed(shared) > tolerance))
        if len(rows) == 0:
            break
        some = tokens.take(rows)
        finer = replace(
            settings,
            n_steps=settings.n_steps * 2**doubling,
            baselines=given[rows, : some.ids.shape[1]],
        )
        again, again_through = integrate(clip, some, images[rows], layer, subspaces, finer)
        _put(shared, again, rows.numpy())
        for name, values in again_through.items():
            through[name][rows.numpy(), : values.shape[1]] = values
    return shared, through


def points_needed(
    clip: Clip, tokens: Tokens, images: Embeddings, settings: PathSettings, tolerance: float | None
) -> np.ndarray:
    """How many points `integrate_until` takes for each of n texts, found by their `full` route alone, shape (n,)."""
    full = replace(settings, routes=("full",))
    return integrate_until(clip, tokens, images, 0, {}, full, tolerance)[0].points


def _missed(shared: Shared) -> np.ndarray:
    if shared.full is None:
        raise RuntimeError("the full attributions were not computed")
    return relative_delta(shared.full, shared.score, shared.baseline_score)


def _put(shared: Shared, again: Shared, rows: np.ndarray) -> None:
    """Write the attributions of some texts over those that were there."""
    for whole, part in ((shared.stream, again.stream), (shared.full, again.full)):
        if whole is not None and part is not None:
            whole[rows, : part.shape[1]] = part
    shared.points[rows] = again.points
