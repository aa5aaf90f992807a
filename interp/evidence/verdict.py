"""Verdict in words: seven questions of a reviewer about a subspace, each answered from intervals by a rule.

The rules are the same for every model. Their bounds are the plainest possible: nothing, one half, nearer to one than to
chance. None was tuned on results. Planted networks with a known truth show how the rules behave
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
_NO_MULTIPLES = "multiples of the gap are given only where it is surely above 0"
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


def verdict(of: VerdictMeasures) -> list[Answer]:
    """Return the seven answers in the order of reading. Without the first, the others mean little."""
    return [
        _precondition(of),
        _calibrated(of),
        _necessary(of),
        _specific(of),
        _beyond(of),
        _identified(of),
        _length(of),
    ]


def _precondition(of: VerdictMeasures) -> Answer:
    rule = (
        f"The model scores {of.contrast.a_positive} above the {of.contrast.negative} of its image on average: the "
        "interval of the gap lies above 0. Without a preference there is nothing to localize, and a search can only "
        "build a lever. The answer is no where the interval lies below 0, or within a fifth of the standard deviation "
        "of single pairs' gaps around 0."
    )
    gap, bound = Key("gap"), SMALL * of.number(Key("gap_sd")).value
    answer = of.between(gap, 0, math.inf)
    if answer == "cannot tell" and of.between(gap, -bound, bound) == "yes":
        answer = "no"
    share = of.text(Key("preference"), ".1f", 100)
    return Answer("precondition", rule, answer, f"gap {of.text(gap, '+.3f')}, preference {share} %")


def _calibrated(of: VerdictMeasures) -> Answer:
    rule = (
        "A swap of Z moves scores by what lies between the kinds: in both directions the interval of shift over gap "
        "lies between 1/2 and 3/2; and with Z of the other text of the same image a text gets the other's score, with "
        "Z of its own kind it keeps its own: the interval of R² of the own gaps lies above 0, that of no change. R² "
        "of the mean gap, which also asks that the gap be the same for all images, stands next to it."
    )
    parts = [*(of.between(key, HALF, 1 + HALF) for key in _RATIOS.values()), _above_zero(of, _R2_OWN)]
    shifts = ", ".join(f"{of.contrast.arrow(way)} {of.text(key)}" for way, key in _RATIOS.items())
    because = f"shift over gap {shifts}; R² {of.text(_R2_OWN)}, of the mean gap {of.text(Key('r2'))}"
    if not _prefers(of):
        because = f"R² {of.text(_R2_OWN)}; {_NO_MULTIPLES}"
    return Answer("calibrated", rule, _given(of, _all(parts)), because)


def _prefers(of: VerdictMeasures) -> bool:
    """Return whether the gap is surely above 0. Without a gap, multiples of the gap can be any number."""
    return of.between(Key("gap"), 0, math.inf) == "yes"


def _above_zero(of: VerdictMeasures, key: Key) -> Answered:
    """Return whether a measure lies above 0; a measure that is exactly 0, with an upper end of 0, gives ``no``."""
    if of.number(key).value == of.number(key).high == 0:
        return "no"
    return of.between(key, 0, math.inf)


def _necessary(of: VerdictMeasures) -> Answer:
    rule = (
        "The preference is in Z, and little else is. Where Z of every text is set to one neutral value, less than "
        "half is left of the gap, in either sign, and of the preference's excess over 50 %, but more than half of "
        "retrieval; with Z of other texts of the same kind more than half of the gap is left. The whole stream at the "
        "site holds the gap (R² above 1/2 where all of it is taken from the other text of the pair). A neutral value "
        "of Z leaves less of the gap than one of random subspaces, by a paired interval, and not surely more than one "
        "of as many principal components, by more than a tenth: these may be what the score is read from."
    )
    bounds = {
        "gap left": (Key("gap_left"), -HALF, HALF),
        "preference left": (Key("preference_left"), -math.inf, HALF),
        "retrieval left": (Key("retrieval_left"), HALF, math.inf),
        "gap left with Z of the same kind": (Key("gap_kept_within"), HALF, math.inf),
        "R² of the whole stream": (Key("r2", "whole"), HALF, math.inf),
    }
    conditions = {name: (of.between(*bound), of.text(bound[0])) for name, bound in bounds.items()}
    for one in of.controls:
        key = Key("left_below", one.column)
        if key in of.numbers:
            less = _above_zero(of, key) if one.key == "random" else of.not_below(key, -_SLIGHT)
            conditions[f"less left than with {one.title}, by"] = less, of.text(key)
    answer = _given(of, _all([each for each, _ in conditions.values()]))
    against = {name: text for name, (each, text) in conditions.items() if each != "yes"}
    shown = against or {name: text for name, (_, text) in list(conditions.items())[:2]}
    said = "; ".join(f"{name} {text}" for name, text in shown.items())
    if not _prefers(of):  # all measures except retrieval are multiples of the gap
        left = f"retrieval left {against['retrieval left']}; " if "retrieval left" in against else ""
        said = f"{left}{_NO_MULTIPLES}"
    neutral = of.text(Key("neutral_preference"), ".1f", 100)
    unit = "" if math.isnan(of.number(Key("neutral_preference")).value) else " %"
    return Answer("necessary", rule, answer, f"{said}; neutral preference {neutral}{unit}")


def _specific(of: VerdictMeasures) -> Answer:
    rule = (
        "A swap of Z moves the score with the text's own image, by more than a tenth of the gap, and more than twice "
        "as much as with other images (the interval of their ratio lies between -1/2 and 1/2); and it surely costs "
        "neither retrieval nor, where that was measured, zero-shot accuracy."
    )
    costs = {"retrieval": Key("swap_retrieval_lost"), "zero-shot": Key("swap_transfer_lost")}
    known = {name: key for name, key in costs.items() if not math.isnan(of.number(key).value)}
    free: list[Answered] = ["no" if of.number(key).low > 0 else "yes" for key in known.values()]
    still = all(of.between(key, -_SLIGHT, _SLIGHT) == "yes" for key in _RATIOS.values())
    elsewhere = Key("elsewhere")
    answer = "no" if still else _all([of.between(elsewhere, -HALF, HALF), *free])
    lost = ", ".join(f"{name} {of.text(key, '+.1f', 100)}" for name, key in known.items())
    said = f"; points lost: {lost}" if lost else ""
    because = "a swap moves nothing" if still else f"elsewhere {of.text(elsewhere)} of it{said}"
    return Answer("specific", rule, answer, because)


def _beyond(of: VerdictMeasures) -> Answer:
    rule = (
        "Its R² of the own gaps lies above 0, that of changing nothing, and above that of random subspaces, by a "
        "paired interval. And no other control's is surely higher by more than a tenth; it may be the same, since the "
        "right direction may be found in closed form. It is not asked of IIA, which the lever reaches without a "
        "search. A search that did not converge may have missed what it was for: then this cannot be told."
    )
    known = {one: key for one in of.controls if (key := Key("r2_own_over", one.column)) in of.numbers}
    parts: dict[str, tuple[Answered, str]] = {}
    for one, key in known.items():
        answer = of.between(key, 0, math.inf) if one.key == "random" else of.not_below(key, -_SLIGHT)
        parts[f"above {one.title}"] = answer, of.text(key)
    if known:
        parts[""] = _above_zero(of, _R2_OWN), of.text(_R2_OWN)
    against = {name: text for name, (answer, text) in parts.items() if answer != "yes"}
    shown = against or {name: text for name, (_, text) in parts.items() if name}
    said = "; ".join(f"R² {name}: {text}" if name else f"R² {text}" for name, text in shown.items())
    answers = [answer for answer, _ in parts.values()]
    return Answer(
        "beyond controls", rule, _found(of, _given(of, _all(answers))), _noted(of, said or "no controls were measured")
    )


def _identified(of: VerdictMeasures) -> Answer:
    rule = (
        "Other seeds find the same subspace: its overlap with that of each, the mean squared cosine of their angles, "
        "is nearer to 1 than to the overlap of random subspaces of that size. Where a search did not converge, this "
        "cannot be told."
    )
    known = of.chosen.overlaps if of.chosen is not None else {}
    if of.chosen is None or not known:
        return Answer("identified", rule, "cannot tell", "no other seed was tried")
    said = ", ".join(f"seed {seed}: {one:.2f}{_angles(of.chosen, seed)}" for seed, one in known.items())
    # If Z is the whole stream, no seed could have found another subspace.
    defined = of.chosen.chance < 1 and not any(map(math.isnan, known.values())) and of.chosen.converged
    enough = of.chosen.chance + HALF * (1 - of.chosen.chance)
    answer: Answered = "cannot tell" if not defined else "yes" if min(known.values()) > enough else "no"
    because = f"overlap with {said}; with a random subspace {of.chosen.chance:.2f}"
    if not of.chosen.converged:
        because = f"another seed did not converge; {because}"
    return Answer("identified", rule, _found(of, answer), _noted(of, because))


def _length(of: VerdictMeasures) -> Answer:
    rule = (
        "The preference is not one for length. Swaps of Z between texts of the same kind move scores by more than "
        "differences in the numbers of words and names and in word frequency explain (less than half of their "
        "squares), and pairs whose texts are equally long show the gap as well."
    )
    explained, equal = Key("traits_r2"), Key("equal_gap")
    if explained not in of.numbers:
        return Answer("beyond length", rule, "cannot tell", "texts were not compared")
    parts = [of.between(explained, -math.inf, HALF), of.between(equal, 0, math.inf)]
    answer = _given(of, _all(parts))
    said = "follows length: " if answer == "no" else ""
    said += f"words, names, frequency explain {of.text(explained)} within a kind"
    return Answer("beyond length", rule, answer, f"{said}; gap at equal length {of.text(equal, '+.3f')}")


def _found(of: VerdictMeasures, answer: Answered) -> Answered:
    """Return the answer, but ``cannot tell`` instead of ``yes`` if the search did not converge.

    A search that did not converge may have found the wrong subspace.
    """
    return answer if of.converged or answer == "no" else "cannot tell"


def _noted(of: VerdictMeasures, because: str) -> str:
    return because if of.converged else f"the search did not converge; {because}"


def _angles(chosen: ChosenControls, seed: int) -> str:
    each = chosen.angles.get(seed)
    return f" (angles {each[0]:.0f} to {each[-1]:.0f}°)" if each else ""


def _all(parts: Sequence[Answered]) -> Answered:
    """Return ``no`` if any part is no, ``cannot tell`` if any part is unclear or there are no parts, else ``yes``."""
    if "no" in parts:
        return "no"
    return "cannot tell" if "cannot tell" in parts or not parts else "yes"


def _given(of: VerdictMeasures, answer: Answered) -> Answered:
    """Return the answer, or ``cannot tell`` if the model has no preference that could be localized."""
    return answer if _precondition(of).answer == "yes" else "cannot tell"
