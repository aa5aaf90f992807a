"""Statistics of word types the slow way: samples of articles written out, word by word; permutations one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats


def means_by_word(words: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    said: dict[int, list[float]] = {}
    for word, value in zip(words, values, strict=True):
        said.setdefault(word, []).append(value)
    return {word: sum(some) / len(some) for word, some in sorted(said.items())}


def partial_by_residuals(x: Sequence[float], y: Sequence[float], given: Sequence[Sequence[float]] = ()) -> float:
    """Pearson's r of what least squares on some variables leaves of two others."""
    design = np.stack([np.ones(len(x)), *given], axis=1)
    rest = [np.array(one) - design @ np.linalg.lstsq(design, np.array(one), rcond=None)[0] for one in (x, y)]
    return float(stats.pearsonr(*rest).statistic)


def sampled_articles(
    articles: Sequence[int], statistic: Callable[[list[int]], float], draws: int, seed: int = 0
) -> list[float]:
    """A statistic of the numbers of occurrences in each sample of whole articles drawn with replacement."""
    names, rng, out = sorted(set(articles)), np.random.default_rng(seed), []
    for _ in range(draws):
        times = rng.multinomial(len(names), [1 / len(names)] * len(names))
        chosen = [name for name, count in zip(names, times, strict=True) for _ in range(count)]
        out.append(statistic([i for name in chosen for i in range(len(articles)) if articles[i] == name]))
    return out


def step_down_by_permutation(cells: np.ndarray, norms: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """Westfall & Young's (1993) adjusted p, word types with a rating by every norm alone; one permutation at a time."""

    def sizes(ratings: np.ndarray) -> list[float]:
        return [abs(np.corrcoef(cell, rating)[0, 1]) for cell in cells for rating in ratings]

    rng, found = np.random.default_rng(seed), sizes(norms)
    order = sorted(range(len(found)), key=lambda i: -found[i])
    beyond = [0] * len(found)
    for _ in range(draws):
        drawn = sizes(norms[:, rng.permutation(norms.shape[1])])
        for place, i in enumerate(order):
            beyond[i] += max(drawn[j] for j in order[place:]) >= found[i] - 1e-9
    p, last = [0.0] * len(found), 0.0
    for i in order:
        last = p[i] = max(last, (beyond[i] + 1) / (draws + 1))
    return np.array(p).reshape(len(cells), len(norms))
