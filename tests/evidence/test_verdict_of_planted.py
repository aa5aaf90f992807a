"""Tests of the verdict on planted networks, whose truth is known."""

from __future__ import annotations

from functools import cache

import pytest

from interp.data.contrast import PAPER
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.evidence.verdict import VerdictMeasures, verdict
from interp.runs.chosen_cell import ChosenControls
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.methods import METHODS
from interp.subspaces.rotation import overlap
from interp.subspaces.search import SearchConfig
from tests.oracles.planted import Kind, planted

CONTROLS = ("pca", "means", "gradient", "lever", "random")  # default controls of a sweep


@cache
def answers(kind: Kind, method: str = "das") -> dict[str, str]:
    train, val, test = planted(kind)
    rotation, *others = (METHODS[method].fit(train, val, [1], SearchConfig(seed=seed))[0] for seed in range(3))
    how = MeasurementSettings(SearchConfig(), [METHODS[name] for name in CONTROLS])
    numbers = measure_subspace({"train": train, "val": val, "test": test}, rotation, how).numbers
    overlaps = {seed + 1: overlap(rotation.basis, other.basis) for seed, other in enumerate(others)}
    chosen = ChosenControls(Place(1, 1, 0), overlaps, 1 / 16, Estimate(0.5, 0), Estimate(0.5, 0), True, {})
    judged = VerdictMeasures(numbers, PAPER, [METHODS[name].name for name in CONTROLS], chosen)
    return {answer.name: answer.answer for answer in verdict(judged)}


@pytest.mark.slow
def test_a_direction_that_carries_the_preference_is_acquitted_of_everything():
    given_answers = answers("carries")
    assert given_answers.pop("beyond length") == "cannot tell"  # there are no texts
    assert set(given_answers.values()) == {"yes"}


@pytest.mark.slow
def test_a_dormant_direction_is_found_out():
    """Preference, IIA and other seeds speak for the direction, and the other measures against it.

    A swap goes too far, a neutral value reverses the preference, scores with all images move, and the direction is not
    better than a random direction.
    """
    given_answers = answers("dormant")
    assert given_answers["precondition"] == given_answers["identified"] == "yes"
    assert given_answers["beyond controls"] != "yes"
    assert [given_answers[name] for name in ("calibrated", "necessary", "specific")] == ["no"] * 3


@pytest.mark.slow
def test_a_dormant_direction_turned_until_it_is_calibrated_is_not_specific():
    given_answers = answers("dormant", "calibrated")
    assert given_answers["calibrated"] == "yes"
    assert given_answers["specific"] == "no"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["das", "lever"])
def test_where_there_is_no_preference_nothing_else_is_affirmed(method: str):
    """The only exception is "identified", since every seed builds the same lever."""
    given_answers = answers("neither", method)
    assert given_answers.pop("precondition") == "no"
    assert given_answers.pop("identified") == "yes"
    assert "yes" not in given_answers.values()
