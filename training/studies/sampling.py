"""Choice of the pairs of a study, with a preference for disagreement of models that weights undo. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats import settled

MOST, MIDDLE, LEAST = STRATA = ("most", "middle", "least")
_OUTER = 0.25  # share of pairs in each of the strata "most" and "least", and share of items from each of them


@dataclass(frozen=True)
class _ChosenPair:
    """Chosen pair.

    Attributes:
        pair: row of the pair.
        stratum: name of its stratum.
        weight: number of pairs that the chosen pair stands for.
    """

    pair: int
    stratum: str
    weight: float


def choose_pairs(scores: ArrayLike, n: int, rng: np.random.Generator) -> list[_ChosenPair]:
    """Choose pairs by `training.studies.rule`; choose all, with weights of 1, if there are at most n pairs.

    Args:
        scores: scores of both texts by each model, shape (models, 2, pairs).
        n: number of pairs to choose, at least 3.

    Raises:
        ValueError: n is below 3.

    >>> rng = np.random.default_rng(0)
    >>> chosen = choose_pairs(rng.normal(size=(2, 2, 40)), 12, rng)
    >>> [sum(pair.stratum == name for pair in chosen) for name in STRATA], sum(pair.weight for pair in chosen)
    ([5, 3, 4], 40.0)
    """
    if n < len(STRATA):
        raise ValueError(f"at least {len(STRATA)} pairs must be chosen, not {n}")
    order = disagreement_order(scores)
    strata = _strata(len(order))
    if len(order) <= n:
        return [_ChosenPair(int(order[rank]), name, 1.0) for name, ranks in strata.items() for rank in ranks]
    out = []
    for name, number in _numbers(strata, n).items():
        ranks = strata[name]
        drawn = rng.choice(len(ranks), number, replace=False)
        out += [_ChosenPair(int(order[ranks[i]]), name, len(ranks) / number) for i in drawn]
    return out


def disagreement_order(scores: ArrayLike) -> NDArray[np.int64]:
    """Return the rows of pairs, ordered from most to least disagreement of the models.

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
    """Return the weights of n chosen items.

    Args:
        n: number of items.
        total: number of pairs from which items are chosen; by default 100 n.

    >>> [round(weight / 1000, 3) for weight in usual_weights(8, 8000)]
    [0.667, 0.667, 0.667, 2.0, 2.0, 0.667, 0.667, 0.667]
    """
    strata = _strata(100 * n if total is None else total)
    return [len(strata[name]) / number for name, number in _numbers(strata, n).items() for _ in range(number)]


def _strata(total: int) -> dict[str, range]:
    """Return the ranks of each stratum among all pairs, without empty strata."""
    outer = max(1, round(_OUTER * total))
    least = max(outer, total - outer)
    strata = {MOST: range(min(outer, total)), MIDDLE: range(outer, least), LEAST: range(least, total)}
    return {name: ranks for name, ranks in strata.items() if ranks}


def _numbers(strata: Mapping[str, range], n: int) -> dict[str, int]:
    """Return the number of pairs to draw from each stratum: at least 1, at most all, with a sum of n."""
    sizes = {name: len(ranks) for name, ranks in strata.items()}
    total = sum(sizes.values())
    reserved = {MOST: _OUTER * n, MIDDLE: 0.0, LEAST: _OUTER * n}
    wanted = {name: reserved[name] + (1 - 2 * _OUTER) * n * size / total for name, size in sizes.items()}
    drawn = {name: min(size, max(1, int(wanted[name]))) for name, size in sizes.items()}
    while (missing := n - sum(drawn.values())) != 0:
        step = 1 if missing > 0 else -1
        free = [name for name in sizes if 1 <= drawn[name] + step <= sizes[name]]
        name = max(free, key=lambda each: step * (wanted[each] - drawn[each]))
        drawn[name] += step
    return drawn
