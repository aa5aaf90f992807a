"""Numbers about numbers: correlations with intervals, shares with intervals, IIA. Plain functions of arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

CorrelationMethod = Literal["pearson", "spearman"]


@dataclass(frozen=True)
class Estimate:
    """A number computed from a sample, with a 95 % interval; NaN where it, or its interval, is undefined.

    Attributes:
        value: a correlation, a difference, or a share from 0 to 1.
        n: units that it was computed from.
        low, high: ends of the interval.
    """

    value: float
    n: int
    low: float = math.nan
    high: float = math.nan

    def columns(self, key: str) -> dict[str, float]:
        """The value and the ends of its interval, under the names of their columns."""
        return {key: self.value, f"{key}_low": self.low, f"{key}_high": self.high}


def pearson(x: ArrayLike, y: ArrayLike, weights: ArrayLike | None = None) -> float:
    """Pearson's r, weighted if asked; NaN if either side does not vary.

    >>> pearson([1, 2, 3], [1, 2, 3])
    1.0
    """
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    w = np.ones(len(a)) if weights is None else np.asarray(weights, np.float64)
    if len(a) < 2 or w.sum() <= 0:
        return math.nan
    w = w / w.sum()
    least = 1e-24 * (w @ (a * a)), 1e-24 * (w @ (b * b))  # what rounding makes of values that are all the same
    a, b = a - w @ a, b - w @ b
    va, vb = w @ (a * a), w @ (b * b)
    if va <= least[0] or vb <= least[1]:
        return math.nan
    return float(np.clip(w @ (a * b) / math.sqrt(va * vb), -1.0, 1.0))


def correlate(
    x: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
    draws: int = 2000,
    seed: int = 0,
) -> Estimate:
    """A correlation with a percentile bootstrap interval that resamples whole clusters.

    Args:
        x, y: the values, length n; units with a NaN anywhere are left out.
        clusters: what is resampled, length n; each unit on its own if not given.
        given: a third variable, length n. The correlation is then the partial one: of what remains of x and y
            once a straight line in this variable is taken off both, fitted anew in every sample.
        method: ``pearson``, or ``spearman`` (of ranks taken once, before resampling).
        draws: bootstrap samples.

    Returns:
        r, the n that was used, and the 2.5th and 97.5th percentile of r over the samples that define one. With
        fewer than three clusters there is no interval (NaN).

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    columns = {"x": x, "y": y} if given is None else {"x": x, "y": y, "given": given}
    (a, b, *rest), groups = _units(columns, clusters, method)
    c = rest[0] if rest else None
    r = _once(a, b, c)
    times = resamples(groups, draws, seed)
    if times is None or math.isnan(r):
        return Estimate(r, len(a))
    return Estimate(r, len(a), *_interval(_weighted(a, b, c, times)))


def difference(
    x: ArrayLike,
    other: ArrayLike,
    y: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    given: ArrayLike | None = None,
    method: CorrelationMethod = "pearson",
    draws: int = 2000,
) -> Estimate:
    """r(x, y) - r(other, y) with a paired bootstrap interval: both are taken in the same resampled clusters.

    Args:
        x, other: the two rivals, length n.
        y: what both are correlated with, length n.
        clusters, given, method, draws: as for `correlate`; units with a NaN anywhere are left out of both.

    Returns:
        The difference, the n that was used, and the 2.5th and 97.5th percentile over the samples that define both
        correlations; no interval (NaN) with fewer than three clusters.

    Raises:
        ValueError: lengths differ or the method is unknown.
    """
    columns = {"x": x, "other": other, "y": y} | ({} if given is None else {"given": given})
    (a, o, b, *rest), groups = _units(columns, clusters, method)
    c = rest[0] if rest else None
    value = _once(a, b, c) - _once(o, b, c)
    times = resamples(groups, draws, 0)
    if times is None or math.isnan(value):
        return Estimate(value, len(a))
    return Estimate(value, len(a), *_interval(_weighted(a, b, c, times) - _weighted(o, b, c, times)))


def mean_correlation(xs: Sequence[ArrayLike], y: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """The mean of Pearson's r(x, y) over several x, as of models that differ in their seed.

    Args:
        xs: the variables, each of length n; units with a NaN anywhere are left out.
        y: what each is correlated with, length n.
        draws: bootstrap samples; each resamples the units of all variables alike.

    Returns:
        The mean, the n that was used, and a percentile bootstrap interval.
    """
    (b, *rest), groups = _units({"y": y} | {f"x{i}": x for i, x in enumerate(xs)}, None, "pearson")
    mean, times = float(np.mean([pearson(a, b) for a in rest])), resamples(groups, draws, seed)
    if times is None or math.isnan(mean):
        return Estimate(mean, len(b))
    return Estimate(mean, len(b), *_interval(np.mean([_weighted(a, b, None, times) for a in rest], axis=0)))


def _units(
    columns: dict[str, ArrayLike], clusters: ArrayLike | None, method: str
) -> tuple[list[NDArray[np.float64]], NDArray[np.int64]]:
    """The units that have every value, as ranks if the method wants them, and the number of each one's cluster."""
    values = [np.asarray(column, np.float64) for column in columns.values()]
    if values[0].ndim != 1 or any(value.shape != values[0].shape for value in values):
        names, shapes = " and ".join(columns), " and ".join(str(value.shape) for value in values)
        raise ValueError(f"{names} must be one-dimensional and of one length, got {shapes}")
    n = len(values[0])
    groups = np.arange(n) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(groups) != n:
        raise ValueError(f"clusters must be as long as x, got {len(groups)} for {n}")
    if method not in ("pearson", "spearman"):
        raise ValueError(f"unknown method '{method}'; known: pearson, spearman")
    kept = np.logical_and.reduce([np.isfinite(value) for value in values])
    values = [_ranks(value[kept]) if method == "spearman" else value[kept] for value in values]
    return values, np.unique(groups[kept], return_inverse=True)[1]


def resamples(groups: NDArray[np.int64], draws: int, seed: int) -> NDArray[np.float64] | None:
    """How often each unit is in each sample, shape (draws, n); None with fewer than three clusters."""
    count = int(groups.max()) + 1 if len(groups) else 0
    if count < 3:
        return None
    times = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=draws)
    return times[:, groups].astype(np.float64)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.stats import rankdata  # slow to import

    return rankdata(values).astype(np.float64)


def _interval(sampled: NDArray[np.float64]) -> tuple[float, float]:
    sampled = sampled[np.isfinite(sampled)]
    low, high = np.percentile(sampled, [2.5, 97.5]) if len(sampled) else (math.nan, math.nan)
    return float(low), float(high)


def _once(a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64] | None) -> float:
    """The correlation of a and b, given c if there is one, each unit counted once."""
    if c is None or len(a) < 2:
        return pearson(a, b)
    return float(_weighted(a, b, c, np.ones((1, len(a))))[0])


def _weighted(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64] | None, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The correlation of a and b, given c if there is one, under each row of weights; NaN where it is undefined."""
    total = weights.sum(1)
    a, b = _standard(a), _standard(b)
    ma, mb = weights @ a / total, weights @ b / total
    va, vb = weights @ (a * a) / total - ma**2, weights @ (b * b) / total - mb**2
    vab = weights @ (a * b) / total - ma * mb
    if c is not None:
        c = _standard(c)
        mc = weights @ c / total
        vc = weights @ (c * c) / total - mc**2
        vc = np.where(vc > 1e-12, vc, np.inf)  # what does not vary explains nothing
        vac, vbc = weights @ (a * c) / total - ma * mc, weights @ (b * c) / total - mb * mc
        va, vb, vab = va - vac**2 / vc, vb - vbc**2 / vc, vab - vac * vbc / vc
    with np.errstate(invalid="ignore", divide="ignore"):
        r = vab / np.sqrt(np.where((va > 1e-12) & (vb > 1e-12), va * vb, np.nan))
    return r if c is None else np.clip(r, -1.0, 1.0)


def _standard(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return (values - values.mean()) / (values.std() or 1.0)


def wilson(hits: int, n: int) -> Estimate:
    """The share of hits among n independent trials, with the 95 % score interval of Wilson (1927).

    Unlike a bootstrap it has a width even where every trial is a hit, or none is. Of no trials, all is NaN.

    Raises:
        ValueError: more hits than trials, or less than none.

    >>> wilson(10, 10).high, round(wilson(10, 10).low, 3)
    (1.0, 0.722)
    """
    if not 0 <= hits <= n:
        raise ValueError(f"hits must be from 0 to n, got {hits} of {n}")
    if n == 0:
        return Estimate(math.nan, 0)
    from scipy.stats import binomtest  # slow to import

    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return Estimate(hits / n, n, float(interval.low), float(interval.high))


def clustered_share(hits: ArrayLike, clusters: ArrayLike, *, draws: int = 2000, seed: int = 0) -> Estimate:
    """A mean of outcomes (0, 1/2 or 1) with a percentile bootstrap interval that resamples whole clusters.

    Args:
        hits: outcomes, length n.
        clusters: which image or article each one belongs to, length n.
    """
    values = np.asarray(hits, np.float64)
    groups = np.unique(np.asarray(clusters), return_inverse=True)[1]
    if len(values) == 0:
        return Estimate(math.nan, 0)
    sums, counts = np.bincount(groups, values), np.bincount(groups)
    if len(sums) < 3:
        return Estimate(float(values.mean()), len(values))
    times = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=draws)
    low, high = np.percentile((times @ sums) / (times @ counts), [2.5, 97.5])
    return Estimate(float(values.mean()), len(values), float(low), float(high))


def mean_of_means(
    samples: Sequence[tuple[ArrayLike, ArrayLike]], weights: Sequence[float] | None = None, *, draws: int = 2000,
    seed: int = 0,
) -> Estimate:  # fmt: skip
    """The weighted mean of the means of samples; the clusters of each are resampled on their own.

    Args:
        samples: values, and which cluster each belongs to, both of length n.
        weights: of the samples; by default all count the same.

    Returns:
        The mean, the number of values, and a percentile bootstrap interval; none (NaN) with fewer than three clusters
        in a sample.
    """
    share = np.ones(len(samples)) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    value, n, drawn = 0.0, 0, np.zeros(draws)
    for number, ((given, clusters), part) in enumerate(zip(samples, share, strict=True)):
        values = np.asarray(given, np.float64)
        times = resamples(np.unique(np.asarray(clusters), return_inverse=True)[1], draws, seed + number)
        value, n = value + part * float(values.mean()), n + len(values)
        drawn += part * (np.nan if times is None else times @ values / times.sum(1))
    return Estimate(value, n, *(_interval(drawn) if np.isfinite(drawn).all() else ()))


def standard_error(values: ArrayLike, clusters: ArrayLike) -> float:
    """The standard error of a mean of values that come in clusters: by linearization (Cochran 1977, section 11.12).

    √(G/(G − 1) · Σ_g (Σ_{i in g} (x_i − mean))²) / n over G clusters; NaN with fewer than two.

    Args:
        values: length n.
        clusters: which image or article each one belongs to, length n.

    >>> round(standard_error([1, 0, 1, 1], [0, 1, 2, 3]), 4)
    0.25
    """
    x = np.asarray(values, np.float64)
    groups = np.unique(np.asarray(clusters), return_inverse=True)[1]
    count = int(groups.max()) + 1 if len(x) else 0
    if count < 2:
        return math.nan
    sums = np.bincount(groups, x - x.mean())
    return float(np.sqrt(count / (count - 1) * (sums @ sums)) / len(x))


def preference(positive: ArrayLike, negative: ArrayLike) -> NDArray[np.float64]:
    """For each pair 1 if the positive text scores higher than the negative one, else 0; its mean is the accuracy."""
    return (np.asarray(positive) > np.asarray(negative)).astype(np.float64)


def iia_outcomes(
    base: ArrayLike, counterfactual: ArrayLike, *, winner: Literal["base", "counterfactual"]
) -> NDArray[np.float64]:
    """For each counterfactual 1 if the predicted one of the two scores is the higher, 0 if the other one is.

    A tie counts half: an intervention that changes nothing decides nothing. IIA is the mean of these.
    """
    if winner not in ("base", "counterfactual"):
        raise ValueError(f"winner is 'base' or 'counterfactual', not '{winner}'")
    gain = np.asarray(counterfactual, np.float64) - np.asarray(base, np.float64)
    return (np.sign(gain if winner == "counterfactual" else -gain) + 1) / 2


def macro_f1(truth: ArrayLike, guess: ArrayLike, classes: int) -> float:
    """The unweighted mean of F1 over the classes that occur in `truth` or in `guess`; NaN without any.

    Args:
        truth, guess: class numbers from 0, length n.
        classes: how many classes there are.

    Raises:
        ValueError: lengths differ, or a number is not one of a class.

    >>> macro_f1([0, 1, 2], [0, 1, 3], classes=9)
    0.5
    """
    t, g = np.asarray(truth, np.int64), np.asarray(guess, np.int64)
    if t.shape != g.shape or t.ndim != 1:
        raise ValueError(f"truth and guess must be one-dimensional and of one length, got {t.shape} and {g.shape}")
    if len(t) == 0:
        return math.nan
    if min(t.min(), g.min()) < 0 or max(t.max(), g.max()) >= classes:
        raise ValueError(f"with {classes} classes, truth and guess are numbers from 0 to {classes - 1}")
    met = np.bincount(t, minlength=classes) + np.bincount(g, minlength=classes)
    right = np.bincount(t[t == g], minlength=classes)
    return float(np.mean(2 * right[met > 0] / met[met > 0]))
