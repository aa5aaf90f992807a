"""All measures of a subspace, one swap and one pair of numbers after another: the oracle of `interp.evidence`."""

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
    """Seeds of the random subspaces that a cell of a seed is compared with."""
    own = range(RANDOM_SUBSPACES * seed, RANDOM_SUBSPACES * (seed + 1))
    return [int(np.random.SeedSequence([one, 1]).generate_state(1)[0]) for one in own]


def principal_components(streams: Tensor, size: int) -> Tensor:
    """The first right singular vectors of centred streams."""
    return torch.linalg.svd(streams - streams.mean(0))[2][:size].T


def mean_gradient(world: World, layer: int) -> Tensor:
    """The gradient of the score of a text of train with respect to its stream, the mean over texts."""
    found = []
    for kind in KINDS:
        texts, images = world.all("train", kind), world.images["train"]
        added = torch.zeros_like(clean(world, "train", kind, layer)[1]).requires_grad_()
        scores, _ = score(world, texts, images, layer, lambda h, added=added: h + added)
        found.append(torch.autograd.grad(scores.sum(), added)[0])
    return torch.cat(found).mean(0)


def lever(difference: Tensor, gradient: Tensor) -> Tensor:
    """The unit vector half way between two others."""
    return functional.normalize(functional.normalize(difference, dim=0) + functional.normalize(gradient, dim=0), dim=0)


def controls(world: World, layer: int, size: int, seed: int) -> dict[str, list[Tensor]]:
    """Subspaces that need no search, by the name of their method."""
    described, captioned = kind_means(world, layer)
    difference, gradient = described - captioned, mean_gradient(world, layer)
    directions = {"means": difference, "gradient": gradient, "lever": lever(difference, gradient)}
    streams = torch.cat([clean(world, "train", kind, layer)[1] for kind in KINDS])
    drawn = [random_subspace(streams.shape[1], size, one) for one in control_seeds(seed)]
    alone = {name: [functional.normalize(one, dim=0)[:, None]] for name, one in directions.items()}
    return {"pca": [principal_components(streams, size)], **alone, "random": drawn}


def clusters(done: Sequence[Done]) -> tuple[list[str], list[str]]:
    """Articles of bases, and of sources."""
    return [one.base for one in done], [one.source for one in done]


def both(found: Interventions) -> list[tuple[Done, Done]]:
    """What is done with the caption and with the description of each pair, with the same source pair."""
    return list(zip(found["caption"], found["description"], strict=True))


def hits(found: Interventions) -> list[float]:
    """Hits of each pair and draw, the mean of both kinds."""
    return [(caption.hit + description.hit) / 2 for caption, description in both(found)]


def iias(found: Sequence[Interventions]) -> dict[str, Interval]:
    """IIA of both kinds together, and of each: the mean over some subspaces, with its interval."""
    out = {}
    for suffix, kinds in {"": KINDS, **{f"_{short}": (kind,) for kind, short in SUFFIX.items()}}.items():
        each = [[done.hit for done in one[kind]] for one in found for kind in kinds]
        out[suffix] = share_by_pairs(np.mean(each, axis=0).tolist(), *clusters(found[0]["caption"]))
    return out


Swapped = tuple[Interventions, Interventions]  # across kinds, and within them


def swapped(world: World, layer: int, basis: Tensor, seed: int, draws: int) -> Swapped:
    """Return interventions on the test pairs across kinds, and within them with the same sources."""
    across, within = (
        interventions(world, "test", layer, basis, seed, draws=draws, within=within) for within in (False, True)
    )
    return across, within


def own_errors(world: World, layer: int, basis: Tensor, seed: int) -> list[float]:
    """Return the squared error of each test pair by its own gap.

    A text should move by the gap with Z of the other text of its pair, and not at all with Z of another text of its
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


def errors(found: Swapped, gap: float) -> list[float]:
    """Twice the squared error of each pair, in units of the squared gap: of swaps across kinds, then within them."""
    crossed = [(a.rise / gap - 1) ** 2 + (b.rise / gap + 1) ** 2 for a, b in both(found[0])]
    return crossed + [(a.rise / gap) ** 2 + (b.rise / gap) ** 2 for a, b in both(found[1])]


def less_than_one(lost: Interval) -> Interval:
    """Return 1 - x for an x with an interval."""
    value, low, high = lost
    return 1 - value, 1 - high, 1 - low


def calibration(found: Swapped, gap: Other) -> dict[str, Interval]:
    """Return rises over the gap in the train pairs, and R² of this gap."""
    out = {}
    for kind, short in SUFFIX.items():
        rises = [SIGN[kind] * done.rise for done in found[0][kind]]
        out[f"ratio_{short}"] = ratio_to_by_pairs(rises, gap, *clusters(found[0][kind]))
    units = clusters([*found[0]["caption"], *found[1]["caption"]])
    return out | {"r2": less_than_one(mean_to_by_pairs(lambda g: errors(found, g), gap, *units))}


def specificity(world: World, layer: int, basis: Tensor, seed: int) -> dict[str, Interval]:
    """Return the rise with all other images over that with the own image, and retrieval that a swap loses."""
    articles, images = world.all("test", "group"), world.images["test"]
    source, n = draw_sources(articles, torch.Generator().manual_seed(seed)), len(articles)
    own, elsewhere, lost = [], [], []
    for kind in KINDS:
        given, texts = clean(world, "test", OTHER[kind], layer)[1][source], world.all("test", kind)
        before, after = embed(world, texts, layer)[0], embed(world, texts, layer, exchange(basis, given))[0]
        for i in range(n):
            rises = [SIGN[kind] * float((after[i] - before[i]) @ image) for image in images]
            own.append(rises[i])
            elsewhere.append(sum(rises[j] for j in range(n) if j != i) / (n - 1))
        lost += [a - b for a, b in zip(retrieved(before, images), retrieved(after, images), strict=True)]
    units = articles * 2, [articles[j] for j in source] * 2
    return {"elsewhere": ratio_by_pairs(elsewhere, own, *units), "swap_retrieval_lost": mean_by_pairs(lost, *units)}


def beyond(value: float, others: Sequence[float]) -> list[float]:
    """For each of some numbers 1 if the value is higher, 0 if it is lower, else 1/2."""
    return [float(value > other) + 0.5 * float(value == other) for other in others]


def auc(found: Swapped) -> Interval:
    """How often a swap across kinds moves a score further than one within a kind; all are compared with all."""
    placed = []
    for kind, sign in SIGN.items():
        crossed, alike = ([sign * done.rise for done in one[kind]] for one in found)
        wins = np.array([beyond(one, alike) for one in crossed])
        placed.append(wins.mean(1) + wins.mean(0) - wins.mean())
    return mean_by_pairs(np.mean(placed, axis=0).tolist(), *clusters(found[0]["caption"]))


def single(world: World, layer: int, basis: Tensor, seed: int) -> tuple[Interval, float]:
    """The share of the shift that is left of Z if only its best direction is swapped, and IIA of that direction."""
    described, captioned = kind_means(world, layer)
    projector = basis @ basis.T
    best = lever(projector @ (described - captioned), projector @ mean_gradient(world, layer))[:, None]
    whole, alone = (interventions(world, "test", layer, one, seed, draws=1) for one in (basis, best))
    shifts = [[caption.rise - description.rise for caption, description in both(one)] for one in (alone, whole)]
    return ratio_by_pairs(*shifts, *clusters(whole["caption"])), float(np.mean(hits(alone)))


def whole_stream(world: World, layer: int, width: int) -> dict[str, Interval]:
    """How much of each pair's gap comes with the whole stream of its other text."""
    found = interventions(world, "test", layer, torch.eye(width, dtype=torch.float64), None)
    missed, wanted = [], []
    for kind, sign in SIGN.items():
        for done, gap in zip(found[kind], gaps(world, "test", layer), strict=True):
            missed.append((done.rise - sign * gap) ** 2)
            wanted.append(gap**2)
    articles = world.all("test", "group") * 2
    out = {"r2_whole": less_than_one(ratio_by_pairs(missed, wanted, articles, articles))}
    return out | {f"iia_whole{suffix}": each for suffix, each in iias([found]).items()}


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
    own = [gap for gap, one in zip(gaps(world, "test", layer), near, strict=True) if one]
    articles = [article for article, one in zip(world.all("test", "group"), near, strict=True) if one]
    return mean_by_pairs(own, articles, articles) if own else (math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Measured:
    """Outcomes of one subspace with the first source of each text: hits, and errors by the own gap of each pair."""

    across: Interventions
    own: list[float]


def measured(world: World, layer: int, basis: Tensor, seed: int) -> Measured:
    """Return the outcomes of a subspace by which it is compared with controls."""
    across = interventions(world, "test", layer, basis, seed, draws=1)
    return Measured(across, own_errors(world, layer, basis, seed))


def against(name: str, own: Measured, others: Sequence[Measured], squares: Sequence[float]) -> dict[str, Interval]:
    """Return IIA and R² of the own gaps of a control, and how much higher those of the own subspace are.

    Args:
        squares: squared gaps of the pairs.
    """
    units = clusters(own.across["caption"])
    out = {f"iia_{name}{suffix}": each for suffix, each in iias([one.across for one in others]).items()}
    theirs = np.mean([hits(one.across) for one in others], axis=0)
    out[f"iia_over_{name}"] = mean_by_pairs((np.array(hits(own.across)) - theirs).tolist(), *units)
    lost = np.mean([one.own for one in others], axis=0)
    out[f"r2_own_{name}"] = less_than_one(ratio_by_pairs(lost.tolist(), squares, *units))
    out[f"r2_own_over_{name}"] = ratio_by_pairs((lost - np.array(own.own)).tolist(), squares, *units)
    return out


def evidence(
    world: World, layer: int, basis: Tensor, others: Mapping[str, Sequence[Tensor]], seed: int
) -> tuple[dict[str, float], dict[str, Interval]]:
    """Return all measures of a subspace next to controls: those without an interval, and those with one."""
    found, trained = swapped(world, layer, basis, seed, 2), (gaps(world, "train", layer), world.all("train", "group"))
    gap = other(*trained)
    articles, apart = world.all("test", "group"), gaps(world, "test", layer)
    alike = [done.rise**2 for kind in KINDS for done in found[1][kind]]
    middle = sum(apart) / len(apart)
    values = {"within_error": float(np.mean(alike)) / gap.mean**2}
    values["gap_sd"] = math.sqrt(sum((one - middle) ** 2 for one in apart) / (len(apart) - 1))
    values |= {f"shift_{SUFFIX[kind]}": float(np.mean([one.rise for one in found[0][kind]])) for kind in KINDS}
    intervals = {f"iia{suffix}": each for suffix, each in iias([found[0]]).items()}
    intervals["preference"] = share_by_pairs([won(one) for one in apart], articles)
    intervals["gap"] = mean_by_pairs(apart, articles, articles)
    intervals["gap_train"] = mean_by_pairs(*trained, trained[1])
    intervals |= calibration(found, gap) | necessity(world, layer, basis, others, found[1])
    intervals |= specificity(world, layer, basis, seed) | {"auc": auc(found)}
    intervals["traits_r2"], intervals["equal_gap"] = traits_r2(world, found[1]), equal_gap(world, layer)
    intervals["single_share"], values["single_iia"] = single(world, layer, basis, seed)
    intervals |= whole_stream(world, layer, len(basis))
    nothing = interventions(world, "test", layer, basis[:, :0], seed, draws=1)
    intervals |= {f"iia_size0{suffix}": each for suffix, each in iias([nothing]).items()}
    first, squares = measured(world, layer, basis, seed), [one**2 for one in apart]
    own = ratio_by_pairs(first.own, squares, *clusters(first.across["caption"]))
    intervals["r2_own"] = less_than_one(own)
    for name, bases in others.items():
        theirs = [measured(world, layer, one, seed) for one in bases]
        intervals |= against(name, first, theirs, squares)
        if len(bases) > 1:
            shares = [float(np.mean(hits(one.across))) for one in (first, *theirs)]
            fits = [-float(np.mean(one.own)) for one in (first, *theirs)]
            values[f"percentile_iia_{name}"] = float(np.mean(beyond(shares[0], shares[1:])))
            values[f"percentile_r2_own_{name}"] = float(np.mean(beyond(fits[0], fits[1:])))
    return values, intervals
