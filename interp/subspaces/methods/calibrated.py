"""Calibrated search: a swap across kinds must move a score by the gap, and a swap within a kind must not move it.

DAS only requires the right sign. Its loss falls as long as the swap moves scores further, beyond the scores that texts
of the other kind ever have. Here, the counterfactual of a negative text given Z of a positive text should score like a
positive text on average. Given Z of another negative text, its score should not change.

The lowest possible loss depends on how well the kinds can be separated. Suppose that Z takes one of two values, and the
right value in a share a of texts. The loss is then 1 - (2 a - 1)² at best, and a swap moves scores by (2 a - 1)² of the
gap.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import WeakKeyDictionary

import torch

from interp.clip.tensors import Float, Int, Tensor
from interp.errors import UserError
from interp.measures import MethodName
from interp.subspaces.losses import Loss
from interp.subspaces.methods.das import spans
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite, Swap, draw_sources, interventions
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig, search


def calibrated_losses(
    part: PairsAtSite,
    swaps: Sequence[Swap],
    source: Int[Tensor, " n"],
    within: Int[Tensor, " n"],
    rows: Int[Tensor, " b"],
    gap: float,
) -> Float[Tensor, " c"]:
    """Return 1 - R² of a batch of pairs, for each of c ways to swap Z: squared errors in units of the squared gap.

    Across kinds, a score must rise by the gap (negative texts) or fall by the gap (positive texts). Within a kind, it
    must stay. The mean squared errors of both are added. A swap that changes nothing costs 1.

    Args:
        source, within: for each of all n pairs, the pair that its source text comes from, of the other kind and of its
            own kind.
        rows: rows of the pairs to take.
        gap: mean score of positive texts minus that of negative texts, a cosine.
    """
    pairs, site = part.pairs, part.site
    base_rows, across = interventions(rows, source)
    _, alike = interventions(rows, within, within=True)
    base = pairs.run.take(base_rows)
    base_values = base.stream(site)
    given = [pairs.run.take(chosen).stream(site) for chosen in (across, alike)]
    h = torch.stack([swapped(base_values, other) for other in given for swapped in swaps], dim=1)
    scores = (base.push(site, h) * pairs.targets[base_rows][:, None]).sum(-1)
    clean = part.clean[torch.cat([rows, rows + len(pairs)])]
    sign = torch.ones_like(clean)
    sign[len(rows) :] = -1
    moved = (scores - clean[:, None]).unflatten(1, (2, len(swaps)))
    wanted = torch.stack([sign * gap, torch.zeros_like(sign)], dim=1)
    return ((moved - wanted[..., None]) ** 2).mean(0).sum(0) / gap**2


def fit(train: PairsAtSite, val: PairsAtSite, sizes: Sequence[int], config: SearchConfig) -> list[Rotation]:
    """Return the rotation of each size that minimizes 1 - R² towards the gap of the train pairs, with the model frozen.

    Raises:
        UserError: the gap is exactly 0, or a loss is not a number.
    """
    gap = train.gap
    if gap == 0:
        raise UserError(
            f"the kinds have the same mean score at {train.site}, so the calibrated search has no target; "
            "use another method"
        )
    starts = [spans(train, size, config) for size in sizes]
    return search("calibrated", train, val, starts, config, loss=_towards_gap(gap, seed=config.seed))


def _towards_gap(gap: float, *, seed: int) -> Loss:
    """Return the loss of a search, whose sources within a kind are drawn once for each set of pairs."""
    drawn: WeakKeyDictionary[PairsAtSite, Tensor] = WeakKeyDictionary()

    def loss(
        part: PairsAtSite, swaps: Sequence[Swap], source: Int[Tensor, " n"], rows: Int[Tensor, " b"]
    ) -> Float[Tensor, " c"]:
        if part not in drawn:
            generator = torch.Generator().manual_seed(seed)
            drawn[part] = draw_sources(len(part), "random", generator, part.pairs.clusters)
        return calibrated_losses(part, swaps, source, drawn[part], rows, gap)

    return loss


METHOD = Method(MethodName("calibrated", "calib.", "subspace found by the calibrated search"), fit, searched=True)
