"""A verdict in words: six questions that a reviewer asks of a subspace, each answered by a rule from an interval.

The rules are the same for every model, and their bounds the plainest there are: nothing, one half, nearer to one than
to chance. None was tuned on results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import MethodName
from interp.runs.chosen import Chosen
from interp.schema import written

if TYPE_CHECKING:
    import pandas as pd

Answered = Literal["yes", "no", "cannot tell"]
HALF = 0.5


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    Attributes:
        name: of the question, in a word.
        rule: by which it is answered, in words.
        answer: ``cannot tell`` where an interval allows either, or what is asked for was not measured.
        because: the numbers.
    """

    name: str
    rule: str
    answer: Answered
    because: str


@dataclass(frozen=True)
class Judged:
    """What is judged.

    Attributes:
        row: the measures of a cell, without the prefix of fine-tuned models.
        controls: other subspaces that it was compared with.
        chosen: what only the chosen cell was examined for; None if it was not.
    """

    row: Mapping[str, float]
    contrast: Contrast
    controls: Sequence[MethodName]
    chosen: Chosen | None = None

    def between(self, key: str, low: float, high: float) -> Answered:
        """Whether the interval of a measure lies between two bounds, or outside of them."""
        left, right = (self.row.get(f"{key}_{end}", math.nan) for end in ("low", "high"))
        if left > low and right < high:
            return "yes"
        return "no" if right < low or left > high else "cannot tell"

    def not_below(self, key: str) -> Answered:
        """Whether a difference is not surely below 0; what is the same on both sides has no interval."""
        high = self.row.get(f"{key}_high", math.nan)
        if math.isnan(high):
            return "yes" if self.row.get(key) == 0 else "cannot tell"
        return "no" if high < 0 else "yes"

    def text(self, key: str, form: str = "+.2f", factor: float = 1.0) -> str:
        """A measure with its interval."""
        value, low, high = (factor * self.row.get(f"{key}{end}", math.nan) for end in ("", "_low", "_high"))
        if math.isnan(value):
            return "not measured"
        shown = [written(one, form) for one in (value, low, high)]
        return shown[0] if math.isnan(low) else f"{shown[0]} [{shown[1]} {shown[2]}]"


def judged(
    row: pd.Series, contrast: Contrast, controls: Sequence[MethodName], chosen: Chosen | None, *, tuned: bool
) -> Judged:
    """What a row of a sweep's table says of the frozen model's subspace, or of that of the model fine-tuned there."""
    prefix = "tuned_" if tuned else ""
    own = {str(key): float(value) for key, value in row.items() if str(key).startswith("tuned_") == tuned}
    return Judged({key.removeprefix(prefix): value for key, value in own.items()}, contrast, controls, chosen)


def verdict(of: Judged) -> list[Answer]:
    """The six answers, in the order in which they should be read: without the first, the others mean little."""
    return [_precondition(of), _calibrated(of), _necessary(of), _specific(of), _beyond(of), _identified(of)]


def _precondition(of: Judged) -> Answer:
    rule = (
        f"The model scores {of.contrast.a_positive} above the {of.contrast.negative} of its image on average: the "
        "interval of the gap lies above 0. Without a preference there is nothing to localize, and a search can only "
        "build a lever."
    )
    low = of.row.get("gap_low", math.nan)
    answer: Answered = "cannot tell" if math.isnan(low) else "yes" if low > 0 else "no"
    share = of.text("preference", ".1f", 100)
    return Answer("precondition", rule, answer, f"gap {of.text('gap', '+.3f')}, preference {share} %")


def _calibrated(of: Judged) -> Answer:
    rule = (
        "A swap of Z moves scores by what lies between the kinds: in both directions the interval of shift over gap "
        "lies between 1/2 and 3/2, and that of R² above 0, so that the swap tells better than no change what becomes "
        "of a text."
    )
    ratios = [f"ratio_{of.contrast.short(one)}" for one in DIRECTIONS]
    parts = [*(of.between(key, HALF, 1 + HALF) for key in ratios), of.between("r2", 0, math.inf)]
    shifts = ", ".join(f"{of.contrast.arrow(one)} {of.text(key)}" for one, key in zip(DIRECTIONS, ratios, strict=True))
    return Answer("calibrated", rule, _given(of, _all(parts)), f"shift over gap {shifts}; R² {of.text('r2')}")


def _necessary(of: Judged) -> Answer:
    rule = (
        "The preference is in Z: where Z of every text is set to one neutral value, less than half of the gap is "
        "left, in either sign (the interval lies between -1/2 and 1/2)."
    )
    answer = _given(of, of.between("gap_left", -HALF, HALF))
    share = of.text("neutral_preference", ".1f", 100)
    return Answer("necessary", rule, answer, f"{of.text('gap_left')} of the gap is left; preference {share} %")


def _specific(of: Judged) -> Answer:
    rule = (
        "A swap of Z moves the score with the text's own image more than twice as much as with other images (the "
        "interval of their ratio lies below 1/2), and surely costs neither retrieval nor, where that was measured, "
        "zero-shot accuracy."
    )
    costs = {"retrieval": "swap_retrieval_lost", "zero-shot": "swap_transfer_lost"}
    known = {name: key for name, key in costs.items() if key in of.row}
    free: list[Answered] = ["no" if of.row.get(f"{key}_low", math.nan) > 0 else "yes" for key in known.values()]
    answer = _all([of.between("elsewhere", -math.inf, HALF), *free])
    lost = ", ".join(f"{name} {of.text(key, '+.1f', 100)}" for name, key in known.items())
    said = f"; points lost: {lost}" if lost else ""
    return Answer("specific", rule, answer, f"elsewhere {of.text('elsewhere')} of it{said}")


def _beyond(of: Judged) -> Answer:
    rule = (
        "Its R² lies above 0, that of changing nothing, and above that of random subspaces, by a paired interval. And "
        "no other control has surely a higher one; it may have the same, since the right direction may be found in "
        "closed form. It is not asked of IIA, which the lever reaches without a search."
    )
    known = [one for one in of.controls if f"r2_over_{one.column}" in of.row]
    parts: dict[str, tuple[Answered, str]] = {}
    for one in known:
        key = f"r2_over_{one.column}"
        answer = of.between(key, 0, math.inf) if one.key == "random" else of.not_below(key)
        parts[f"above {one.title}"] = answer, of.text(key)
    if known:
        parts[""] = of.between("r2", 0, math.inf), of.text("r2")
    against = {name: text for name, (answer, text) in parts.items() if answer != "yes"}
    shown = against or {name: text for name, (_, text) in parts.items() if name}
    said = "; ".join(f"R² {name}: {text}" if name else f"R² {text}" for name, text in shown.items())
    answers = [answer for answer, _ in parts.values()]
    return Answer("beyond controls", rule, _given(of, _all(answers)), said or "no controls were measured")


def _identified(of: Judged) -> Answer:
    rule = (
        "Other seeds find the same subspace: its overlap with that of each, the mean squared cosine of their angles, "
        "is nearer to 1 than to the overlap of random subspaces of that size."
    )
    known = of.chosen.overlaps if of.chosen is not None else {}
    if of.chosen is None or not known:
        return Answer("identified", rule, "cannot tell", "no other seed was tried")
    said = ", ".join(f"seed {seed}: {one:.2f}{_angles(of.chosen, seed)}" for seed, one in known.items())
    # Where Z is the whole stream, no seed could have found another one.
    defined = of.chosen.chance < 1 and not any(map(math.isnan, known.values()))
    enough = of.chosen.chance + HALF * (1 - of.chosen.chance)
    answer: Answered = "cannot tell" if not defined else "yes" if min(known.values()) > enough else "no"
    return Answer("identified", rule, answer, f"overlap with {said}; with a random subspace {of.chosen.chance:.2f}")


def _angles(chosen: Chosen, seed: int) -> str:
    each = chosen.angles.get(seed)
    return f" (angles {each[0]:.0f} to {each[-1]:.0f}°)" if each else ""


def _all(parts: Sequence[Answered]) -> Answered:
    """Yes if all are, no if one is."""
    if "no" in parts:
        return "no"
    return "cannot tell" if "cannot tell" in parts or not parts else "yes"


def _given(of: Judged, answer: Answered) -> Answered:
    """Where there is no preference, nothing can be told of where it is."""
    return answer if _precondition(of).answer == "yes" else "cannot tell"
