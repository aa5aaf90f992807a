"""Simulated participants: answers with a known preference and with biases, to try a design before the study begins.
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

OVERALL = RaterVariances(0.144, 0.455, 1.104)  # ratings by blind and low-vision readers (Kreiss et al. 2022)
_MEAN_RATING = 3.0
_MEDIAN_SECONDS = 25.0


@dataclass(frozen=True)
class Readers:
    """Preference, variances and biases of simulated participants.

    A participant prefers the text that the model prefers if u = μ + person + item + rest > 0. The terms person, item
    and rest are normal with the three variances, and μ gives the requested preference. A repeated screen keeps the
    terms person and item.

    Attributes:
        model: model that participants follow, or a kind of text.
        preference: probability of a choice that follows the model, over people and items, before biases.
        variances: variances of people, of items, and of the rest; only their ratios matter.
        order: bias added to u for the first text, in standard deviations of u.
        length: bias added to u for the longer text, in standard deviations of u.
        inattention: probability that a participant answers a screen at random.
    """

    model: str
    preference: float
    variances: RaterVariances = OVERALL
    order: float = 0.0
    length: float = 0.0
    inattention: float = 0.0


def latent_mean(preference: float, total: float = 1.0) -> float:
    """Return μ with P(μ + noise > 0) = preference, for normal noise with the variance `total`.

    >>> round(latent_mean(0.6), 4), latent_mean(0.5)
    (0.2533, 0.0)
    """
    from scipy.special import ndtri  # slow to import

    return float(ndtri(preference)) * math.sqrt(total)


def true_preferences(study: Study, readers: Readers) -> dict[str, float]:
    """Return for each model the share of choices of its text, over all pairs of the data, without biases.

    Raises:
        ValueError: the followed model is not in the study.
    """
    if readers.model not in study.models:
        raise ValueError(f"readers follow {readers.model}, which is not one of {', '.join(study.models)}")
    concordance = study.concordance[study.models.index(readers.model)]
    reach = readers.preference - 0.5
    return {model: 0.5 + reach * share for model, share in zip(study.models, concordance, strict=True)}


def simulate(study: Study, readers: Readers, seed: int, people: Sequence[str] | None = None) -> list[Response]:
    """Return the answers of all participants.

    Args:
        seed: seed of all random draws.
        people: codes of participants to keep; None keeps all.

    Raises:
        ValueError: the followed name is neither a model nor a kind of text of the study.
    """
    if readers.model not in (*study.models, *study.kinds):
        names = ", ".join((*study.models, *study.kinds))
        raise ValueError(f"readers follow {readers.model}, which is not one of {names}")
    rng = np.random.default_rng([seed, 38])
    variances = readers.variances
    total = variances.people + variances.items + variances.rest
    of_items = dict(zip(study.by_key, rng.normal(0, math.sqrt(variances.items), len(study.items)), strict=True))
    quality = {(item.key, text): rng.normal(0, math.sqrt(variances.items)) for item in study.items for text in (0, 1)}
    out = []
    for code, form in study.form_of.items():
        effect = float(rng.normal(0, math.sqrt(variances.people)))
        answers = _answers(study, form, readers, effect, of_items, quality, total, rng)
        if people is None or code in people:
            out.append(Response(study.id, form.name, code, "en", tuple(answers), simulated=True))
    return out


def _answers(
    study: Study,
    form: Form,
    readers: Readers,
    effect: float,
    of_items: Mapping[str, float],
    quality: Mapping[tuple[str, int], float],
    total: float,
    rng: np.random.Generator,
) -> list[Answer]:
    """Return the answers of one participant, whose term of u is `effect`."""
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
            u = mean + effect + of_items[item.key] + noise * math.sqrt(readers.variances.rest)
            u += readers.order * size * (1 if screen.first == target else -1)
            u += readers.length * size * (1 - 2 * abs(item.longer - target))
            text = target if u > 0 else 1 - target
            place = int(text != screen.first)
        if idle < readers.inattention:
            place = int(coin < 0.5)
        rated: dict[str, int] = {}
        if screen.rated is not None:
            level = _MEAN_RATING + effect + quality[screen.item, screen.rated]
            rated = {
                question: int(np.clip(round(level + float(more)), 1, 5))
                for question, more in zip(QUESTIONS, ratings, strict=True)
            }
        answers.append(Answer(number, PLACES[place], rated, round(seconds, 1)))
    return answers


def _target(item: StudyItem, study: Study, model: str, coin: float) -> int:
    """Return the text that readers tend to choose: the text of a kind, or the text that a model prefers."""
    if model in study.kinds:
        return study.kinds.index(model)
    choice = item.choice(model)
    return int(coin < 0.5) if choice == 0.5 else int(choice)
