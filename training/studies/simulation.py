"""Simulated participants: answers with a known preference, and with biases, to try a design before anybody is asked.
No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interp.data.blv import QUESTIONS
from interp.stats import RaterVariances
from training.studies.design import CHECK, PLACES, Form, Study, StudyItem
from training.studies.responses import Answer, Response

OVERALL = RaterVariances(0.144, 0.455, 1.104)  # of ratings by blind and low-vision readers (Kreiss et al. 2022)
_MEAN_RATING = 3.0
_MEDIAN_SECONDS = 25.0


@dataclass(frozen=True)
class Readers:
    """Simulated participants: whose side they take, how they vary, and their biases.

    A participant prefers the text that a model prefers if u = μ + person + item + rest > 0, in which person, item and
    rest are normal with the three variances, and μ gives the wanted preference. A repeat keeps the person and the item.

    Attributes:
        model: model whose choices participants tend to share; or a kind of text.
        preference: probability that they do, from 0 to 1, on average over people and items, before biases.
        variances: of people, items and the rest, of which only the ratios matter.
        order: added to u for the text that comes first, in standard deviations of u.
        length: added to u for the longer text, in standard deviations of u.
        inattention: probability that a participant answers a screen at random.
    """

    model: str
    preference: float
    variances: RaterVariances = OVERALL
    order: float = 0.0
    length: float = 0.0
    inattention: float = 0.0


def latent_mean(preference: float, total: float = 1.0) -> float:
    """Return μ with P(μ + noise > 0) = preference, for normal noise of a variance.

    >>> round(latent_mean(0.6), 4), latent_mean(0.5)
    (0.2533, 0.0)
    """
    from scipy.special import ndtri  # slow to import

    return float(ndtri(preference)) * math.sqrt(total)


def true_preferences(study: Study, readers: Readers) -> dict[str, float]:
    """Return for each model the share of choices, over all pairs of the data, that are for its text; without biases.

    Raises:
        ValueError: readers follow no model of the study.
    """
    if readers.model not in study.models:
        raise ValueError(f"readers follow {readers.model}, which is not one of {', '.join(study.models)}")
    concordance = study.concordance[study.models.index(readers.model)]
    reach = readers.preference - 0.5
    return {model: 0.5 + reach * share for model, share in zip(study.models, concordance, strict=True)}


def simulate(study: Study, readers: Readers, seed: int, people: Sequence[str] | None = None) -> list[Response]:
    """Return the answers of all participants, or of those whose codes are given.

    Args:
        seed: of everything that is random.

    Raises:
        ValueError: readers follow no model and no kind of the study.
    """
    if readers.model not in (*study.models, *study.kinds):
        known = ", ".join((*study.models, *study.kinds))
        raise ValueError(f"readers follow {readers.model}, which is not one of {known}")
    rng = np.random.default_rng([seed, 38])
    variances = readers.variances
    total = variances.people + variances.items + variances.rest
    of_items = dict(zip(study.by_key, rng.normal(0, math.sqrt(variances.items), len(study.items)), strict=True))
    quality = {(item.key, text): rng.normal(0, math.sqrt(variances.items)) for item in study.items for text in (0, 1)}
    out = []
    for code, form in study.form_of.items():
        own = float(rng.normal(0, math.sqrt(variances.people)))
        answers = _answers(study, form, readers, own, of_items, quality, total, rng)
        if people is None or code in people:
            out.append(Response(study.id, form.name, code, "en", tuple(answers), simulated=True))
    return out


def _answers(
    study: Study,
    form: Form,
    readers: Readers,
    own: float,
    of_items: Mapping[str, float],
    quality: Mapping[tuple[str, int], float],
    total: float,
    rng: np.random.Generator,
) -> list[Answer]:
    """Return the answers of one participant, whose own part of u is given."""
    mean, size = latent_mean(readers.preference, total), math.sqrt(total)
    answers = []
    for number, screen in enumerate(form.screens):
        noise, seconds = float(rng.normal()), float(np.exp(rng.normal(math.log(_MEDIAN_SECONDS), 0.5)))
        idle, coin = rng.random(2)
        ratings = rng.normal(0, math.sqrt(readers.variances.rest), len(QUESTIONS))
        if screen.kind == CHECK:
            place = screen.first
        else:
            item = study.by_key[screen.item]
            target = _target(item, study, readers.model, coin)
            u = mean + own + of_items[item.key] + noise * math.sqrt(readers.variances.rest)
            u += readers.order * size * (1 if screen.first == target else -1)
            u += readers.length * size * (1 - 2 * abs(item.longer - target))
            text = target if u > 0 else 1 - target
            place = int(text != screen.first)
        if idle < readers.inattention:
            place = int(coin < 0.5)
        rated: dict[str, int] = {}
        if screen.rated is not None:
            level = _MEAN_RATING + own + quality[screen.item, screen.rated]
            rated = {
                question: int(np.clip(round(level + float(more)), 1, 5))
                for question, more in zip(QUESTIONS, ratings, strict=True)
            }
        answers.append(Answer(number, PLACES[place], rated, round(seconds, 1)))
    return answers


def _target(item: StudyItem, study: Study, model: str, coin: float) -> int:
    """Return the text that readers tend to choose: that of a kind, or that which a model prefers."""
    if model in study.kinds:
        return study.kinds.index(model)
    choice = item.choice(model)
    return int(coin < 0.5) if choice == 0.5 else int(choice)
