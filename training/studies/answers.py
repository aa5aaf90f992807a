"""Answers of all participants as columns, and their agreement with each model. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from training.studies.design import CHECK, ITEM, PLACES, REPEAT, Study
from training.studies.responses import Response

LONGER = "longer text"


def rivals_of(study: Study) -> list[str]:
    """Return the models, and the two rules without a model: the longer text, and the positive kind."""
    return [*study.models, LONGER, study.kinds[0]]


def ratings_of(study: Study, responses: Sequence[Response]) -> Iterator[tuple[str, int, str, Mapping[str, int]]]:
    """Yield the item, text, participant and ratings of each screen with questions."""
    for response in responses:
        screens = study.form_of[response.code].screens
        for answer in response.answers:
            if (rated := screens[answer.screen].rated) is not None:
                yield screens[answer.screen].item, rated, response.code, answer.ratings


@dataclass(frozen=True, eq=False)
class Choices:
    """Choices in comparisons of two texts, one row for each choice.

    Attributes:
        person: code of the participant.
        item: key of the item.
        group: article of the item.
        stratum: part of the data from which the item was drawn.
        weight: number of pairs of the data that the row stands for: the pairs of its stratum, divided by the answered
            items of the stratum and by the rows of the item.
        text: chosen text, 0 for the positive text.
        first: first text on the screen.
        screen: number of the screen, counted from 0.
        seconds: time during which the screen was in view.
    """

    person: np.ndarray
    item: np.ndarray
    group: np.ndarray
    stratum: np.ndarray
    weight: NDArray[np.float64]
    text: NDArray[np.float64]
    first: NDArray[np.float64]
    screen: NDArray[np.float64]
    seconds: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.person)

    def rows(self, kept: NDArray[np.bool_]) -> Choices:
        """Return the rows of a mask, with their weights."""
        return Choices(*(getattr(self, field.name)[kept] for field in fields(self)))

    def of_people(self, people: Sequence[str], study: Study) -> Choices:
        """Return the rows of a subset of participants, with weights computed for this subset."""
        part = self.rows(np.isin(self.person, people))
        return replace(part, weight=_weights(study, part.item, part.stratum))

    def hits(self, study: Study, model: str) -> NDArray[np.float64]:
        """Return 1 for each choice of the text that a model, a kind or `LONGER` prefers; 1/2 for a tie of the texts."""
        items = [study.by_key[key] for key in self.item]
        if model in study.kinds:
            wanted = np.full(len(items), float(study.kinds.index(model)))
        else:
            wanted = np.array([item.longer if model == LONGER else item.choice(model) for item in items])
        return 1 - np.abs(self.text - wanted)


def _weights(study: Study, items: np.ndarray, strata: np.ndarray) -> NDArray[np.float64]:
    """Return the number of pairs of the data that each row stands for."""
    totals: dict[str, float] = {}
    for item in study.items:
        totals[item.stratum] = totals.get(item.stratum, 0.0) + item.weight
    rows = dict(zip(*np.unique(items, return_counts=True), strict=True))
    answered = {name: len(np.unique(items[strata == name])) for name in np.unique(strata)}
    weights = [totals[name] / answered[name] / rows[item] for item, name in zip(items, strata, strict=True)]
    return np.array(weights, dtype=np.float64)


def missing_answers(study: Study, choices: Choices) -> list[str]:
    """Return notes on items without answers, and on strata without answers."""
    answered = set(choices.item.tolist())
    lacking = [item for item in study.items if item.key not in answered]
    if not lacking:
        return []
    notes = [f"{len(lacking)} of {len(study.items)} pairs have no answers; other pairs of their stratum represent them"]
    empty = {item.stratum for item in lacking} - set(choices.stratum.tolist())
    notes += [
        f"no pair of the stratum '{name}' has answers: shares describe the other strata" for name in sorted(empty)
    ]
    return notes


def choices_of(study: Study, responses: Sequence[Response]) -> Choices:
    """Return the choices between the texts of items, without checks and repeats."""
    rows = [
        (response.code, screen.item, _text(answer.choice, screen.first), screen.first, answer.screen, answer.seconds)
        for response in responses
        for answer in response.answers
        if (screen := study.form_of[response.code].screens[answer.screen]).kind == ITEM
    ]
    people, keys, *columns = zip(*rows, strict=True) if rows else [()] * 6
    items, strata = (np.array(values, dtype=np.str_) for values in (keys, [study.by_key[key].stratum for key in keys]))
    return Choices(
        np.array(people, dtype=np.str_),
        items,
        np.array([study.by_key[key].group for key in keys], dtype=np.str_),
        strata,
        _weights(study, items, strata),
        *(np.array(column, dtype=np.float64) for column in columns),
    )


def _text(choice: str, first: int) -> int:
    """Return the text at the chosen place."""
    return first if choice == PLACES[0] else 1 - first


@dataclass(frozen=True)
class Attentiveness:
    """Outcomes of attention checks and of repeats.

    Attributes:
        checks: (participant, whether the check was passed).
        repeats: (participant, item, whether the same text was chosen again).
    """

    checks: tuple[tuple[str, bool], ...]
    repeats: tuple[tuple[str, str, bool], ...]

    @property
    def failed(self) -> set[str]:
        """Codes of participants who failed a check."""
        return {person for person, passed in self.checks if not passed}


def care_of(study: Study, responses: Sequence[Response]) -> Attentiveness:
    """Return outcomes of checks and repeats."""
    checks: list[tuple[str, bool]] = []
    repeats: list[tuple[str, str, bool]] = []
    for response in responses:
        screens = study.form_of[response.code].screens
        chosen: dict[str, int] = {}
        for answer in sorted(response.answers, key=lambda each: each.screen):
            screen = screens[answer.screen]
            if screen.kind == CHECK:
                checks.append((response.code, answer.choice == PLACES[screen.first]))
                continue
            text = _text(answer.choice, screen.first)
            if screen.kind == REPEAT and screen.item in chosen:
                repeats.append((response.code, screen.item, text == chosen[screen.item]))
            chosen.setdefault(screen.item, text)
    return Attentiveness(tuple(checks), tuple(repeats))
