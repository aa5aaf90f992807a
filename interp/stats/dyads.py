"""Variance of means over units that have a cluster for the base and a cluster for the source.

An intervention has a base and a source text, each from an article, and the articles are a sample. Two units depend on
each other if they share an article in any role: as base of both, as source of both, or as base of one and source of the
other. The variance of a mean counts all these pairs of units (Aronow, Samii & Assenova 2015). Two-way clustering
(Cameron, Gelbach & Miller 2011) omits the last kind of pairs, so its intervals may be too narrow.

With few articles of uneven size, the sum over these pairs is too low on average, and varies much itself. The variance
is therefore the largest of three estimates, with the degrees of freedom of that estimate:

- **independent**: s²/n, as if no two units depended on each other.
- **common**: the variance under a model in which all pairs of units that share an article have the same covariance. The
  covariance comes from an analysis of variance, which weights large articles less than a sum of squares does (Donner &
  Klar 2000).
- **robust**: the sum of the products of residuals over pairs of units that share an article. Under the model of the
  common covariance, a squared sum over an article is too low by a known factor, because the mean was subtracted. The
  factor is divided out (Bell & McCaffrey 2002; Pustejovsky & Tipton 2018). This estimate is also valid if large
  articles vary more than small ones.

Degrees of freedom follow Satterthwaite (1946) under the model of the common covariance. If every unit is a cluster, the
result is s²/n with n - 1 degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from interp.stats.spread import Spread, effective, enough, satterthwaite

_LEAST_FREEDOM = 3.0  # least degrees of freedom of the robust estimate; with fewer, t would be unbounded
_MOST_CORRECTION = 10.0  # largest factor of the squared sum over a cluster
_TINY = 1e-300  # replaces 0 in a denominator

Values = NDArray[np.float64]


class _Form(NamedTuple):
    """Quadratic form in the units' values that estimates the variance of a mean.

    Attributes:
        name: ``independent``, ``common`` or ``robust``.
        unit, shared: variance of a unit, and covariance of two units that share a cluster, up to a common factor.
    """

    name: Literal["independent", "common", "robust"]
    unit: float
    shared: float


@dataclass(frozen=True)
class _Dyads:
    """Clusters of n units, with common numbers for bases and sources.

    Attributes:
        base, source: number of the cluster of each unit, length n; all numbers from 0 to the largest occur.
    """

    base: NDArray[np.int64]
    source: NDArray[np.int64]

    def spread(self, x: Values) -> Spread:
        """Return the error of the mean of a variable: the largest of the three estimates."""
        form = self.form(x)
        variance = self.covariance(x, x, form)
        if not variance > 0:
            return Spread(variance, max(1.0, self.least - 1.0))
        return Spread(variance, self._freedom(form), self._skewness(x))

    def form(self, x: Values) -> _Form:
        """Return the form of the largest estimate for the mean of a variable."""
        unit, shared = self._fit(x)
        forms = [_Form("independent", unit, shared), _Form("robust", unit, shared)]
        if shared > 0:
            forms.append(_Form("common", unit, shared))
        return max(forms, key=lambda form: self.covariance(x, x, form))

    def covariance(self, a: Values, b: Values, form: _Form) -> float:
        """Return the estimated covariance of two means; the variance if `a` is `b`."""
        n, a, b = len(a), a - a.mean(), b - b.mean()
        if form.name == "independent":
            return float(a @ b) / (n - 1) / n
        if form.name == "common":
            unit, shared = self._solve(a, b)
            return unit / n + shared * self._pairs / n**2
        once, twice = self._corrections(form)
        return float(once @ (self._sums(a) * self._sums(b)) - twice @ (self._both(a) * self._both(b))) / n**2

    @cached_property
    def _sizes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Numbers of units in the clusters of bases, and in the clusters of sources."""
        base, source = (np.bincount(each) for each in (self.base, self.source))
        return base[base > 0], source[source > 0]

    @property
    def least(self) -> int:
        """Number of clusters of the bases, or of the sources, whichever is smaller."""
        return min(map(len, self._sizes))

    @property
    def effective(self) -> float:
        """Equivalent number of clusters of even size (`effective`), for bases or for sources, whichever is smaller."""
        return min(map(effective, self._sizes))

    @property
    def enough(self) -> bool:
        """True if the clusters are numerous and even enough for intervals of means."""
        return all(map(enough, self._sizes))

    @property
    def named_twice(self) -> bool:
        """True if bases and sources have the same clusters, but under different names."""
        if not len(self.base) or np.intersect1d(self.base, self.source).size:
            return False
        return len(set(map(len, self._sizes))) == 1 and len(self._counts.couples) == self.least

    @property
    def once(self) -> _Dyads:
        """Clusters of the bases alone."""
        numbers = np.unique(self.base, return_inverse=True)[1].astype(np.int64)
        return _Dyads(numbers, numbers)

    @cached_property
    def _ends(self) -> tuple[NDArray[np.bool_], NDArray[np.int64], int]:
        """Mask of units with two clusters; clusters of all bases, then of the masked units' sources; cluster count."""
        apart = self.base != self.source
        return apart, np.concatenate([self.base, self.source[apart]]), int(max(self.base.max(), self.source.max())) + 1

    @cached_property
    def _couples(self) -> NDArray[np.int64]:
        """Number of the couple of clusters of each unit that has two clusters."""
        apart, _, count = self._ends
        low, high = np.minimum(self.base, self.source)[apart], np.maximum(self.base, self.source)[apart]
        return np.unique(low * count + high, return_inverse=True)[1].astype(np.int64)

    def _sums(self, x: Values) -> Values:
        """Sum a variable over the units of each cluster, in any role."""
        apart, ends, count = self._ends
        return np.bincount(ends, np.concatenate([x, x[apart]]), count).astype(np.float64)

    def _both(self, x: Values) -> Values:
        """Sum a variable over the units of each couple of clusters; sums over clusters count the units twice."""
        return np.bincount(self._couples, x[self._ends[0]]).astype(np.float64)  # int64 without couples

    @cached_property
    def _counts(self) -> _Counts:
        """Numbers of units that share clusters."""
        n, ones = len(self.base), np.ones(len(self.base))
        apart = self._ends[0]
        units, couples = self._sums(ones), self._both(ones)
        met = units[self.base] - 1 + np.where(apart, units[self.source] - 1, 0.0)
        again = np.zeros(n)
        again[apart] = couples[self._couples] - 1
        return _Counts(units, couples, self._sums(met), self._both(met), self._sums(again))

    @cached_property
    def _pairs(self) -> float:
        """Number of ordered pairs of different units that share a cluster; each shared cluster counts."""
        units = self._counts.units
        return float(units @ (units - 1))

    @cached_property
    def _moments(self) -> NDArray[np.float64]:
        """Coefficients, shape (2, 2), of unit variance and pair covariance in the expectations of two sums.

        The columns belong to the variance of a unit and to the covariance of two units. The first row belongs to the
        sum of squared residuals. The second row belongs to the sum of squared sums over clusters, each divided by the
        size of the cluster.
        """
        n, counts = len(self.base), self._counts
        mean = np.array([1 / n, self._pairs / n**2])  # coefficients in the variance of the mean
        squares = np.array([len(counts.units), (counts.units - 1 + counts.again / counts.units).sum()])
        crossed = np.array([counts.units.sum(), counts.met.sum()]) / n
        return np.array([np.array([n, 0.0]) - n * mean, squares - 2 * crossed + counts.units.sum() * mean])

    def _solve(self, a: Values, b: Values) -> tuple[float, float]:
        """Return the variance of a unit and the covariance of units of a cluster, from residuals of two variables."""
        within = (self._sums(a) * self._sums(b) / self._counts.units).sum()
        unit, shared = np.linalg.solve(self._moments, [a @ b, within])
        return float(unit), float(shared)

    def _fit(self, x: Values) -> tuple[float, float]:
        """Return the variance of a unit and the covariance of two units in a cluster.

        The covariance is 0 if the estimate is not positive, or if every unit is a separate cluster.
        """
        e = x - x.mean()
        if abs(np.linalg.det(self._moments)) > 1e-9 * len(x):
            unit, shared = self._solve(e, e)
            if shared > 0 and unit > 0:
                return unit, shared
        return float(e @ e) / (len(x) - 1), 0.0

    def _corrections(self, form: _Form) -> tuple[Values, Values]:
        """Return the factors of the squared sums over clusters, and of the squared sums over couples."""
        n, counts = len(self.base), self._counts
        mean = form.unit / n + form.shared * self._pairs / n**2
        out = []
        for units, pairs, met in (
            (counts.units, counts.units * (counts.units - 1) + counts.again, counts.met),
            (counts.couples, 2 * counts.couples * (counts.couples - 1), counts.met_by_couples),
        ):
            wanted = form.unit * units + form.shared * pairs
            kept = wanted - 2 * units * (form.unit * units + form.shared * met) / n + units**2 * mean
            out.append(wanted / np.maximum(np.maximum(kept, wanted / _MOST_CORRECTION), _TINY))
        return out[0], out[1]

    def _freedom(self, form: _Form) -> float:
        """Return the degrees of freedom of an estimate, a weighted sum of squares of the clusters' means."""
        units, again = self._counts.units, self._counts.again
        variances = (form.unit * units + form.shared * (units * (units - 1) + again)) / units**2
        weights = units**2 * self._corrections(form)[0] if form.name == "robust" else units
        freedom = min(satterthwaite(weights, units, variances), self.least - 1.0)
        return max(_LEAST_FREEDOM, freedom) if form.name == "robust" else freedom

    def _skewness(self, x: Values) -> float:
        """Return the skewness of the mean: the estimate with the smaller absolute value, or 0 if the signs differ.

        The first estimate treats the contributions of the clusters to the mean as a sample. The second treats the
        means of the clusters as a sample, weighted by size. The skewness of the mean is the skewness of this sample
        times Σ n_a³ / (Σ n_a²)^(3/2).
        """
        units, sums = self._counts.units, self._sums(x - x.mean())
        means, p = sums / units, units / units.sum()
        added, common = (sums**3).sum(), p @ means**3
        if added * common <= 0:
            return 0.0
        from_sums = added / (sums @ sums) ** 1.5
        from_means = common / (p @ means**2) ** 1.5 * (p**3).sum() / (p @ p) ** 1.5
        return float(min(from_sums, from_means, key=abs))


@dataclass(frozen=True)
class _Counts:
    """Numbers of units that share clusters.

    Attributes:
        units: number of units of each cluster, in any role.
        couples: number of units of each couple of clusters.
        met, met_by_couples: number of other units that share a cluster with the units of a cluster, or of a couple.
        again: number of pairs of a cluster's units that also share their other cluster.
    """

    units: Values
    couples: Values
    met: Values
    met_by_couples: Values
    again: Values


def units(columns: dict[str, ArrayLike], clusters: ArrayLike, sources: ArrayLike | None) -> tuple[list[Values], _Dyads]:
    """Return variables as arrays, in unchanged order, and the clusters of the units.

    Raises:
        ValueError: lengths differ.
    """
    values = [np.asarray(column, np.float64) for column in columns.values()]
    base = np.asarray(clusters)
    source = base if sources is None else np.asarray(sources)
    shapes = [each.shape for each in (*values, base, source)]
    if values[0].ndim != 1 or len(set(shapes)) > 1:
        names = " and ".join([*columns, "clusters", *([] if sources is None else ["sources"])])
        sizes = " and ".join(map(str, shapes[: len(shapes) - (sources is None)]))
        raise ValueError(f"{names} must be one-dimensional and of equal length, got {sizes}")
    number = np.unique(np.concatenate([base, source]), return_inverse=True)[1].astype(np.int64)
    dyads = _Dyads(number[: len(base)], number[len(base) :])
    return values, dyads.once if dyads.named_twice else dyads


def constant(x: Values, size: Values | None = None) -> bool:
    """Return whether values differ by rounding errors only, given the size of the numbers behind the values."""
    return bool(np.ptp(x) <= 1e-12 * np.abs(x if size is None else size).max())
