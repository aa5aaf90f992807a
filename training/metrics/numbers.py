"""Numbers of a benchmark: outcomes of checks, agreement with readers, and paired differences. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
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
_MINUS = " − "


@dataclass(frozen=True)
class MetricNumber:
    """One number.

    Attributes:
        part: `CHECKED` or `READERS`.
        of: a check, or a question that readers were asked.
        metric: name of a metric, or of two with a minus sign between them.
        measure: what it is.
        low, high: its 95 % interval, NaN where there is none.
        n: items that it was computed from.
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
class Scored:
    """Scores by one metric.

    Attributes:
        plain: of the unchanged items, length n.
        changed: check -> scores of its variants.
        rated: of the rated texts; none without readers.
    """

    metric: Metric
    plain: np.ndarray
    changed: Mapping[str, np.ndarray]
    rated: np.ndarray | None


def numbers_of(
    scored: Sequence[Scored], items: Sequence[Item], variants: Sequence[Variants], rated: RatedTexts | None
) -> list[MetricNumber]:
    """Return all numbers of a benchmark.

    Args:
        scored: metrics; the first one is what the others are compared with.
        items: unchanged items.
        variants: items of each check.
        rated: texts with ratings by readers, if there are any.
    """
    by_name = {one.metric.name: one for one in scored}
    rivals = [(one, scored[0]) for one in scored[1:]]
    rivals += [
        (one, by_name[one.metric.versus])
        for one in scored
        if one.metric.versus in by_name and by_name[one.metric.versus] is not scored[0]
    ]
    groups = np.array([item.group for item in items])
    rows: list[MetricNumber] = []
    for check in variants:
        for one in scored:
            rows += _outcomes(one, check, groups)
        for one, other in rivals:
            rows += _more_often_worse(one, other, check, groups)
    if rated is not None:
        for one in scored:
            rows += _agreement(one, rated)
        for one, other in rivals:
            rows += _differences(one, other, rated)
    return rows


def _changes(one: Scored, check: Variants) -> np.ndarray | None:
    """Return by how much a check changes each score, NaN where there is none; None if the metric does not read it."""
    if CHECKS[check.name].part not in one.metric.reads or not len(check):
        return None
    changes = one.changed[check.name] - one.plain[list(check.rows)]
    return np.where(np.isfinite(changes), settled(np.nan_to_num(changes)), np.nan)


def _outcomes(one: Scored, check: Variants, groups: np.ndarray) -> list[MetricNumber]:
    changes = _changes(one, check)
    if changes is None or not (known := np.isfinite(changes)).any():
        return []
    clusters = groups[list(check.rows)][known]
    signs = np.sign(changes[known])
    shares = {
        name: clustered_share((signs == sign).astype(float), clusters)
        for sign, name in zip((-1, 0, 1), OUTCOMES, strict=True)
    }
    return [_number(CHECKED, check.name, one.metric.name, name, share) for name, share in shares.items()]


def _more_often_worse(one: Scored, other: Scored, check: Variants, groups: np.ndarray) -> list[MetricNumber]:
    """Return the paired difference of how often two metrics score changed items worse."""
    changes = [_changes(each, check) for each in (one, other)]
    if changes[0] is None or changes[1] is None:
        return []
    known = np.isfinite(changes[0]) & np.isfinite(changes[1])
    if not known.any():
        return []
    own, rival = ((each[known] < 0).astype(float) for each in (changes[0], changes[1]))
    found = paired_difference(own, rival, groups[list(check.rows)][known])
    return [_number(CHECKED, check.name, _versus(one, other), "worse", found)]


def _agreement(one: Scored, rated: RatedTexts) -> list[MetricNumber]:
    if one.rated is None or not np.isfinite(one.rated).all():
        return []
    return [
        MetricNumber(READERS, row.of, one.metric.name, row.measure, row.value, row.low, row.high, row.n)
        for row in agreement_with_readers(rated, one.rated)
    ]


def _differences(one: Scored, other: Scored, rated: RatedTexts) -> list[MetricNumber]:
    """Return paired differences of two metrics' correlations with readers, also with length held."""
    if one.rated is None or other.rated is None or not all(text.readers for text in rated.texts):
        return []
    if not (np.isfinite(one.rated).all() and np.isfinite(other.rated).all()):
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
                rows.append(_number(READERS, question, _versus(one, other), measure, found))
    return rows


def _versus(one: Scored, other: Scored) -> str:
    return f"{one.metric.name}{_MINUS}{other.metric.name}"


def _number(part: str, of: str, metric: str, measure: str, found: Estimate) -> MetricNumber:
    return MetricNumber(part, of, metric, measure, found.value, found.low, found.high, found.n)
