"""Oracle of `interp.evidence`: all measures of a subspace, computed by single swaps and pairs of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from interp.evidence.traits import traits_of
from tests.oracles.dyads import (
    Other,
    mean_by_pairs,
    mean_to_by_pairs,
    other,
    ratio_by_pairs,
    ratio_to_by_pairs,
    share_by_pairs,
)
from tests.oracles.necessity import necessity, retrieved
from tests.oracles.world import (
    KINDS,
    OTHER,
    SIGN,
    SUFFIX,
    Done,
    Interventions,
    World,
    clean,
    draw_sources,
    embed,
    exchange,
    gaps,
    interventions,
    kind_means,
    random_subspace,
    score,
    won,
)

Interval = tuple[float, float, float]  # value, low, high
RANDOM_SUBSPACES = 20


def control_seeds(seed: int) -> list[int]:
    """Return the seeds of the random subspaces that a cell with the given seed is compared with."""
    control_numbers = range(RANDOM_SUBSPACES * seed, RANDOM_SUBSPACES * (seed + 1))
    return [int(np.random.SeedSequence([number, 1]).generate_state(1)[0]) for number in control_numbers]


def principal_components(streams: Tensor, size: int) -> Tensor:
    """Return the first right singular vectors of centred streams."""
    return torch.linalg.svd(streams - streams.mean(0))[2][:size].T


def mean_gradient(world: World, layer: int) -> Tensor:
    """Return the gradient of the score of a train text with respect to its stream, the mean over texts."""
    gradients = []
    for kind in KINDS:
        texts, images = world.all("train", kind), world.images["train"]
        added = torch.zeros_like(clean(world, "train", kind, layer)[1]).requires_grad_()
        scores, _ = score(world, texts, images, layer, lambda h, added=added: h + added)
        gradients.append(torch.autograd.grad(scores.sum(), added)[0])
    return torch.cat(gradients).mean(0)


def lever(difference: Tensor, gradient: Tensor) -> Tensor:
    """Return the unit vector halfway between two directions."""
    return functional.normalize(functional.normalize(difference, dim=0) + functional.normalize(gradient, dim=0), dim=0)


def controls(world: World, layer: int, size: int, seed: int) -> dict[str, list[Tensor]]:
    """Return the subspaces that need no search, by the name of their method."""
    described, captioned = kind_means(world, layer)
    difference, gradient = described - captioned, mean_gradient(world, layer)
    directions = {"means": difference, "gradient": gradient, "lever": lever(difference, gradient)}
    streams = torch.cat([clean(world, "train", kind, layer)[1] for kind in KINDS])
    drawn = [random_subspace(streams.shape[1], size, control_seed) for control_seed in control_seeds(seed)]
    alone = {name: [functional.normalize(direction, dim=0)[:, None]] for name, direction in directions.items()}
    return {"pca": [principal_components(streams, size)], **alone, "random": drawn}


def clusters(done: Sequence[Done]) -> tuple[list[str], list[str]]:
    """Return the articles of the bases, and of the sources."""
    return [each.base for each in done], [each.source for each in done]


def both(swaps: Interventions) -> list[tuple[Done, Done]]:
    """Return the outcomes for the caption and for the description of each pair, with the same source pair."""
    return list(zip(swaps["caption"], swaps["description"], strict=True))


def hits(swaps: Interventions) -> list[float]:
    """Return the hits of each pair and draw, the mean of both kinds."""
    return [(caption.hit + description.hit) / 2 for caption, description in both(swaps)]


def iias(swaps: Sequence[Interventions]) -> dict[str, Interval]:
    """Return IIA of both kinds together and of each kind: the mean over several subspaces, with its interval."""
    out = {}
    for suffix, kinds in {"": KINDS, **{f"_{short}": (kind,) for kind, short in SUFFIX.items()}}.items():
        each = [[done.hit for done in subspace_swaps[kind]] for subspace_swaps in swaps for kind in kinds]
        out[suffix] = share_by_pairs(np.mean(each, axis=0).tolist(), *clusters(swaps[0]["caption"]))
    return out


Swapped = tuple[Interventions, Interventions]  # swaps across kinds, and swaps within kinds


def swapped(world: World, layer: int, basis: Tensor, seed: int, draws: int) -> Swapped:
    """Return interventions on the test pairs across kinds, and within kinds with the same sources."""
    across, within = (
        interventions(world, "test", layer, basis, seed, draws=draws, within=within) for within in (False, True)
    )
    return across, within


def own_errors(world: World, layer: int, basis: Tensor, seed: int) -> list[float]:
    """Return the squared error of each test pair relative to its own gap.

    A text should move by the gap with Z of the other text of its pair. It should not move with Z of another text of its
    own kind.
    """
    paired = interventions(world, "test", layer, basis, None)
    within = interventions(world, "test", layer, basis, seed, draws=1, within=True)
    out = []
    for i, gap in enumerate(gaps(world, "test", layer)):
        crossed = [(paired[kind][i].rise - sign * gap) ** 2 for kind, sign in SIGN.items()]
        alike = [within[kind][i].rise ** 2 for kind in KINDS]
        out.append(sum(crossed) / 2 + sum(alike) / 2)
    return out


def errors(swaps: Swapped, gap: float) -> list[float]:
    """Return twice the squared error of each pair, in units of the squared gap: swaps across kinds, then within."""
    crossed = [(a.rise / gap - 1) ** 2 + (b.rise / gap + 1) ** 2 for a, b in both(swaps[0])]
    return crossed + [(a.rise / gap) ** 2 + (b.rise / gap) ** 2 for a, b in both(swaps[1])]


def less_than_one(lost: Interval) -> Interval:
    """Return 1 - x for an x with an interval."""
    value, low, high = lost
    return 1 - value, 1 - high, 1 - low


def calibration(swaps: Swapped, gap: Other) -> dict[str, Interval]:
    """Return rises over the gap in the train pairs, and R² of this gap."""
    out = {}
    for kind, short in SUFFIX.items():
        rises = [SIGN[kind] * done.rise for done in swaps[0][kind]]
        out[f"ratio_{short}"] = ratio_to_by_pairs(rises, gap, *clusters(swaps[0][kind]))
    units = clusters([*swaps[0]["caption"], *swaps[1]["caption"]])
    return out | {"r2": less_than_one(mean_to_by_pairs(lambda g: errors(swaps, g), gap, *units))}


def specificity(world: World, layer: int, basis: Tensor, seed: int) -> dict[str, Interval]:
    """Return the rise with other images over the rise with the own image, and the loss of retrieval by a swap."""
    articles, images = world.all("test", "group"), world.images["test"]
    source, n = draw_sources(articles, torch.Generator().manual_seed(seed)), len(articles)
    with_own, elsewhere, lost = [], [], []
    for kind in KINDS:
        given, texts = clean(world, "test", OTHER[kind], layer)[1][source], world.all("test", kind)
        before, after = embed(world, texts, layer)[0], embed(world, texts, layer, exchange(basis, given))[0]
        for i in range(n):
            rises = [SIGN[kind] * float((after[i] - before[i]) @ image) for image in images]
            with_own.append(rises[i])
            elsewhere.append(sum(rises[j] for j in range(n) if j != i) / (n - 1))
        lost += [a - b for a, b in zip(retrieved(before, images), retrieved(after, images), strict=True)]
    units = articles * 2, [articles[j] for j in source] * 2
    ratio = ratio_by_pairs(elsewhere, with_own, *units)
    return {"elsewhere": ratio, "swap_retrieval_lost": mean_by_pairs(lost, *units)}


def beyond(value: float, others: Sequence[float]) -> list[float]:
    """Return for each of the other numbers 1 if the value is higher, 0 if it is lower, and 1/2 if it is equal."""
    return [float(value > other) + 0.5 * float(value == other) for other in others]


def auc(swaps: Swapped) -> Interval:
    """Return how often a swap across kinds moves a score further than a swap within a kind, over all comparisons."""
    placed = []
    for kind, sign in SIGN.items():
        crossed, alike = ([sign * done.rise for done in side[kind]] for side in swaps)
        wins = np.array([beyond(rise, alike) for rise in crossed])
        placed.append(wins.mean(1) + wins.mean(0) - wins.mean())
    return mean_by_pairs(np.mean(placed, axis=0).tolist(), *clusters(swaps[0]["caption"]))


def single(world: World, layer: int, basis: Tensor, seed: int) -> tuple[Interval, float]:
    """Return the share of the shift that is left if only Z's best direction is swapped, and IIA of this direction."""
    described, captioned = kind_means(world, layer)
    projector = basis @ basis.T
    best = lever(projector @ (described - captioned), projector @ mean_gradient(world, layer))[:, None]
    whole, alone = (interventions(world, "test", layer, columns, seed, draws=1) for columns in (basis, best))
    shifts = [[caption.rise - description.rise for caption, description in both(swaps)] for swaps in (alone, whole)]
    return ratio_by_pairs(*shifts, *clusters(whole["caption"])), float(np.mean(hits(alone)))


def whole_stream(world: World, layer: int, width: int) -> dict[str, Interval]:
    """Return R² and IIA of swaps of the whole stream with the other text of each pair."""
    swaps = interventions(world, "test", layer, torch.eye(width, dtype=torch.float64), None)
    missed, wanted = [], []
    for kind, sign in SIGN.items():
        for done, gap in zip(swaps[kind], gaps(world, "test", layer), strict=True):
            missed.append((done.rise - sign * gap) ** 2)
            wanted.append(gap**2)
    articles = world.all("test", "group") * 2
    out = {"r2_whole": less_than_one(ratio_by_pairs(missed, wanted, articles, articles))}
    return out | {f"iia_whole{suffix}": each for suffix, each in iias([swaps]).items()}


def traits_r2(world: World, within: Interventions) -> Interval:
    """Return the part of the squared rises within kinds that differences of traits explain, by least squares."""
    traits = {kind: traits_of(world.all("test", kind)) for kind in KINDS}
    apart = [traits[kind][done.source_pair] - traits[kind][done.pair] for kind in KINDS for done in within[kind]]
    rises = np.array([done.rise for kind in KINDS for done in within[kind]])
    columns = np.array(apart)
    residuals = rises - columns @ (np.linalg.pinv(columns) @ rises)
    missed, squares = ((each.reshape(2, -1) ** 2).mean(0).tolist() for each in (residuals, rises))
    return less_than_one(ratio_by_pairs(missed, squares, *clusters(within["caption"])))


def equal_gap(world: World, layer: int) -> Interval:
    """Return the mean gap of the test pairs whose texts have nearly the same number of words."""
    lengths = [traits_of(world.all("test", kind))[:, 0] for kind in KINDS]
    near = [abs(a - b) <= max(1.0, 0.1 * (a + b) / 2) for a, b in zip(*lengths, strict=True)]
    near_gaps = [gap for gap, is_near in zip(gaps(world, "test", layer), near, strict=True) if is_near]
    articles = [article for article, is_near in zip(world.all("test", "group"), near, strict=True) if is_near]
    return mean_by_pairs(near_gaps, articles, articles) if near_gaps else (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Measured:
    """Outcomes of a subspace with the first source of each text: hits, and errors relative to the gaps."""

    across: Interventions
    errors: list[float]


def measured(world: World, layer: int, basis: Tensor, seed: int) -> Measured:
    """Return the outcomes of a subspace for the comparison with controls."""
    across = interventions(world, "test", layer, basis, seed, draws=1)
    return Measured(across, own_errors(world, layer, basis, seed))


def against(name: str, z: Measured, others: Sequence[Measured], squares: Sequence[float]) -> dict[str, Interval]:
    """Return IIA and R² of the own gaps of a control, and the leads of Z over both.

    Args:
        squares: squared gaps of the pairs.
    """
    units = clusters(z.across["caption"])
    out = {f"iia_{name}{suffix}": each for suffix, each in iias([control.across for control in others]).items()}
    theirs = np.mean([hits(control.across) for control in others], axis=0)
    out[f"iia_over_{name}"] = mean_by_pairs((np.array(hits(z.across)) - theirs).tolist(), *units)
    lost = np.mean([control.errors for control in others], axis=0)
    out[f"r2_own_{name}"] = less_than_one(ratio_by_pairs(lost.tolist(), squares, *units))
    out[f"r2_own_over_{name}"] = ratio_by_pairs((lost - np.array(z.errors)).tolist(), squares, *units)
    return out


def evidence(
    world: World, layer: int, basis: Tensor, others: Mapping[str, Sequence[Tensor]], seed: int
) -> tuple[dict[str, float], dict[str, Interval]]:
    """Return all measures of a subspace and of its controls: measures without an interval, and measures with one."""
    swaps, trained = swapped(world, layer, basis, seed, 2), (gaps(world, "train", layer), world.all("train", "group"))
    gap = other(*trained)
    articles, apart = world.all("test", "group"), gaps(world, "test", layer)
    alike = [done.rise**2 for kind in KINDS for done in swaps[1][kind]]
    middle = sum(apart) / len(apart)
    values = {"within_error": float(np.mean(alike)) / gap.mean**2}
    values["gap_sd"] = math.sqrt(sum((pair_gap - middle) ** 2 for pair_gap in apart) / (len(apart) - 1))
    values |= {f"shift_{SUFFIX[kind]}": float(np.mean([done.rise for done in swaps[0][kind]])) for kind in KINDS}
    intervals = {f"iia{suffix}": each for suffix, each in iias([swaps[0]]).items()}
    intervals["preference"] = share_by_pairs([won(pair_gap) for pair_gap in apart], articles)
    intervals["gap"] = mean_by_pairs(apart, articles, articles)
    intervals["gap_train"] = mean_by_pairs(*trained, trained[1])
    intervals |= calibration(swaps, gap) | necessity(world, layer, basis, others, swaps[1])
    intervals |= specificity(world, layer, basis, seed) | {"auc": auc(swaps)}
    intervals["traits_r2"], intervals["equal_gap"] = traits_r2(world, swaps[1]), equal_gap(world, layer)
    intervals["single_share"], values["single_iia"] = single(world, layer, basis, seed)
    intervals |= whole_stream(world, layer, len(basis))
    nothing = interventions(world, "test", layer, basis[:, :0], seed, draws=1)
    intervals |= {f"iia_size0{suffix}": each for suffix, each in iias([nothing]).items()}
    first, squares = measured(world, layer, basis, seed), [pair_gap**2 for pair_gap in apart]
    fraction = ratio_by_pairs(first.errors, squares, *clusters(first.across["caption"]))
    intervals["r2_own"] = less_than_one(fraction)
    for name, bases in others.items():
        theirs = [measured(world, layer, other_basis, seed) for other_basis in bases]
        intervals |= against(name, first, theirs, squares)
        if len(bases) > 1:
            shares = [float(np.mean(hits(outcome.across))) for outcome in (first, *theirs)]
            fits = [-float(np.mean(outcome.errors)) for outcome in (first, *theirs)]
            values[f"percentile_iia_{name}"] = float(np.mean(beyond(shares[0], shares[1:])))
            values[f"percentile_r2_own_{name}"] = float(np.mean(beyond(fits[0], fits[1:])))
    return values, intervals
