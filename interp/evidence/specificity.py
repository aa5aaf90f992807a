"""Specificity: effect of a swap of Z on the score with the text's own image, compared with its other effects.

RAVEL (Huang et al. 2024, arXiv 2402.17700) calls the absence of other effects isolation.
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

AMONG = 64  # images that a text must tell apart


def specificity(part: PairsAtSite, subspace: Subspace, *, sources: Sources, seed: int) -> dict[Key, Estimate]:
    """Return the shift with other images over the shift with the text's own image, and the loss of retrieval by a swap.

    Args:
        part: n pairs.
        subspace: Z.
        sources, seed: kind of sources and their seed; the sources are those of the first draw of `align`.
    """
    with_own, elsewhere, lost, source = _swap_effects(part, subspace, sources, seed)
    groups = np.asarray(part.pairs.clusters)
    bases, given = np.tile(groups, 2), np.tile(groups[source], 2)
    return {
        Key("elsewhere"): ratio(elsewhere, with_own, bases, given),
        Key("swap_retrieval_lost"): clustered_mean(lost, bases, given),
    }


@torch.inference_mode()
def _swap_effects(
    part: PairsAtSite, subspace: Subspace, sources: Sources, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return signed shifts with the text's own image and with other images, lost retrieval hits, and the sources."""
    n, pairs = len(part), part.pairs
    source = draw_sources(n, sources, torch.Generator().manual_seed(seed), pairs.clusters)
    base_rows, source_rows = interventions(torch.arange(n), source)
    h, targets = part.streams[base_rows], pairs.targets[base_rows]
    run, site = pairs.run.take(base_rows), part.site
    clean = push_all(run, site, h)
    changed = push_all(run, site, subspace.swap(h, part.streams[source_rows]))
    moved = changed - clean
    with_own = (moved * targets).sum(-1)
    every = torch.cat([targets[:n].sum(0).expand(n, -1), targets[n:].sum(0).expand(n, -1)])
    elsewhere = ((moved * every).sum(-1) - with_own) / max(1, n - 1)
    sign = torch.tensor([SIGN[way] for way in DIRECTIONS]).repeat_interleave(n).to(with_own)
    lost = np.concatenate(
        [
            retrieval_hits(before, images) - retrieval_hits(after, images)
            for before, after, images in zip(clean.split(n), changed.split(n), targets.split(n), strict=True)
        ]
    )
    return (sign * with_own).cpu().numpy(), (sign * elsewhere).cpu().numpy(), lost, source.numpy()


def retrieval_hits(texts: Embeddings, images: Embeddings) -> np.ndarray:
    """Return the excess over chance of the retrieval of each text.

    A text counts 1 if its own image fits it best in a random set of `AMONG` images, and 0 otherwise. 1 over the size of
    the set is subtracted. The mean is 0 if texts and images are unrelated.
    """
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(texts)))
    out = torch.zeros(len(texts), dtype=torch.float64)
    for batch in order.split(AMONG):
        best = (texts[batch] @ images[batch].T).argmax(1)
        out[batch] = (best == torch.arange(len(batch), device=best.device)).double().cpu() - 1 / len(batch)
    return out.numpy()


def separation(across: Outcomes, within: Outcomes) -> Estimate:
    """Return the AUC of swaps across kinds against swaps within a kind.

    The AUC is the share of comparisons in which a swap across kinds moves a score further in the predicted direction
    than a swap within a kind. It is 1 if the two sets of moves never overlap, and 1/2 if they have the same
    distribution. The interval is computed from the placement values of both sets, added base by base (DeLong et al.
    1988; for clusters Obuchowski 1997).

    Args:
        across, within: outcomes of the same subspace with equally many draws.
    """
    placed = []
    for way in DIRECTIONS:
        a, b = (SIGN[way] * each.moves(way) for each in (across, within))
        crossed, alike = placement(a, b), 1 - placement(b, a)
        placed.append(crossed + alike - crossed.mean())
    return clustered_mean(np.mean(placed, axis=0), across.groups, across.source_groups)
