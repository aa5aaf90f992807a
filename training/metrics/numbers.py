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
        of: a check, or a question of the ratings.
        metric: name of a metric, or of two metrics with a minus sign between them.
        measure: name of the measure.
        value: value of the number.
        low, high: ends of its 95 % interval; NaN without interval.
        n: number of items.
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
        plain: scores of the unchanged items, shape (n,); None without items.
        changed: check -> scores of its variants.
        rated: scores of the rated texts; None without readers.
        cut: marks of truncated unchanged items; None if the metric never truncates.
        cut_changed: check -> marks of its truncated variants.
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
        signs: -1 for each variant with a lower score, 0 for an equal, 1 for a higher score; NaN for a missing score.
        cut: marks of variants that are truncated or whose item is truncated.
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
        scored: scores by each metric; every metric is compared with the first.
        items: unchanged items.
        variants: items of each check.
        rated: texts with ratings by readers; None without readers.
    """
    groups = np.array([item.group for item in items])
    rows: list[MetricNumber] = []
    for check in variants:
        changes = {
            scores.metric.name: change for scores in scored if (change := _changes(scores, check, groups)) is not None
        }
        for name, change in changes.items():
            rows += _outcomes(name, check.name, change)
        for left, right in _rivals(scored, list(changes)):
            rows += _more_often_worse(left, right, check.name, changes)
    if rated is not None:
        complete = [scores for scores in scored if scores.rated is not None and np.isfinite(scores.rated).all()]
        for scores in complete:
            rows += _agreement(scores, rated)
        for left, right in _rivals(complete, [scores.metric.name for scores in complete]):
            rows += _differences(left, right, rated)
    return rows


def _rivals(scored: Sequence[MetricScores], names: Sequence[str]) -> list[tuple[MetricScores, MetricScores]]:
    """Return pairs of metrics to compare: each with the first metric that has numbers, and with its `versus`."""
    there = {scores.metric.name: scores for scores in scored if scores.metric.name in names}
    first = next(iter(there.values()), None)
    pairs = [(scores, first) for scores in there.values() if first is not None and scores is not first]
    rivals = [(scores, there[scores.metric.versus]) for scores in there.values() if scores.metric.versus in there]
    return pairs + [(scores, rival) for scores, rival in rivals if rival is not first]


def _changes(scores: MetricScores, check: Variants, groups: np.ndarray) -> _Changes | None:
    """Return the effect of a check; None if the metric does not read the changed part, or has no scores."""
    if scores.plain is None or check.name not in scores.changed or CHECKS[check.name].part not in scores.metric.reads:
        return None
    rows = list(check.rows)
    differences = scores.changed[check.name] - scores.plain[rows]
    finite = np.isfinite(differences)
    if not finite.any():
        return None
    signs = np.where(finite, np.sign(settled(np.nan_to_num(differences))), np.nan)
    cut = np.zeros(len(rows), bool) if scores.cut is None else scores.cut[rows] | scores.cut_changed[check.name]
    return _Changes(signs, cut, groups[rows])


def _outcomes(name: str, check: str, change: _Changes) -> list[MetricNumber]:
    """Return the shares of outcomes; if texts are truncated, also their share and the outcomes of the other texts."""
    finite = np.isfinite(change.signs)
    rows = _shares(name, check, change, finite, "")
    if change.cut[finite].any():
        rows.append(
            estimated(
                CHECKED, check, name, CUT, clustered_share(change.cut[finite].astype(float), change.groups[finite])
            )
        )
        if not change.cut[finite].all():
            rows += _shares(name, check, change, finite & ~change.cut, _UNCUT)
    return rows


def _shares(name: str, check: str, change: _Changes, kept: np.ndarray, ending: str) -> list[MetricNumber]:
    signs, groups = change.signs[kept], change.groups[kept]
    return [
        estimated(CHECKED, check, name, f"{outcome}{ending}", clustered_share((signs == sign).astype(float), groups))
        for sign, outcome in zip((-1, 0, 1), OUTCOMES, strict=True)
    ]


def _more_often_worse(
    left: MetricScores, right: MetricScores, check: str, changes: Mapping[str, _Changes]
) -> list[MetricNumber]:
    """Return the paired difference of two metrics' shares of lower scores for changed items."""
    both = [changes[scores.metric.name] for scores in (left, right)]
    finite = np.isfinite(both[0].signs) & np.isfinite(both[1].signs)
    if not finite.any():
        return []
    first, second = ((change.signs[finite] < 0).astype(float) for change in both)
    difference = paired_difference(first, second, both[0].groups[finite])
    return [estimated(CHECKED, check, _versus(left, right), "worse", difference)]


def _agreement(scores: MetricScores, rated: RatedTexts) -> list[MetricNumber]:
    if scores.rated is None:
        return []
    return [
        MetricNumber(READERS, row.of, scores.metric.name, row.measure, row.value, row.low, row.high, row.n)
        for row in agreement_with_readers(rated, scores.rated)
    ]


def _differences(left: MetricScores, right: MetricScores, rated: RatedTexts) -> list[MetricNumber]:
    """Return paired differences of two metrics' correlations with readers, also with length held constant.

    Without codes of people, intervals cannot resample people, and there are no differences.
    """
    if left.rated is None or right.rated is None or not all(text.readers for text in rated.texts):
        return []
    images = [text.image for text in rated.texts]
    people = [text.readers for text in rated.texts]
    length = np.array([float(len(text.description)) for text in rated.texts])
    rows = []
    for question in QUESTIONS:
        ratings = [text.answers[question] for text in rated.texts]
        for measure, given in (("pearson", None), ("pearson given length", length)):
            difference = two_way_difference(left.rated, right.rated, ratings, people, images, given=given)
            if not math.isnan(difference.value):
                rows.append(estimated(READERS, question, _versus(left, right), measure, difference))
    return rows


def _versus(left: MetricScores, right: MetricScores) -> str:
    return f"{left.metric.name}{MINUS}{right.metric.name}"


def estimated(part: str, subject: str, metric: str, measure: str, estimate: Estimate) -> MetricNumber:
    """Return an estimate as a number."""
    return MetricNumber(part, subject, metric, measure, estimate.value, estimate.low, estimate.high, estimate.n)
