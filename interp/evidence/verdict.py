"""Verdict in words: answers to seven questions of a reviewer about a subspace, each from intervals by a fixed rule.

The rules are the same for every model. Their bounds are simple, for example 0, one half, or halfway between chance and
1. No bound was tuned on results. Planted networks with a known truth show how the rules behave
(`tests/evidence/test_worlds.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import Key, MethodName, Numbers
from interp.measures.schema import with_ends
from interp.runs.chosen_cell import ChosenControls
from interp.stats import Estimate

Answered = Literal["yes", "no", "cannot tell"]
HALF = 0.5
SMALL = 0.2  # standard deviations: a small effect (Cohen 1988); a smaller gap counts as none
_SLIGHT = 0.1  # share of the gap, or difference of R²; a smaller shift or difference counts as none
_RATIOS = {way: Key("ratio", direction=way) for way in DIRECTIONS}
_R2_OWN = Key("r2_own")
_NO_MULTIPLES = "multiples of the gap are omitted, since the gap is not surely above 0"
_UNKNOWN = Estimate(math.nan, 0)


@dataclass(frozen=True)
class Answer:
    """Answer to one question.

    Attributes:
        name: short name of the question.
        rule: rule of the answer, in words.
        answer: ``cannot tell`` if an interval allows either answer, or if a measure is missing.
        because: numbers behind the answer.
    """

    name: str
    rule: str
    answer: Answered
    because: str

    @property
    def number(self) -> str:
        """First of the numbers behind the answer."""
        return self.because.split("; ")[0]


@dataclass(frozen=True)
class VerdictMeasures:
    """Measures that a verdict is based on.

    Attributes:
        numbers: measures of a cell, for one model.
        contrast: the two kinds of text.
        controls: methods whose subspaces the cell was compared with.
        chosen: facts known about the chosen cell alone; None for any other cell.
    """

    numbers: Numbers
    contrast: Contrast
    controls: Sequence[MethodName]
    chosen: ChosenControls | None = None

    def number(self, key: Key) -> Estimate:
        """Return a measure; its value is NaN if it is not known."""
        return self.numbers.get(key, _UNKNOWN)

    def between(self, key: Key, low: float, high: float) -> Answered:
        """Return ``yes`` if the interval of a measure lies between two bounds.

        Return ``no`` if the interval lies outside the bounds, and ``cannot tell`` otherwise.
        """
        number = self.number(key)
        if number.low > low and number.high < high:
            return "yes"
        return "no" if number.high < low or number.low > high else "cannot tell"

    @property
    def converged(self) -> bool:
        """Convergence of the search for Z; a subspace that was not searched for counts as converged."""
        return Key("converged") not in self.numbers or bool(self.number(Key("converged")).value)

    def not_below(self, key: Key, bound: float) -> Answered:
        """Return ``no`` if a difference is surely below a bound, else ``yes``.

        A difference without an interval gives ``yes`` if it is exactly 0, else ``cannot tell``.
        """
        number = self.number(key)
        if math.isnan(number.high):
            return "yes" if number.value == 0 else "cannot tell"
        return "no" if number.high < bound else "yes"

    def text(self, key: Key, form: str = "+.2f", factor: float = 1.0) -> str:
        """Return a measure with its interval, as text."""
        number = self.number(key)
        if math.isnan(number.value):
            return "not measured"
        value, low, high = (factor * each for each in (number.value, number.low, number.high))
        return with_ends(value, low, high, form)


def verdict(measures: VerdictMeasures) -> list[Answer]:
    """Return the seven answers in the order of reading. Without the first, the others mean little."""
    return [
        _precondition(measures),
        _calibrated(measures),
        _necessary(measures),
        _specific(measures),
        _beyond_controls(measures),
        _identified(measures),
        _beyond_length(measures),
    ]


def _precondition(measures: VerdictMeasures) -> Answer:
    """Answer whether there is a preference. Without a preference, a search can only build a lever."""
    rule = (
        f"The model scores {measures.contrast.a_positive} above the {measures.contrast.negative} of its image on "
        "average: the interval of the gap lies above 0. The answer is no if the interval lies below 0, or within a "
        "fifth of the standard deviation of single pairs' gaps around 0."
    )
    gap, bound = Key("gap"), SMALL * measures.number(Key("gap_sd")).value
    answer = measures.between(gap, 0, math.inf)
    if answer == "cannot tell" and measures.between(gap, -bound, bound) == "yes":
        answer = "no"
    share = measures.text(Key("preference"), ".1f", 100)
    return Answer("precondition", rule, answer, f"gap {measures.text(gap, '+.3f')}, preference {share} %")


def _calibrated(measures: VerdictMeasures) -> Answer:
    """Answer whether a swap of Z moves scores by the gap. R² of the mean gap is shown for comparison."""
    rule = (
        "In both directions, the interval of shift over gap lies between 1/2 and 3/2, and the interval of R² of the "
        "own gaps lies above 0. This R² is 1 if a text gets the other text's score with Z of the other text of its "
        "image, and keeps its score with Z of its own kind."
    )
    parts = [*(measures.between(key, HALF, 1 + HALF) for key in _RATIOS.values()), _above_zero(measures, _R2_OWN)]
    shifts = ", ".join(f"{measures.contrast.arrow(way)} {measures.text(key)}" for way, key in _RATIOS.items())
    because = f"shift over gap {shifts}; R² {measures.text(_R2_OWN)}, of the mean gap {measures.text(Key('r2'))}"
    if not _prefers(measures):
        because = f"R² {measures.text(_R2_OWN)}; {_NO_MULTIPLES}"
    return Answer("calibrated", rule, _if_preferred(measures, _all(parts)), because)


def _prefers(measures: VerdictMeasures) -> bool:
    """Return whether the gap is surely above 0. Without a gap, multiples of the gap can be any number."""
    return measures.between(Key("gap"), 0, math.inf) == "yes"


def _above_zero(measures: VerdictMeasures, key: Key) -> Answered:
    """Return whether a measure lies above 0; a measure that is exactly 0, with an upper end of 0, gives ``no``."""
    if measures.number(key).value == measures.number(key).high == 0:
        return "no"
    return measures.between(key, 0, math.inf)


def _necessary(measures: VerdictMeasures) -> Answer:
    """Answer whether the preference, and little else, is in Z. The score may be read from principal components."""
    rule = (
        "A neutral Z (one value for all texts) leaves less than half of the gap, in absolute value, and of the "
        "preference's excess over 50 %, but more than half of retrieval; it leaves less of the gap than neutral "
        "random subspaces, and not surely over a tenth more than neutral principal components. With Z of other texts "
        "of the same kind, more than half of the gap is left, and a swap of the whole stream at the site has an R² "
        "above 1/2."
    )
    bounds = {
        "gap left": (Key("gap_left"), -HALF, HALF),
        "preference left": (Key("preference_left"), -math.inf, HALF),
        "retrieval left": (Key("retrieval_left"), HALF, math.inf),
        "gap left with Z of the same kind": (Key("gap_kept_within"), HALF, math.inf),
        "R² of the whole stream": (Key("r2", "whole"), HALF, math.inf),
    }
    conditions = {name: (measures.between(*bound), measures.text(bound[0])) for name, bound in bounds.items()}
    for method in measures.controls:
        key = Key("left_below", method.column)
        if key in measures.numbers:
            less = _above_zero(measures, key) if method.key == "random" else measures.not_below(key, -_SLIGHT)
            conditions[f"less left than with {method.title}, by"] = less, measures.text(key)
    answer = _if_preferred(measures, _all([each for each, _ in conditions.values()]))
    against = {name: text for name, (each, text) in conditions.items() if each != "yes"}
    shown = against or {name: text for name, (_, text) in list(conditions.items())[:2]}
    because = "; ".join(f"{name} {text}" for name, text in shown.items())
    if not _prefers(measures):  # all measures except retrieval are multiples of the gap
        left = f"retrieval left {against['retrieval left']}; " if "retrieval left" in against else ""
        because = f"{left}{_NO_MULTIPLES}"
    neutral = measures.text(Key("neutral_preference"), ".1f", 100)
    unit = "" if math.isnan(measures.number(Key("neutral_preference")).value) else " %"
    return Answer("necessary", rule, answer, f"{because}; neutral preference {neutral}{unit}")


def _specific(measures: VerdictMeasures) -> Answer:
    """Answer whether a swap of Z affects little besides the score with the text's own image."""
    rule = (
        "A swap of Z moves the score with the text's own image by more than a tenth of the gap, and more than twice as "
        "much as scores with other images (the interval of the ratio lies between -1/2 and 1/2). A swap surely lowers "
        "neither retrieval nor zero-shot accuracy, where these were measured."
    )
    costs = {"retrieval": Key("swap_retrieval_lost"), "zero-shot": Key("swap_transfer_lost")}
    measured = {name: key for name, key in costs.items() if not math.isnan(measures.number(key).value)}
    free: list[Answered] = ["no" if measures.number(key).low > 0 else "yes" for key in measured.values()]
    still = all(measures.between(key, -_SLIGHT, _SLIGHT) == "yes" for key in _RATIOS.values())
    elsewhere = Key("elsewhere")
    answer = "no" if still else _all([measures.between(elsewhere, -HALF, HALF), *free])
    lost = ", ".join(f"{name} {measures.text(key, '+.1f', 100)}" for name, key in measured.items())
    losses = f"; points lost: {lost}" if lost else ""
    because = "a swap moves nothing" if still else f"elsewhere {measures.text(elsewhere)} of the shift{losses}"
    return Answer("specific", rule, answer, because)


def _beyond_controls(measures: VerdictMeasures) -> Answer:
    """Answer whether Z is better calibrated than its controls.

    Z may be as good as another control, since a closed form may give the right direction. IIA is not compared, since
    the lever reaches a high IIA without a search.
    """
    rule = (
        "R² of the own gaps lies above 0 and, by a paired interval, above R² of random subspaces, and R² of no other "
        "control is surely higher by more than 0.1. If the search did not converge, the answer is not yes."
    )
    leads = {
        method: key for method in measures.controls if (key := Key("r2_own_over", method.column)) in measures.numbers
    }
    parts: dict[str, tuple[Answered, str]] = {}
    for method, key in leads.items():
        answer = measures.between(key, 0, math.inf) if method.key == "random" else measures.not_below(key, -_SLIGHT)
        parts[f"above {method.title}"] = answer, measures.text(key)
    if leads:
        parts[""] = _above_zero(measures, _R2_OWN), measures.text(_R2_OWN)
    against = {name: text for name, (answer, text) in parts.items() if answer != "yes"}
    shown = against or {name: text for name, (_, text) in parts.items() if name}
    listing = "; ".join(f"R² {name}: {text}" if name else f"R² {text}" for name, text in shown.items())
    answers = [answer for answer, _ in parts.values()]
    return Answer(
        "beyond controls",
        rule,
        _unless_unconverged(measures, _if_preferred(measures, _all(answers))),
        _with_note(measures, listing or "no controls were measured"),
    )


def _identified(measures: VerdictMeasures) -> Answer:
    """Answer whether other seeds find the same subspace."""
    rule = (
        "Other seeds find the same subspace: the overlap of Z with each of them, the mean squared cosine of their "
        "angles, is nearer to 1 than to the overlap of random subspaces of that size. If a search did not converge, "
        "the answer is not yes."
    )
    overlaps = measures.chosen.overlaps if measures.chosen is not None else {}
    if measures.chosen is None or not overlaps:
        return Answer("identified", rule, "cannot tell", "no other seed was tried")
    listing = ", ".join(
        f"seed {seed}: {overlap:.2f}{_angles(measures.chosen, seed)}" for seed, overlap in overlaps.items()
    )
    # If Z is the whole stream, no seed could have found another subspace.
    defined = measures.chosen.chance < 1 and not any(map(math.isnan, overlaps.values())) and measures.chosen.converged
    enough = measures.chosen.chance + HALF * (1 - measures.chosen.chance)
    answer: Answered = "cannot tell" if not defined else "yes" if min(overlaps.values()) > enough else "no"
    because = f"overlap with {listing}; with a random subspace {measures.chosen.chance:.2f}"
    if not measures.chosen.converged:
        because = f"another seed did not converge; {because}"
    return Answer("identified", rule, _unless_unconverged(measures, answer), _with_note(measures, because))


def _beyond_length(measures: VerdictMeasures) -> Answer:
    """Answer whether the preference is more than a preference for length."""
    rule = (
        "The preference is more than a preference for length: differences in the numbers of words and names and in "
        "word frequency explain less than half of the squared moves of scores in swaps of Z within a kind. Pairs "
        "whose texts are equally long show the gap as well."
    )
    explained, equal = Key("traits_r2"), Key("equal_gap")
    if explained not in measures.numbers:
        return Answer("beyond length", rule, "cannot tell", "texts were not compared")
    parts = [measures.between(explained, -math.inf, HALF), measures.between(equal, 0, math.inf)]
    answer = _if_preferred(measures, _all(parts))
    prefix = "follows length: " if answer == "no" else ""
    prefix += f"words, names, frequency explain {measures.text(explained)} within a kind"
    return Answer("beyond length", rule, answer, f"{prefix}; gap at equal length {measures.text(equal, '+.3f')}")


def _unless_unconverged(measures: VerdictMeasures, answer: Answered) -> Answered:
    """Return the answer, but ``cannot tell`` instead of ``yes`` if the search did not converge.

    A search that did not converge may have found the wrong subspace.
    """
    return answer if measures.converged or answer == "no" else "cannot tell"


def _with_note(measures: VerdictMeasures, because: str) -> str:
    return because if measures.converged else f"the search did not converge; {because}"


def _angles(chosen: ChosenControls, seed: int) -> str:
    each = chosen.angles.get(seed)
    return f" (angles {each[0]:.0f} to {each[-1]:.0f}°)" if each else ""


def _all(parts: Sequence[Answered]) -> Answered:
    """Return ``no`` if any part is no, ``cannot tell`` if any part is unclear or there are no parts, else ``yes``."""
    if "no" in parts:
        return "no"
    return "cannot tell" if "cannot tell" in parts or not parts else "yes"


def _if_preferred(measures: VerdictMeasures, answer: Answered) -> Answered:
    """Return the answer, or ``cannot tell`` if the model has no preference that could be localized."""
    return answer if _precondition(measures).answer == "yes" else "cannot tell"
