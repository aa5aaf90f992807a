"""The verdict on networks of which the truth is known."""

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

CONTROLS = ("pca", "means", "gradient", "lever", "random")  # as a sweep has them by default


@cache
def answers(kind: Kind, method: str = "das") -> dict[str, str]:
    train, val, test = planted(kind)
    found, *others = (METHODS[method].fit(train, val, [1], SearchConfig(seed=seed))[0] for seed in range(3))
    how = MeasurementSettings(SearchConfig(), [METHODS[name] for name in CONTROLS])
    numbers = measure_subspace({"train": train, "val": val, "test": test}, found, how).numbers
    overlaps = {seed + 1: overlap(found.basis, other.basis) for seed, other in enumerate(others)}
    chosen = ChosenControls(Place(1, 1, 0), overlaps, 1 / 16, Estimate(0.5, 0), Estimate(0.5, 0), True, {})
    judged = VerdictMeasures(numbers, PAPER, [METHODS[name].name for name in CONTROLS], chosen)
    return {one.name: one.answer for one in verdict(judged)}


@pytest.mark.slow
def test_a_direction_that_carries_the_preference_is_acquitted_of_everything():
    found = answers("carries")
    assert found.pop("beyond length") == "cannot tell"  # there are no texts
    assert set(found.values()) == {"yes"}


@pytest.mark.slow
def test_a_dormant_direction_is_found_out():
    """There is a preference, IIA is 100 %, and other seeds find the same: but a swap goes too far, a neutral value
    turns the preference round, it is no image's own score that moves, and a random direction does no more harm."""
    found = answers("dormant")
    assert found["precondition"] == found["identified"] == "yes"
    assert found["beyond controls"] != "yes"
    assert [found[name] for name in ("calibrated", "necessary", "specific")] == ["no"] * 3


@pytest.mark.slow
def test_a_dormant_direction_turned_until_it_is_calibrated_is_not_specific():
    found = answers("dormant", "calibrated")
    assert found["calibrated"] == "yes"
    assert found["specific"] == "no"


@pytest.mark.slow
@pytest.mark.parametrize("method", ["das", "lever"])
def test_where_there_is_no_preference_nothing_else_is_affirmed(method: str):
    """But that every seed builds the same lever."""
    found = answers("neither", method)
    assert found.pop("precondition") == "no"
    assert found.pop("identified") == "yes"
    assert "yes" not in found.values()
