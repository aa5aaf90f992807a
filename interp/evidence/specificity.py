"""Specificity: is it the score with the text's own image that a swap of Z moves, and does the rest stay as it is?

What an intervention should leave alone is what RAVEL (Huang et al. 2024, arXiv 2402.17700) calls isolation.
"""

from __future__ import annotations

import numpy as np
import torch

from interp.clip.tensors import Embeddings
from interp.data.contrast import DIRECTIONS, SIGN
from interp.measures import Key
from interp.stats import Estimate, clustered_mean, placement, ratio
from interp.subspaces.outcomes import Outcomes
from interp.subspaces.pairs import PairsAtSite, Sources, draw_sources, interventions, push_all
from interp.subspaces.subspace import Subspace

AMONG = 64  # images that a text is to tell apart


def specificity(part: PairsAtSite, subspace: Subspace, *, sources: Sources, seed: int) -> dict[Key, Estimate]:
    """Return the shift with other images over that with the text's own, and the retrieval that a swap costs.

    Args:
        part: n pairs.
        sources, seed: sources of the first draw of `align`, and their seed.
    """
    own, elsewhere, lost, source = _embedded(part, subspace, sources, seed)
    groups = np.asarray(part.pairs.clusters)
    bases, given = np.tile(groups, 2), np.tile(groups[source], 2)
    return {
        Key("elsewhere"): ratio(elsewhere, own, bases, given),
        Key("swap_retrieval_lost"): clustered_mean(lost, bases, given),
    }


@torch.inference_mode()
def _embedded(
    part: PairsAtSite, subspace: Subspace, sources: Sources, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return signed shifts with the own image and with all others, hits of retrieval that are lost, and the sources."""
    n, pairs = len(part), part.pairs
    source = draw_sources(n, sources, torch.Generator().manual_seed(seed), pairs.clusters)
    base_rows, source_rows = interventions(torch.arange(n), source)
    h, targets = part.streams[base_rows], pairs.targets[base_rows]
    run, site = pairs.run.take(base_rows), part.site
    clean = push_all(run, site, h)
    changed = push_all(run, site, subspace.swap(h, part.streams[source_rows]))
    moved = changed - clean
    own = (moved * targets).sum(-1)
    every = torch.cat([targets[:n].sum(0).expand(n, -1), targets[n:].sum(0).expand(n, -1)])
    elsewhere = ((moved * every).sum(-1) - own) / max(1, n - 1)
    sign = torch.tensor([SIGN[one] for one in DIRECTIONS]).repeat_interleave(n).to(own)
    lost = np.concatenate(
        [
            retrieval_hits(one, images) - retrieval_hits(other, images)
            for one, other, images in zip(clean.split(n), changed.split(n), targets.split(n), strict=True)
        ]
    )
    return (sign * own).cpu().numpy(), (sign * elsewhere).cpu().numpy(), lost, source.numpy()


def retrieval_hits(texts: Embeddings, images: Embeddings) -> np.ndarray:
    """Return by how much retrieval of each text exceeds chance: 1 if its own image fits it best of a set of `AMONG`
    drawn at random, else 0, minus 1 over the size of the set. The mean is 0 where texts say nothing of images."""
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(texts)))
    out = torch.zeros(len(texts), dtype=torch.float64)
    for some in order.split(AMONG):
        best = (texts[some] @ images[some].T).argmax(1)
        out[some] = (best == torch.arange(len(some), device=best.device)).double().cpu() - 1 / len(some)
    return out.numpy()


def separation(across: Outcomes, within: Outcomes) -> Estimate:
    """AUC: how often a swap across kinds moves a score further in the predicted direction than one within a kind.

    1 if they never overlap, 1/2 if they cannot be told apart. The interval is that of the two sets of placement values,
    taken together base by base (DeLong et al. 1988; for clusters Obuchowski 1997).

    Args:
        across, within: of the same subspace and as many draws.
    """
    placed = []
    for one in DIRECTIONS:
        a, b = (SIGN[one] * each.moves(one) for each in (across, within))
        crossed, alike = placement(a, b), 1 - placement(b, a)
        placed.append(crossed + alike - crossed.mean())
    return clustered_mean(np.mean(placed, axis=0), across.groups, across.source_groups)
