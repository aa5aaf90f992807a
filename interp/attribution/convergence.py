"""Number of points of a path integral that make a text's attributions add up to its difference of scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from interp.attribution.baselines import default_baselines
from interp.attribution.integral import CommonPart, PathSettings, integrate
from interp.attribution.result import relative_delta
from interp.clip.model import Clip, Tokens
from interp.clip.tensors import Embeddings
from interp.subspaces.subspace import Subspace

MOST_DOUBLINGS = 4  # up to 16 times the requested points; a text that still misses the tolerance is reported


def integrate_until(
    clip: Clip,
    tokens: Tokens,
    images: Embeddings,
    layer: int,
    subspaces: Mapping[str, Subspace],
    settings: PathSettings,
    tolerance: float | None,
) -> tuple[CommonPart, dict[str, np.ndarray]]:
    """Run `integrate`, and repeat it with twice the points for texts that miss a tolerance, until all texts meet it.

    Args:
        clip, tokens, images, layer, subspaces, settings: see `integrate`.
        tolerance: largest `relative_delta` of a text; None to take exactly `settings.n_steps` points.

    Returns:
        The results of `integrate`; `CommonPart.points` holds the number of points of each text.

    Raises:
        ValueError: see `integrate`; or the tolerance is not positive.
    """
    if tolerance is None:
        return integrate(clip, tokens, images, layer, subspaces, settings)
    if not tolerance > 0:
        raise ValueError(f"the tolerance must be positive, got {tolerance}")
    settings = replace(settings, routes=(*settings.routes, "full"))  # convergence is judged by this route
    shared, through = integrate(clip, tokens, images, layer, subspaces, settings)
    given = settings.baselines if settings.baselines is not None else default_baselines(clip, tokens)
    for doubling in range(1, MOST_DOUBLINGS + 1):
        rows = torch.from_numpy(np.flatnonzero(_relative_errors(shared) > tolerance))
        if len(rows) == 0:
            break
        unconverged = tokens.take(rows)
        finer = replace(
            settings,
            n_steps=settings.n_steps * 2**doubling,
            baselines=given[rows, : unconverged.ids.shape[1]],
        )
        again, again_through = integrate(clip, unconverged, images[rows], layer, subspaces, finer)
        _put(shared, again, rows.numpy())
        for name, values in again_through.items():
            through[name][rows.numpy(), : values.shape[1]] = values
    return shared, through


def points_needed(
    clip: Clip, tokens: Tokens, images: Embeddings, settings: PathSettings, tolerance: float | None
) -> np.ndarray:
    """Return the number of points that `integrate_until` takes for each of n texts, shape (n,).

    Only the `full` route is computed.
    """
    full = replace(settings, routes=("full",))
    return integrate_until(clip, tokens, images, 0, {}, full, tolerance)[0].points


def _relative_errors(shared: CommonPart) -> np.ndarray:
    if shared.full is None:
        raise RuntimeError("the full attributions were not computed")
    return relative_delta(shared.full, shared.score, shared.baseline_score)


def _put(shared: CommonPart, again: CommonPart, rows: np.ndarray) -> None:
    """Overwrite the attributions of the texts in the given rows."""
    for whole, part in ((shared.stream, again.stream), (shared.full, again.full)):
        if whole is not None and part is not None:
            whole[rows, : part.shape[1]] = part
    shared.points[rows] = again.points
