"""Choice of the pairs of a study: more of those on which models disagree, with weights that undo it. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats import settled

MOST, MIDDLE, LEAST = STRATA = ("most", "middle", "least")
_OUTER = 0.25  # share of the pairs on which models disagree most, of those on which they disagree least, and of items
RULE = """\
Pairs are put in order by how far the models disagree. Pairs on which models prefer different texts come first. Within
both groups, pairs are ordered by the spread of the models' gaps (score of one text minus score of the other, divided
by the root mean square of the model's gaps). The first quarter of the pairs is the stratum "most", the last quarter
"least", the rest "middle". A quarter of the items goes to "most", a quarter to "least", and a half to all strata in
proportion to their sizes. Within each stratum, items are drawn at random without replacement, by the seed. An item's
weight is the number of pairs of its stratum divided by the number of items drawn from it, so that weighted means are
unbiased for all pairs."""


@dataclass(frozen=True)
class Chosen:
    """One chosen pair.

    Attributes:
        pair: row of the pair.
        stratum: name of its stratum.
        weight: pairs that it stands for.
    """

    pair: int
    stratum: str
    weight: float


def choose_pairs(scores: ArrayLike, n: int, rng: np.random.Generator) -> list[Chosen]:
    """Choose pairs by `RULE`; all of them, each with weight 1, if there are no more than n.

    Args:
        scores: scores of both texts by each model, shape (models, 2, pairs).
        n: number of pairs to choose, at least 3.

    Raises:
        ValueError: n is below 3.

    >>> rng = np.random.default_rng(0)
    >>> chosen = choose_pairs(rng.normal(size=(2, 2, 40)), 12, rng)
    >>> [sum(one.stratum == name for one in chosen) for name in STRATA], sum(one.weight for one in chosen)
    ([4, 3, 5], 40.0)
    """
    if n < len(STRATA):
        raise ValueError(f"at least {len(STRATA)} pairs must be chosen, not {n}")
    order = disagreement_order(scores)
    total = len(order)
    if total <= n:
        return [Chosen(int(pair), _stratum(rank, total), 1.0) for rank, pair in enumerate(order)]
    out = []
    for stratum, number in _numbers(total, n).items():
        members = [pair for rank, pair in enumerate(order) if _stratum(rank, total) == stratum]
        drawn = rng.choice(len(members), number, replace=False)
        out += [Chosen(int(members[i]), stratum, len(members) / number) for i in drawn]
    return out


def disagreement_order(scores: ArrayLike) -> NDArray[np.int64]:
    """Return the rows of pairs, those on which models disagree most first.

    Args:
        scores: scores of both texts by each model, shape (models, 2, pairs).
    """
    both = np.asarray(scores, np.float64)
    gaps = both[:, 0] - both[:, 1]
    sizes = np.sqrt((gaps**2).mean(1, keepdims=True))
    scaled = gaps / np.where(sizes > 0, sizes, 1.0)
    differ = np.ptp(np.sign(settled(gaps)), axis=0) > 0
    return np.lexsort((-np.ptp(scaled, axis=0), ~differ))


def usual_weights(n: int, total: int | None = None) -> list[float]:
    """Return the weights of n items that are chosen from some number of pairs, by default from very many.

    >>> [round(weight / 1000, 3) for weight in usual_weights(8, 8000)]
    [0.667, 0.667, 0.667, 2.0, 2.0, 0.667, 0.667, 0.667]
    """
    pairs = 100 * n if total is None else total
    ranks = [_stratum(rank, pairs) for rank in range(pairs)]
    return [ranks.count(name) / number for name, number in _numbers(pairs, n).items() for _ in range(number)]


def _stratum(rank: int, total: int) -> str:
    """Return the stratum of a rank among all pairs."""
    outer = max(1, round(_OUTER * total))
    return MOST if rank < outer else LEAST if rank >= total - outer else MIDDLE


def _numbers(total: int, n: int) -> dict[str, int]:
    """Return how many pairs are drawn from each stratum: at least one, at most all, n together."""
    ranks = [_stratum(rank, total) for rank in range(total)]
    sizes = {name: ranks.count(name) for name in STRATA if name in ranks}
    own = {MOST: _OUTER * n, MIDDLE: 0.0, LEAST: _OUTER * n}
    wanted = {name: own[name] + (1 - 2 * _OUTER) * n * size / total for name, size in sizes.items()}
    drawn = {name: min(size, max(1, int(wanted[name]))) for name, size in sizes.items()}
    while (missing := n - sum(drawn.values())) != 0:
        step = 1 if missing > 0 else -1
        free = [name for name in sizes if 1 <= drawn[name] + step <= sizes[name]]
        name = max(free, key=lambda each: step * (wanted[each] - drawn[each]))
        drawn[name] += step
    return drawn
