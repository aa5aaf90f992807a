"""Numbers of a benchmark: outcomes of checks, agreement with readers, and paired differences. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from interp.data.blv import QUESTIONS, RatedTexts
from interp.stats import Estimate, clustered_share, paired_difference, settled
from interp.stats.two_way import two_way_difference
from training.evaluation.readers import agreement_with_readers
from training.metrics.checks import CHECKS
from training.metrics.items import Item, Variants
from training.metrics.metrics import Metric

OUTCOMES = ("worse", "same", "better")
CHECKED, READERS = "checks", "readers"
CUT, _UNCUT = "cut", ", nothing cut"
MINUS = " − "


@dataclass(frozen=True)
class MetricNumber:
    """Number of a benchmark.

    Attributes:
        part: `CHECKED` or `READERS`.
        of: a check, or a question that readers were asked.
        metric: name of a metric, or of two with a minus sign between them.
        measure: name of the measure.
        value: value of the number.
        low, high: ends of its 95 % interval, NaN if there is none.
        n: number of items that it was computed from.
    """

    part: str
    of: str
    metric: str
    measure: str
    value: float
    low: float
    high: float
    n: int

    def row(self) -> dict[str, Any]:
        """Return a row of the table."""
        return asdict(self)


COLUMNS = tuple(MetricNumber.__dataclass_fields__)


@dataclass(frozen=True)
class MetricScores:
    """Scores by one metric.

    Attributes:
        metric: metric.
        plain: scores of the unchanged items, length n; None without items.
        changed: check -> scores of its variants.
        rated: scores of the rated texts; None without readers.
        cut: marks of unchanged items that are not read to their end; None if all are.
        cut_changed: check -> marks of its variants that are not read to their end.
    """

    metric: Metric
    plain: np.ndarray | None
    changed: Mapping[str, np.ndarray]
    rated: np.ndarray | None
    cut: np.ndarray | None = None
    cut_changed: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class _Changes:
    """Effect of a check on the scores of one metric.

    Attributes:
        signs: -1 for each variant that is scored worse, 0 for the same, 1 for better; NaN if a score is missing.
        cut: marks of variants that are not read to their end, or whose item is not.
        groups: article of each variant.
    """

    signs: np.ndarray
    cut: np.ndarray
    groups: np.ndarray


def numbers_of(
    scored: Sequence[MetricScores], items: Sequence[Item], variants: Sequence[Variants], rated: RatedTexts | None
) -> list[MetricNumber]:
    """Return all numbers of a benchmark.

    Args:
        scored: metrics; the others are compared with the first.
        items: unchanged items.
        variants: items of each check.
        rated: texts with ratings by readers, if there are any.
    """
    groups = np.array([item.group for item in items])
    rows: list[MetricNumber] = []
    for check in variants:
        changes = {one.metric.name: found for one in scored if (found := _changes(one, check, groups)) is not None}
        for name, found in changes.items():
            rows += _outcomes(name, check.name, found)
        for one, other in _rivals(scored, list(changes)):
            rows += _more_often_worse(one, other, check.name, changes)
    if rated is not None:
        agreeing = [one for one in scored if one.rated is not None and np.isfinite(one.rated).all()]
        for one in agreeing:
            rows += _agreement(one, rated)
        for one, other in _rivals(agreeing, [one.metric.name for one in agreeing]):
            rows += _differences(one, other, rated)
    return rows


def _rivals(scored: Sequence[MetricScores], names: Sequence[str]) -> list[tuple[MetricScores, MetricScores]]:
    """Return pairs of metrics to compare: each with the first metric that has numbers, and with its own rival."""
    there = {one.metric.name: one for one in scored if one.metric.name in names}
    first = next(iter(there.values()), None)
    pairs = [(one, first) for one in there.values() if first is not None and one is not first]
    own = [(one, there[one.metric.versus]) for one in there.values() if one.metric.versus in there]
    return pairs + [(one, other) for one, other in own if other is not first]


def _changes(one: MetricScores, check: Variants, groups: np.ndarray) -> _Changes | None:
    """Return the effect of a check; None if the metric does not read the changed part, or has no scores."""
    if one.plain is None or check.name not in one.changed or CHECKS[check.name].part not in one.metric.reads:
        return None
    rows = list(check.rows)
    differences = one.changed[check.name] - one.plain[rows]
    known = np.isfinite(differences)
    if not known.any():
        return None
    signs = np.where(known, np.sign(settled(np.nan_to_num(differences))), np.nan)
    cut = np.zeros(len(rows), bool) if one.cut is None else one.cut[rows] | one.cut_changed[check.name]
    return _Changes(signs, cut, groups[rows])


def _outcomes(name: str, check: str, found: _Changes) -> list[MetricNumber]:
    """Return the shares of outcomes; if some texts are cut, also their share and the outcomes of the other texts."""
    known = np.isfinite(found.signs)
    rows = _shares(name, check, found, known, "")
    if found.cut[known].any():
        rows.append(
            estimated(CHECKED, check, name, CUT, clustered_share(found.cut[known].astype(float), found.groups[known]))
        )
        if not found.cut[known].all():
            rows += _shares(name, check, found, known & ~found.cut, _UNCUT)
    return rows


def _shares(name: str, check: str, found: _Changes, kept: np.ndarray, ending: str) -> list[MetricNumber]:
    signs, groups = found.signs[kept], found.groups[kept]
    return [
        estimated(CHECKED, check, name, f"{outcome}{ending}", clustered_share((signs == sign).astype(float), groups))
        for sign, outcome in zip((-1, 0, 1), OUTCOMES, strict=True)
    ]


def _more_often_worse(
    one: MetricScores, other: MetricScores, check: str, changes: Mapping[str, _Changes]
) -> list[MetricNumber]:
    """Return the paired difference of how often two metrics score changed items worse."""
    own, rival = changes[one.metric.name], changes[other.metric.name]
    known = np.isfinite(own.signs) & np.isfinite(rival.signs)
    if not known.any():
        return []
    left, right = ((each.signs[known] < 0).astype(float) for each in (own, rival))
    return [estimated(CHECKED, check, _versus(one, other), "worse", paired_difference(left, right, own.groups[known]))]


def _agreement(one: MetricScores, rated: RatedTexts) -> list[MetricNumber]:
    if one.rated is None:
        return []
    return [
        MetricNumber(READERS, row.of, one.metric.name, row.measure, row.value, row.low, row.high, row.n)
        for row in agreement_with_readers(rated, one.rated)
    ]


def _differences(one: MetricScores, other: MetricScores, rated: RatedTexts) -> list[MetricNumber]:
    """Return paired differences of two metrics' correlations with readers, also with length held constant.

    Without codes of people there are no intervals that resample people, and no differences.
    """
    if one.rated is None or other.rated is None or not all(text.readers for text in rated.texts):
        return []
    images = [text.image for text in rated.texts]
    people = [text.readers for text in rated.texts]
    length = np.array([float(len(text.description)) for text in rated.texts])
    rows = []
    for question in QUESTIONS:
        ratings = [text.answers[question] for text in rated.texts]
        for measure, given in (("pearson", None), ("pearson given length", length)):
            found = two_way_difference(one.rated, other.rated, ratings, people, images, given=given)
            if not math.isnan(found.value):
                rows.append(estimated(READERS, question, _versus(one, other), measure, found))
    return rows


def _versus(one: MetricScores, other: MetricScores) -> str:
    return f"{one.metric.name}{MINUS}{other.metric.name}"


def estimated(part: str, of: str, metric: str, measure: str, found: Estimate) -> MetricNumber:
    """Return an estimate as a number."""
    return MetricNumber(part, of, metric, measure, found.value, found.low, found.high, found.n)
