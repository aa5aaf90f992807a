"""Oracle of `interp.evidence.necessity`: scores with a neutral Z, or with Z of other texts of the same kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from tests.oracles.dyads import mean_by_pairs, ratio_by_pairs, share_by_pairs
from tests.oracles.world import KINDS, Interventions, World, embed, exchange, gaps, kind_means, score, won

Interval = tuple[float, float, float]  # value, low, high
AMONG = 64  # images from which a text must pick its own


def sets_of_images(n: int) -> list[list[int]]:
    """Return the pairs that compete for an image; the last set may be smaller."""
    order = np.random.default_rng(0).permutation(n).tolist()
    return [order[start : start + AMONG] for start in range(0, n, AMONG)]


def retrieved(texts: Tensor, images: Tensor) -> list[float]:
    """Return for each text 1 if its own image fits it better than all other images of its set."""
    (n, _), out = texts.shape, []
    for i in range(n):
        (rivals,) = (candidates for candidates in sets_of_images(n) if i in candidates)
        out.append(float(all(texts[i] @ images[i] > texts[i] @ images[j] for j in rivals if j != i)))
    return out


def left(top: Sequence[float], bottom: Sequence[float], bases: Sequence[str], sources: Sequence[str]) -> Interval:
    """Return a ratio of means, which is exact if nothing or everything is left of each unit."""
    for share in (0.0, 1.0):
        if all(abs(a - share * b) < 1e-6 for a, b in zip(top, bottom, strict=True)):
            return share, share, share
    return ratio_by_pairs(top, bottom, bases, sources)


def neutral_value(world: World, layer: int) -> Tensor:
    """Return the stream halfway between the means of the kinds."""
    described, captioned = kind_means(world, layer)
    return (described + captioned) / 2


def neutral_gaps(world: World, layer: int, basis: Tensor) -> list[float]:
    """Return the gap of each test pair if Z of both texts is neutral."""
    change, scores = exchange(basis, neutral_value(world, layer)), {}
    for kind in KINDS:
        scores[kind] = score(world, world.all("test", kind), world.images["test"], layer, change)[0].tolist()
    return [a - b for a, b in zip(scores["description"], scores["caption"], strict=True)]


def upwards(values: Sequence[float]) -> list[float]:
    """Return the values, or their negatives if the mean is negative."""
    return [-value if sum(values) < 0 else value for value in values]


def retrieval_left(world: World, layer: int, basis: Tensor) -> Interval:
    """Return the share of retrieval above chance that is left with a neutral Z."""
    images, change = world.images["test"], exchange(basis, neutral_value(world, layer))
    n, before, after = len(images), [], []
    chance = [1 / len(candidates) for i in range(n) for candidates in sets_of_images(n) if i in candidates]
    for kind in KINDS:
        texts = world.all("test", kind)
        for hits, embedded in ((before, embed(world, texts, layer)[0]), (after, embed(world, texts, layer, change)[0])):
            hits += [hit - least for hit, least in zip(retrieved(embedded, images), chance, strict=True)]
    articles = world.all("test", "group") * 2
    return left(after, before, articles, articles)


def kept_within(world: World, layer: int, within: Interventions) -> Interval:
    """Return the share of the gap that is left with Z of other texts of the same kind."""
    pair_gaps = gaps(world, "test", layer)
    before, after = [], []
    for caption, description in zip(within["caption"], within["description"], strict=True):
        before.append(pair_gaps[caption.pair])
        after.append(pair_gaps[caption.pair] + description.rise - caption.rise)
    done = within["caption"]
    return left(after, before, [each.base for each in done], [each.source for each in done])


def necessity(
    world: World, layer: int, basis: Tensor, others: Mapping[str, Sequence[Tensor]], within: Interventions
) -> dict[str, Interval]:
    """Return all measures of a neutral Z, and the gap that is left with Z of other texts of the same kind.

    Args:
        others: controls by name.
        within: interventions within kinds, all draws.
    """
    articles, clean_gaps = world.all("test", "group"), gaps(world, "test", layer)
    neutral = neutral_gaps(world, layer, basis)
    hits, before = ([won(gap) - 0.5 for gap in pair_gaps] for pair_gaps in (neutral, clean_gaps))
    out = {
        "neutral_preference": share_by_pairs([won(gap) for gap in neutral], articles, articles),
        "neutral_gap": mean_by_pairs(neutral, articles, articles),
        "gap_left": left(neutral, clean_gaps, articles, articles),
        "preference_left": left(hits, before, articles, articles),
        "retrieval_left": retrieval_left(world, layer, basis),
        "gap_kept_within": kept_within(world, layer, within),
    }
    for name in ("random", "pca"):
        theirs = np.mean([upwards(neutral_gaps(world, layer, other_basis)) for other_basis in others[name]], axis=0)
        less = (theirs - np.array(upwards(neutral))).tolist()
        out[f"left_below_{name}"] = left(less, clean_gaps, articles, articles)
    return out
