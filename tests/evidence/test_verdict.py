from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.contrast import PAPER
from interp.evidence.verdict import Answer, VerdictMeasures, verdict
from interp.measures import Key, Model, sweep_schema, without_model
from interp.runs.chosen_cell import ChosenControls
from interp.runs.place import Place
from interp.stats import Estimate
from tests.run_folders import PAPER_METHODS

NAMES = ("precondition", "calibrated", "necessary", "specific", "beyond controls", "identified", "beyond length")
CONTROLS = PAPER_METHODS[1:]
SCHEMA = sweep_schema(PAPER, PAPER_METHODS, (), models=["tuned"])
GOOD = {  # the interval of each measure of a subspace without faults
    "gap": (0.05, 0.1),
    "ratio_c2d": (0.8, 1.2),
    "ratio_d2c": (0.7, 1.1),
    "r2_own": (0.3, 0.6),
    "gap_left": (-0.1, 0.2),
    "preference_left": (-0.2, 0.3),
    "retrieval_left": (0.8, 1.0),
    "gap_kept_within": (0.9, 1.1),
    "r2_whole": (0.7, 0.9),
    "left_below_random": (0.5, 0.9),
    "left_below_pca": (0.3, 0.6),
    "elsewhere": (0.1, 0.4),
    "swap_retrieval_lost": (-0.01, 0.02),
    "traits_r2": (0.0, 0.1),
    "equal_gap": (0.03, 0.1),
    **{f"r2_own_over_{method.column}": (0.1, 0.2) for method in CONTROLS},
}
SEEDS = ChosenControls(Place(8, 16, 0), {1: 0.7, 2: 0.6}, 0.125, Estimate(0.6, 9), Estimate(0.6, 9), True, {})


def answers(intervals: dict[str, tuple[float, float]], chosen: ChosenControls | None = SEEDS) -> dict[str, str]:
    return {answer.name: answer.answer for answer in verdict(_judged(intervals, chosen))}


def _judged(intervals: dict[str, tuple[float, float]], chosen: ChosenControls | None) -> VerdictMeasures:
    row = {"preference": 0.8, "neutral_preference": 0.5}
    for key, (low, high) in intervals.items():
        row |= {key: (low + high) / 2, f"{key}_low": low, f"{key}_high": high}
    return VerdictMeasures(SCHEMA.read(row), PAPER, CONTROLS, chosen)


def test_nothing_can_be_said_against_a_good_subspace():
    assert answers(GOOD) == dict.fromkeys(NAMES, "yes")


@pytest.mark.parametrize(
    ("name", "change", "answer"),
    [
        ("calibrated", {"ratio_c2d": (4.0, 6.0)}, "no"),
        ("calibrated", {"ratio_d2c": (0.1, 0.4)}, "no"),
        ("calibrated", {"ratio_d2c": (1.2, 1.6)}, "cannot tell"),
        ("calibrated", {"r2_own": (-22.0, -20.0)}, "no"),
        ("calibrated", {"r2_own": (-0.1, 0.1)}, "cannot tell"),
        ("calibrated", {"r2_own": (0.0, 0.0)}, "no"),
        ("calibrated", {"r2_own": (-0.1, 0.1), "ratio_c2d": (1.6, 1.8)}, "no"),
        ("necessary", {"gap_left": (0.7, 0.9)}, "no"),
        ("necessary", {"gap_left": (-0.9, -0.6)}, "no"),
        ("necessary", {"gap_left": (0.4, 0.6)}, "cannot tell"),
        ("necessary", {"preference_left": (0.6, 0.9)}, "no"),
        ("necessary", {"preference_left": (0.4, 0.6)}, "cannot tell"),
        ("necessary", {"preference_left": (-2.0, -1.0)}, "yes"),
        ("necessary", {"retrieval_left": (0.1, 0.3)}, "no"),
        ("necessary", {"retrieval_left": (0.4, 0.6)}, "cannot tell"),
        ("necessary", {"gap_kept_within": (-0.1, 0.1)}, "no"),
        ("necessary", {"r2_whole": (-0.1, 0.3)}, "no"),
        ("necessary", {"r2_whole": (0.4, 0.6)}, "cannot tell"),
        ("necessary", {"left_below_random": (-0.3, -0.1)}, "no"),
        ("necessary", {"left_below_random": (0.0, 0.0)}, "no"),
        ("necessary", {"left_below_random": (-0.1, 0.1)}, "cannot tell"),
        ("necessary", {"left_below_pca": (-0.3, -0.2)}, "no"),
        ("necessary", {"left_below_pca": (0.0, 0.0)}, "yes"),
        ("specific", {"elsewhere": (0.9, 1.1)}, "no"),
        ("specific", {"elsewhere": (0.4, 0.6)}, "cannot tell"),
        ("specific", {"elsewhere": (-0.9, -0.8)}, "no"),
        ("specific", {"swap_retrieval_lost": (0.01, 0.05)}, "no"),
        ("beyond controls", {"r2_own_over_random": (-0.2, -0.1)}, "no"),
        ("beyond controls", {"r2_own_over_random": (-0.1, 0.1)}, "cannot tell"),
        ("beyond controls", {"r2_own_over_random": (-0.1, 0.1), "r2_own_over_pca": (-0.3, -0.2)}, "no"),
        ("beyond controls", {"r2_own_over_means": (-0.3, -0.2)}, "no"),
        ("beyond controls", {"r2_own_over_means": (-0.09, -0.05)}, "yes"),
        ("beyond length", {"traits_r2": (0.6, 0.9)}, "no"),
        ("beyond length", {"traits_r2": (0.4, 0.6)}, "cannot tell"),
        ("beyond length", {"equal_gap": (-0.1, -0.05)}, "no"),
        ("beyond length", {"equal_gap": (-0.1, 0.1)}, "cannot tell"),
    ],
)
def test_each_fault_changes_its_answer_and_no_other(name: str, change: dict[str, tuple[float, float]], answer: str):
    also = {(-22.0, -20.0): "no", (-0.1, 0.1): "cannot tell", (0.0, 0.0): "no"}
    more = {"beyond controls": also[change["r2_own"]]} if "r2_own" in change else {}  # two rules use r2_own
    assert answers(GOOD | change) == dict.fromkeys(NAMES, "yes") | more | {name: answer}


def test_a_swap_that_moves_nothing_is_not_specific():
    still = {"ratio_c2d": (-0.01, 0.01), "ratio_d2c": (0.0, 0.0)}
    assert answers(GOOD | still)["specific"] == "no"
    assert answers(GOOD | still | {"ratio_d2c": (0.0, 0.2)})["specific"] == "yes"


@pytest.mark.parametrize(
    ("gap", "spread", "answer"),
    [
        ((-0.001, 0.041), 0.16, "cannot tell"),
        ((-0.001, 0.021), 0.16, "no"),
        ((-0.05, -0.01), 0.16, "no"),
        ((0.001, 0.041), 1.0, "yes"),
    ],
)
def test_there_is_no_preference_only_where_the_gap_is_surely_small_or_the_other_way(
    gap: tuple[float, float], spread: float, answer: str
):
    """A gap is small if it is below a fifth of the standard deviation of single pairs' gaps."""
    measures = _judged(GOOD | {"gap": gap}, SEEDS)
    numbers = {**measures.numbers, Key("gap_sd"): Estimate(spread, 9)}
    assert verdict(replace(measures, numbers=numbers))[0].answer == answer


def test_a_search_that_did_not_converge_gets_no_yes_for_what_it_found():
    measures = _judged(GOOD, SEEDS)
    unfinished = {Key("converged"): Estimate(0.0, 1)}
    for numbers, chosen, unsure in (
        ({**measures.numbers, **unfinished}, SEEDS, {"beyond controls", "identified"}),
        (measures.numbers, replace(SEEDS, converged=False), {"identified"}),
    ):
        given_answers = verdict(replace(measures, numbers=numbers, chosen=chosen))
        assert {answer.name for answer in given_answers if answer.answer == "cannot tell"} == unsure
        assert all("did not converge" in answer.because for answer in given_answers if answer.name in unsure)
    bad = _judged(GOOD | {"r2_own": (-0.2, -0.1)}, SEEDS)
    assert verdict(replace(bad, numbers={**bad.numbers, **unfinished}))[4].answer == "no"


def test_a_direction_that_a_closed_form_finds_too_is_beyond_controls():
    """Z need not be better than the same direction among the controls."""
    assert answers(GOOD | {"r2_own_over_means": (-0.1, 0.1)})["beyond controls"] == "yes"
    same = _judged(GOOD, SEEDS)
    for value, expected in ((0.0, "yes"), (0.1, "cannot tell")):
        judged = replace(same, numbers={**same.numbers, Key("r2_own_over", "means"): Estimate(value, 9)})
        assert {answer.name: answer.answer for answer in verdict(judged)}["beyond controls"] == expected


def test_what_is_worse_than_no_change_is_not_beyond_controls():
    assert answers(GOOD | {"r2_own": (-0.2, -0.1)})["beyond controls"] == "no"
    assert answers(GOOD | {"r2_own": (-0.2, 0.1)})["beyond controls"] == "cannot tell"


@pytest.mark.parametrize("gap", [(-0.1, -0.05), (-0.3, -0.2)])
def test_without_a_preference_nothing_can_be_told_of_where_it_is(gap: tuple[float, float]):
    given_answers = answers(GOOD | {"gap": gap})
    assert given_answers["precondition"] == "no"
    assert [given_answers[name] for name in ("calibrated", "necessary", "beyond controls")] == ["cannot tell"] * 3


def test_angles_are_reported_if_they_are_known():
    because = verdict(_judged(GOOD, replace(SEEDS, angles={1: [3.4, 80.0, 89.6]})))[-2].because
    assert because == "overlap with seed 1: 0.70 (angles 3 to 90°), seed 2: 0.60; with a random subspace 0.12"


@pytest.mark.parametrize(
    ("overlaps", "answer"),
    [({1: 0.7, 2: 0.4}, "no"), ({1: 0.7, 2: math.nan}, "cannot tell"), ({}, "cannot tell"), ({1: 0.57}, "yes")],
)
def test_one_seed_that_finds_something_else_is_enough(overlaps: dict[int, float], answer: str):
    assert answers(GOOD, replace(SEEDS, overlaps=overlaps))["identified"] == answer
    assert answers(GOOD, None)["identified"] == "cannot tell"


@pytest.mark.parametrize(
    ("chance", "overlap", "answer"),
    [(0.125, 0.55, "no"), (0.5, 0.51, "no"), (0.5, 0.74, "no"), (0.5, 0.76, "yes"), (1.0, 1.0, "cannot tell")],
)
def test_seeds_must_agree_better_than_random_subspaces_of_that_size(chance: float, overlap: float, answer: str):
    """Two random halves of the stream overlap by one half."""
    given_answers = answers(GOOD, replace(SEEDS, overlaps={1: overlap, 2: 0.9 + chance / 10}, chance=chance))
    assert given_answers["identified"] == answer


def test_where_nothing_was_measured_nothing_can_be_told():
    given_answers = verdict(VerdictMeasures({}, PAPER, CONTROLS))
    assert [answer.answer for answer in given_answers if answer.name != "specific"] == ["cannot tell"] * 6
    assert given_answers[0].because == "gap not measured, preference not measured %"


AGAINST = {"gap", "swap_retrieval_lost", "ratio_c2d", "ratio_d2c", "left_below_pca"}
AGAINST |= {f"r2_own_over_{method.column}" for method in CONTROLS if method.key != "random"}
BOUNDS = st.floats(-3, 3).flatmap(lambda low: st.floats(low, 4).map(lambda high: (low, high)))


@pytest.mark.slow
@given(st.fixed_dictionaries(dict.fromkeys(GOOD, BOUNDS)), st.sampled_from(sorted(GOOD)), BOUNDS)
def test_a_narrower_interval_never_turns_an_answer_round(
    intervals: dict[str, tuple[float, float]], key: str, narrow: tuple[float, float]
):
    """A narrower interval can only replace "cannot tell".

    The measures in `AGAINST` are exceptions, since their conditions fail only for values that are surely bad.
    """
    low, high = intervals[key]
    inside = max(low, min(narrow[0], high)), min(high, max(narrow[1], low))
    before, after = answers(intervals), answers(intervals | {key: inside})
    for name in NAMES:
        if before[name] != after[name] and key not in AGAINST:
            assert before[name] == "cannot tell"


def test_the_fine_tuned_model_is_judged_by_its_own_measures():
    row = {"layer": 8, "gap": 1.0, "gap_low": 0.5, "gap_high": 2.0}
    row |= {"tuned_gap": -1.0, "tuned_gap_low": -2.0, "tuned_gap_high": -0.5}
    models: tuple[Model, Model] = ("", "tuned")
    numbers = [without_model(SCHEMA.read(row), model) for model in models]
    first: list[Answer] = [verdict(VerdictMeasures(each, PAPER, CONTROLS))[0] for each in numbers]
    assert [answer.answer for answer in first] == ["yes", "no"]
    assert [answer.because.partition(",")[0] for answer in first] == [
        "gap +1.000 [+0.500 +2.000]",
        "gap -1.000 [-2.000 -0.500]",
    ]
