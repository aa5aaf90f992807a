"""Numbers of a study: preferences for models' texts, order, fatigue, attention, and agreement of readers. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from interp.cli.progress import Bar
from interp.data.blv import QUESTIONS
from interp.stats import (
    Estimate,
    clustered_mean,
    clustered_share,
    crossed_effects,
    krippendorff_alpha,
)
from interp.stats.comparisons import bradley_terry
from interp.stats.two_way import two_way_jackknife
from training.metrics.numbers import MINUS, MetricNumber, estimated
from training.studies.answers import LONGER, Attentiveness, Choices, care_of, choices_of, ratings_of, rivals_of
from training.studies.design import Study
from training.studies.responses import Response
from training.studies.sampling import STRATA

PREFERENCE, DIFFERENCE, STRENGTH, CARE, AGREEMENT = "preference", "difference", "strength", "care", "agreement"
ALL, ATTENTIVE, MIXED, DIFFER = "all", "people who passed all checks", "mixed model", "pairs on which they differ"
CHOSEN = "chosen by readers"
CHOSEN_OF_BOTH = f"{CHOSEN}, of both"
MORE_FIRST, MORE_LATER = "more, its text came first", "more, ten screens later"
_LATER = "ten screens later"
STRATUM = "stratum "
READERS = "readers"
_ALPHA = "Krippendorff's alpha"


def study_numbers(study: Study, responses: Sequence[Response]) -> list[MetricNumber]:
    """Return all numbers of the choices; `training.studies.ratings` has the correlations with ratings."""
    choices, care = choices_of(study, responses), care_of(study, responses)
    rows = _preferences(study, choices, ALL)
    if care.failed:
        rows += _preferences(
            study, choices.of_people(sorted(set(choices.person.tolist()) - care.failed), study), ATTENTIVE
        )
    for stratum in STRATA:
        rows += _preferences(study, choices.rows(choices.stratum == stratum), f"{STRATUM}{stratum}")
    for model in study.models:
        rows += _mixed(study, choices, model)
    for model, other in combinations([*study.models, LONGER], 2):
        rows += _differences(study, choices, model, other)
    if len(study.models) > 2:
        rows += _strengths(study, choices)
    return rows + _care(choices, care) + _agreement(study, choices, responses)


def _ends(choices: Choices) -> tuple[list[str], list[str]]:
    """Return the people and the articles of choices, by names that differ between the two kinds."""
    return [f"person {name}" for name in choices.person], [f"article {name}" for name in choices.group]


def _preferences(study: Study, choices: Choices, subset: str) -> list[MetricNumber]:
    """Return for each rival the share of choices of its text, with equal weights for all pairs of the data."""
    if not len(choices):
        return []
    return [
        estimated(
            PREFERENCE,
            subset,
            rival,
            CHOSEN,
            clustered_share(choices.hits(study, rival), *_ends(choices), choices.weight),
        )
        for rival in rivals_of(study)
    ]


def _mixed(study: Study, choices: Choices, model: str) -> list[MetricNumber]:
    """Return the preference for a model's text by a linear mixed model, and the effects of order and fatigue."""
    hits = choices.hits(study, model)
    clear = hits != 0.5
    people, items = choices.person[clear].tolist(), choices.item[clear].tolist()
    if min(len(set(people)), len(set(items))) < 2 or len(set(hits[clear].tolist())) < 2:
        return []
    preferred = np.where(hits == 1, choices.text, 1 - choices.text)[clear]  # the model's text
    came_first = np.where(preferred == choices.first[clear], 0.5, -0.5)
    effects = {MORE_FIRST: came_first, MORE_LATER: choices.screen[clear] / 10}
    estimates = _effects(hits[clear], effects, people, items)
    return [
        estimated(PREFERENCE, MIXED, model, CHOSEN if name == "mean" else name, estimate)
        for name, estimate in estimates.items()
    ]


def _differences(study: Study, choices: Choices, model: str, other: str) -> list[MetricNumber]:
    """Return the difference of two models' shares, and the share of the other model where the two differ."""
    name = f"{other}{MINUS}{model}"
    more = choices.hits(study, other) - choices.hits(study, model)
    rows = [estimated(DIFFERENCE, ALL, name, CHOSEN, clustered_mean(more, *_ends(choices), choices.weight))]
    apart = choices.rows(np.abs(more) == 1)
    if len(apart):
        share = clustered_share(apart.hits(study, other), *_ends(apart), apart.weight)
        rows.append(estimated(DIFFERENCE, DIFFER, name, CHOSEN_OF_BOTH, share))
    return rows


def _strengths(study: Study, choices: Choices) -> list[MetricNumber]:
    """Return the models' strengths: a model beats a second model if readers choose its text and not the second's."""
    hits = np.stack([choices.hits(study, model) for model in study.models], axis=1)

    def strengths(times: NDArray[np.float64]) -> NDArray[np.float64]:
        weights = (times * choices.weight)[:, None]
        return bradley_terry(((hits == 1) * weights).T @ (hits == 0).astype(float))

    people, groups = choices.person.tolist(), choices.group.tolist()
    fits = 1 + len(set(people)) + len(set(groups)) + len(set(zip(people, groups, strict=True)))
    with Bar(total=fits, desc="Bradley-Terry", unit="fit") as bar:

        def counted(times: NDArray[np.float64]) -> NDArray[np.float64]:
            bar.update()
            return strengths(times)

        estimates = two_way_jackknife(counted, people, groups)
    return [
        estimated(STRENGTH, ALL, model, "Bradley-Terry log strength", estimate)
        for model, estimate in zip(study.models, estimates, strict=True)
    ]


def _care(choices: Choices, care: Attentiveness) -> list[MetricNumber]:
    """Return effects of order and fatigue on all choices, and outcomes of checks and repeats."""
    people, groups = _ends(choices)
    first = clustered_share((choices.text == choices.first).astype(float), people, groups, choices.weight)
    rows = [estimated(CARE, ALL, READERS, "chose the text that came first", first)]
    seconds = choices.seconds[choices.seconds > 0]
    if len(seconds):
        rows.append(_plain(CARE, ALL, "seconds on a screen, median", float(np.median(seconds)), len(seconds)))
    rows += _speed(choices)
    for kind, outcomes, measure in (
        ("checks", care.checks, "passed"),
        ("repeats", care.repeats, "chose the same text again"),
    ):
        if outcomes:
            passed, names = [float(good) for *_, good in outcomes], [person for person, *_ in outcomes]
            rows.append(estimated(CARE, kind, READERS, measure, clustered_share(passed, names)))
    if care.checks:
        people_checked = len({person for person, _ in care.checks})
        rows.append(_plain(CARE, "checks", "people who failed one", float(len(care.failed)), people_checked))
    return rows


def _speed(choices: Choices) -> list[MetricNumber]:
    """Return the factor by which the time on a screen changes over ten screens, by a mixed model of its logarithm."""
    timed = choices.seconds > 0
    people, items = choices.person[timed].tolist(), choices.item[timed].tolist()
    if min(len(set(people)), len(set(items))) < 2:
        return []
    effects = {_LATER: choices.screen[timed] / 10}
    slope = _effects(np.log(choices.seconds[timed]), effects, people, items).get(_LATER)
    if slope is None:
        return []
    with np.errstate(over="ignore"):
        value, low, high = (float(np.exp(end)) for end in (slope.value, slope.low, slope.high))
    return [estimated(CARE, ALL, READERS, f"seconds, factor of {_LATER}", Estimate(value, slope.n, low, high))]


def _effects(
    values: NDArray[np.float64], effects: Mapping[str, NDArray[np.float64]], people: Sequence[str], items: Sequence[str]
) -> Mapping[str, Estimate]:
    """Return effects by a mixed model; an empty mapping if the answers are too few to separate the effects."""
    design = np.column_stack([np.ones(len(values)), *effects.values()])
    if len(values) < 2 * design.shape[1] + 2 or np.linalg.matrix_rank(design) < design.shape[1]:
        return {}
    try:
        return crossed_effects(values, effects, people, items)
    except np.linalg.LinAlgError:
        return {}


def _agreement(study: Study, choices: Choices, responses: Sequence[Response]) -> list[MetricNumber]:
    """Return the agreement of readers on choices, and on each question."""
    rows = [
        _plain(
            AGREEMENT,
            "choice",
            _ALPHA,
            krippendorff_alpha(choices.text, choices.person.tolist(), choices.item.tolist(), "nominal"),
            len(choices),
        )
    ]
    rated = list(ratings_of(study, responses))
    for question in QUESTIONS if rated else ():
        alpha = krippendorff_alpha(
            [ratings[question] for *_, ratings in rated],
            [person for _, _, person, _ in rated],
            [f"{item} {text}" for item, text, *_ in rated],
            "ordinal",
        )
        rows.append(_plain(AGREEMENT, question, _ALPHA, alpha, len(rated)))
    return rows


def _plain(part: str, subset: str, measure: str, value: float, n: int) -> MetricNumber:
    return MetricNumber(part, subset, READERS, measure, value, math.nan, math.nan, n)
