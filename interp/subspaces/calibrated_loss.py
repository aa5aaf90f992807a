"""Calibration terms of calibrated IIT-DAS: swaps of Z move all scores by the gap, and no gap is left without Z.

All quantities are in logits. For n pairs, g is the gap between the mean logits of positive and negative texts. A swap
across kinds moves a logit by m in the predicted direction, and a swap within a kind moves it by w. m_up and m_down are
the means of m over negative and over positive bases, and m_both is their mean. g_0 is the gap when Z of every text is
set halfway between the kinds' mean streams. With a floor c = 1/4:

    spread   (mean over both directions of Var(m) + mean of w^2) / (m_both^2 + c)
    shift    ((m_up - g)^2 + (m_down - g)^2) / 2 / (g^2 + c)
    neutral  g_0^2 / (g^2 + c)

Nothing is detached. With several processes, each process takes the moments of the whole batch.

The squared errors of `interp.evidence.calibration` are spread and shift with g^2 as both denominators. They are not
minimized here, since they conflict with the neutral term if texts of both kinds are alike. Let p be the probability
that a text is positive, given the text, with half of all texts positive, and let r = 4 Var(p). The best possible swap
moves scores by g (p_source - p_base). It has R^2 = r, but moves scores by r g on average, so 1 - r of the gap goes
around Z. The same Z, scaled so that it moves scores by a g, has R^2 = 2 a - a^2 / r, which is 2 - 1 / r if all of the
gap is in Z. Spread is in units of the shift itself. It is therefore lower for a Z that separates the kinds better
(Fisher's criterion), not for a smaller shift. The other terms determine the size of the shift.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from interp.clip.sites import Site
from interp.clip.tensors import Float, Int, Tensor
from interp.subspaces.losses import Loss, counterfactual_loss
from interp.subspaces.pairs import PairRun, PairsAtSite, Swap, draw_sources, interventions
from interp.subspaces.shares import Share

FLOOR = 0.25  # of squared logits, against division by a gap near 0


@dataclass(frozen=True, eq=False)
class SwappedLogits:
    """Logits of m = 2 n texts with their own Z and with another Z, first the negative texts, then the positive texts.

    Attributes:
        clean: logits of the unchanged texts.
        across, within: logits with Z of a text of the other kind, and of another text of the same kind.
        neutral: logits with Z halfway between the kinds' mean streams.
    """

    clean: Float[Tensor, " m"]
    across: Float[Tensor, " m"]
    within: Float[Tensor, " m"]
    neutral: Float[Tensor, " m"]


def swapped_logits(
    pairs: PairRun,
    site: Site,
    swap: Swap,
    source: Int[Tensor, " n"],
    within: Int[Tensor, " n"],
    clean: Float[Tensor, " m"],
    share: Share | None = None,
) -> SwappedLogits:
    """Return the counterfactuals of all pairs with three kinds of source, which pass the blocks in one push.

    Args:
        pairs: n pairs, whose run kept the site.
        swap: function that gives base streams the Z of source streams.
        source, within: for each pair, the pair that its source text comes from, of the other kind and of its own kind.
        clean: logits of the unchanged negative texts, then of the positive texts.
        share: pairs that this process computes; other processes compute the others. By default all pairs.
    """
    n, streams = len(pairs), pairs.run.stream(site)
    share = share or Share.of(n, 1, 0)
    rows = share.pairs.to(streams.device)
    bases, across = interventions(rows, source.to(rows))
    _, alike = interventions(rows, within.to(rows), within=True)
    base = streams[bases]
    middle = streams.reshape(2, n, -1).mean(1).mean(0).expand_as(base)
    h = torch.stack([swap(base, given) for given in (streams[across], streams[alike], middle)], dim=1)
    moved = (pairs.run.take(bases).push(site, h) * pairs.targets[bases][:, None]).sum(-1) * pairs.logit_scale
    return SwappedLogits(clean, *share.joined(moved).unbind(1))


def rotation_loss(weight: float, seed: int) -> Loss:
    """Return the part of calibrated IIT-DAS that depends on the rotation, as a `Loss` of a search.

    Sources are drawn among the rows of the batch, since the terms are those of a batch.
    """

    def loss(
        part: PairsAtSite, swaps: Sequence[Swap], _source: Int[Tensor, " n"], rows: Int[Tensor, " b"]
    ) -> Float[Tensor, " c"]:
        pairs, draw = part.pairs.take(rows), torch.Generator().manual_seed(seed + int(rows.sum()))
        source, within = (draw_sources(len(rows), "random", draw, pairs.clusters) for _ in range(2))
        clean = part.clean[torch.cat([rows, rows + len(part)])] * pairs.logit_scale
        swapped = [swapped_logits(pairs, part.site, swap, source, within, clean) for swap in swaps]
        return torch.stack(
            [counterfactual_loss(clean, logits.across) + weight * calibration_loss(logits) for logits in swapped]
        )

    return loss


def calibration_loss(logits: SwappedLogits) -> Tensor:
    """Return spread + shift + neutral, as defined in this module; no unit."""
    return torch.stack([term(logits) for term in TERMS.values()]).sum()


def spread(logits: SwappedLogits) -> Tensor:
    """Return the variance of moves across kinds plus the mean squared move within kinds, over the squared shift."""
    crossed = _signed(logits.across - logits.clean)
    uneven = ((crossed - crossed.mean(1, keepdim=True)) ** 2).mean()
    return (uneven + ((logits.within - logits.clean) ** 2).mean()) / (crossed.mean() ** 2 + FLOOR)


def shift(logits: SwappedLogits) -> Tensor:
    """Return the squared distance of the mean shift in each direction from the gap, in units of the squared gap."""
    gap = _gap(logits.clean)
    return ((_signed(logits.across - logits.clean).mean(1) - gap) ** 2).mean() / (gap**2 + FLOOR)


def neutral(logits: SwappedLogits) -> Tensor:
    """Return the squared gap that is left with a neutral Z, in units of the squared gap."""
    return _gap(logits.neutral) ** 2 / (_gap(logits.clean) ** 2 + FLOOR)


TERMS: dict[str, Callable[[SwappedLogits], Tensor]] = {"spread": spread, "shift": shift, "neutral": neutral}


def _gap(logits: Float[Tensor, " m"]) -> Tensor:
    negative, positive = logits.chunk(2)
    return positive.mean() - negative.mean()


def _signed(moves: Float[Tensor, " m"]) -> Float[Tensor, "2 n"]:
    """Return moves in the predicted direction: up for negative texts, down for positive texts."""
    up, down = moves.chunk(2)
    return torch.stack([up, -down])
