"""Units that come in clusters, one for the base of each and one for its source, and the variance of their means.

An intervention has a base and a source text, each of an article, and the articles are a sample. Two units depend on
each other if they share an article in any role: as base, as source, or as base of the one and source of the other. The
variance counts all these pairs of units, each once (Aronow, Samii & Assenova 2015). Two-way clustering (Cameron,
Gelbach & Miller 2011) is the same where no article is both a base's and a source's; where some are, it leaves out the
last kind of pairs, and its intervals may be too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST_CLUSTERS = 3  # of fewer nothing can be said


@dataclass(frozen=True)
class Dyads:
    """The clusters of n units, numbered alike for bases and sources.

    Attributes:
        base, source: number of the cluster of each unit, length n.
        least: how many clusters the bases come from, or the sources, whichever are fewer.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]
    least: int

    def covariance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """The covariance of the means of a and b: sum of (a_i - mean)(b_j - mean) over units i, j that share a cluster,
        over n², times G/(G - 1). Of one variable it can come out negative, as any such sum of a part of all pairs."""
        a, b, count = a - a.mean(), b - b.mean(), int(max(self.base.max(), self.source.max())) + 1
        apart = self.base != self.source
        ends = np.concatenate([self.base, self.source[apart]])
        sums = [np.bincount(ends, np.concatenate([one, one[apart]]), count) for one in (a, b)]
        # Units that share two clusters have been counted twice.
        low, high = np.minimum(self.base, self.source)[apart], np.maximum(self.base, self.source)[apart]
        both = np.unique(low * count + high, return_inverse=True)[1]
        twice = [np.bincount(both, one[apart]) for one in (a, b)]
        return float((sums[0] @ sums[1] - twice[0] @ twice[1]) * self.least / (self.least - 1) / len(a) ** 2)

    def variance(self, x: NDArray[np.float64]) -> float:
        """The variance of a mean, never less than if all units were independent, which also keeps it positive."""
        return max(self.covariance(x, x), float(x.var(ddof=1)) / len(x))

    @property
    def t(self) -> float:
        """The 97.5th percentile of t, with one degree of freedom less than clusters."""
        return student(self.least - 1)


def units(
    columns: dict[str, ArrayLike], clusters: ArrayLike, sources: ArrayLike | None
) -> tuple[list[NDArray[np.float64]], Dyads]:
    """Variables as arrays, by name, and the clusters of their units.

    Raises:
        ValueError: lengths differ.
    """
    values = [np.asarray(column, np.float64) for column in columns.values()]
    base = np.asarray(clusters)
    source = base if sources is None else np.asarray(sources)
    shapes = [each.shape for each in (*values, base, source)]
    if values[0].ndim != 1 or len(set(shapes)) > 1:
        names = " and ".join([*columns, "clusters", *([] if sources is None else ["sources"])])
        found = " and ".join(map(str, shapes[: len(shapes) - (sources is None)]))
        raise ValueError(f"{names} must be one-dimensional and of one length, got {found}")
    number = np.unique(np.concatenate([base, source]), return_inverse=True)[1].astype(np.int64)
    base, source = number[: len(base)], number[len(base) :]
    return values, Dyads(base, source, min(len(np.unique(base)), len(np.unique(source))))


def constant(x: NDArray[np.float64], size: NDArray[np.float64] | None = None) -> bool:
    """Whether values differ by no more than rounding, given the size of what they were computed from."""
    return bool(np.ptp(x) <= 1e-12 * np.abs(x if size is None else size).max())


def student(freedom: int) -> float:
    """The 97.5th percentile of Student's t."""
    from scipy.special import stdtrit  # slow to import

    return float(stdtrit(freedom, 0.975))
