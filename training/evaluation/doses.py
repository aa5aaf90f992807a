"""Names of the numbers of the task `dose`: a measure at each gain of Z. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from training.evaluation.numbers import Number

ALPHAS = (-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
DOSED = ("preference", "gap", "retrieval", "accuracy")  # measures that do not depend on ratings


def at_alpha(measure: str, alpha: float) -> str:
    """Return the name of a measure at a gain.

    >>> at_alpha("preference", -0.5)
    'preference, alpha -0.5'
    """
    return f"{measure}, alpha {alpha:g}"


def curves_of(numbers: Iterable[Number]) -> dict[str, list[Number]]:
    """Return the numbers of each measure of `DOSED` at `ALPHAS`; empty if any number is missing."""
    by_measure = {number.measure: number for number in numbers if number.task == "dose"}
    wanted = {measure: [at_alpha(measure, alpha) for alpha in ALPHAS] for measure in DOSED}
    if any(name not in by_measure for names in wanted.values() for name in names):
        return {}
    return {measure: [by_measure[name] for name in names] for measure, names in wanted.items()}
