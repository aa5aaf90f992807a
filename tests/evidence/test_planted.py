"""Tests of `measure_subspace` on planted networks, for subspaces that hold a preference and for others."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import pytest
import torch

from interp.evidence.arbitrary import alphabetical_halves
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.stats import Estimate
from interp.subspaces.methods import METHODS
from interp.subspaces.outcomes import align, mean_iia
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig
from tests.oracles.planted import CAUSE, DORMANT, MARK, SITE, Kind, Network, axis, planted
from tests.wide import wide

parts = cache(planted)
KINDS: tuple[Kind, ...] = ("carries", "dormant", "neither")
LEVERS = ("das", "lever")
INITIAL = 12  # a direction that the network does not use


@cache
def direction_of(kind: Kind, method: str) -> torch.Tensor:
    """Return the direction that a method finds."""
    train, val, _ = parts(kind)
    return METHODS[method].fit(train, val, [1], SearchConfig())[0].basis


@cache
def measured(kind: Kind, method: str) -> dict[str, float]:
    return evidence(kind, direction_of(kind, method))


def evidence(kind: Kind, basis: torch.Tensor) -> dict[str, float]:
    train, val, test = parts(kind)
    how, pairs = MeasurementSettings(SearchConfig(), [METHODS["random"]]), {"train": train, "val": val, "test": test}
    return wide(measure_subspace(pairs, Rotation(basis, train.site), how).numbers)


def mean_ratio(numbers: dict[str, float]) -> float:
    return (numbers["ratio_c2d"] + numbers["ratio_d2c"]) / 2


@pytest.mark.slow
@pytest.mark.parametrize("method", ["das", "calibrated", "means", "gradient", "lever"])
def test_where_one_direction_carries_the_preference_every_measure_says_so(method: str):
    numbers = measured("carries", method)
    assert abs(float(direction_of("carries", method).T @ axis(parts("carries")[0], CAUSE))) > 0.95
    assert numbers["gap_low"] > 0.17
    assert numbers["iia"] > 0.99
    # The calibrated search moves scores by slightly less, since the kinds overlap.
    assert mean_ratio(numbers) == pytest.approx(1, abs=0.08 if method == "calibrated" else 0.06)
    assert numbers["r2_low"] > 0.9
    assert numbers["gap_left"] == pytest.approx(0, abs=0.12 if method == "calibrated" else 0.02)
    assert numbers["gap_left_high"] - numbers["gap_left_low"] < 0.03
    assert numbers["elsewhere"] == pytest.approx(0, abs=0.03)
    assert numbers["auc"] > 0.99
    assert numbers["percentile_r2_own_random"] == numbers["percentile_iia_random"] == 1
    assert numbers["r2_own_low"] > 0.9
    assert numbers["r2_own_over_random_low"] > 0.85


@pytest.mark.parametrize("method", ["das", "means", "gradient", "lever"])
def test_with_a_neutral_value_where_the_preference_is_chance_prefers(method: str):
    """Preference accuracy is at chance with a neutral Z.

    The calibrated search is left out. It turns the direction by 17 degrees, which leaves 10 % of the gap and 90 % of
    the preference. Accuracy counts signs, as IIA does, and shows little if the rest of the score hardly varies.
    """
    numbers = measured("carries", method)
    assert numbers["neutral_preference_low"] < 0.5 < numbers["neutral_preference_high"]
    assert numbers["gap_left"] == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("method", LEVERS)
def test_a_dormant_direction_has_a_perfect_iia_and_moves_scores_too_far(method: str):
    numbers, basis = measured("dormant", method), direction_of("dormant", method)
    mark, dormant = (abs(float(basis.T @ axis(parts("dormant")[0], number))) for number in (MARK, DORMANT))
    assert min(mark, dormant) > 0.3  # the part that separates the kinds, and the part that moves scores
    assert numbers["iia"] == numbers["percentile_iia_random"] == 1
    assert numbers["auc"] > 0.999
    assert numbers["gap_low"] > 0.08  # there is a preference, but not here
    assert min(numbers["ratio_c2d"], numbers["ratio_d2c"]) > 2.5
    assert numbers["r2"] < -3.5
    assert numbers["r2_high"] < -2
    assert numbers["r2_own_over_random"] < -0.4
    assert numbers["gap_left_high"] < -2.5  # a neutral value activates the direction too, and reverses the preference
    assert numbers["neutral_preference"] == 0
    assert numbers["elsewhere"] > 0.6  # scores with all images move


def test_each_part_of_a_dormant_direction_alone_does_nothing():
    for number in (MARK, DORMANT):
        numbers = evidence("dormant", axis(parts("dormant")[0], number))
        assert mean_ratio(numbers) == pytest.approx(0, abs=0.01)
        assert numbers["r2"] == pytest.approx(0, abs=0.02)
        assert numbers["gap_left"] == pytest.approx(1, abs=0.01)
        assert numbers["neutral_preference"] == pytest.approx(numbers["preference"], abs=0.01)
    cause = evidence("dormant", axis(parts("dormant")[0], CAUSE))
    assert abs(cause["gap_left"]) < 0.05  # the preference is in the other direction
    assert mean_ratio(cause) == pytest.approx(1, abs=0.1)
    assert cause["neutral_preference_low"] < 0.5 < cause["neutral_preference_high"]


@pytest.mark.slow
def test_a_dormant_direction_of_the_right_length_passes_for_one_that_carries():
    """Calibration and necessity do not detect this direction, but specificity does.

    The calibrated search turns the direction until the swap moves scores by the gap. To first order, a neutral value
    removes as much as a swap moves, so nothing is left of the gap. Only scores with other images reveal the direction,
    and the fact that scores do not follow Z within a kind.
    """
    numbers = measured("dormant", "calibrated")
    assert abs(float(direction_of("dormant", "calibrated").T @ axis(parts("dormant")[0], CAUSE))) < 0.1
    assert mean_ratio(numbers) == pytest.approx(1, abs=0.1)
    assert numbers["r2_low"] > 0.9
    assert numbers["gap_left"] == pytest.approx(1 - mean_ratio(numbers), abs=0.01)
    assert numbers["neutral_preference"] < 0.65
    assert numbers["elsewhere_low"] > 0.9
    assert measured("carries", "calibrated")["elsewhere_high"] < 0.1
    follows = {kind: within_slope(kind, direction_of(kind, "calibrated")) for kind in ("carries", "dormant")}
    assert follows["carries"] > 0.8
    assert abs(follows["dormant"]) < 0.1


def within_slope(kind: Kind, basis: torch.Tensor) -> float:
    """Return the share of the way to its source's score that a swap within a kind moves a text's score."""
    done = align(parts(kind)[2], Rotation(basis, SITE), sources="random", seed=0, within=True)
    towards = torch.cat([torch.from_numpy(base[done.sources] - base) for base in done.base.values()])
    moved = torch.cat([torch.from_numpy(done.moves(way)) for way in done.base])
    return float(towards.double() @ moved / towards.double().square().sum())


@pytest.mark.parametrize("method", LEVERS)
def test_scores_without_a_preference_can_be_steered_as_well(method: str):
    numbers = measured("neither", method)
    assert numbers["iia"] == numbers["percentile_iia_random"] == 1
    assert numbers["auc"] > 0.999
    assert numbers["gap_low"] < 0 < numbers["gap_high"] < 0.01
    assert numbers["preference_low"] < 0.5 < numbers["preference_high"]
    assert numbers["r2"] < -1000
    assert abs(mean_ratio(numbers)) > 30
    assert numbers["gap_train_low"] < 0 < numbers["gap_train_high"]
    # The gap may be 0, so ratios to the gap have no interval.
    for key in ("gap_left", "r2", "ratio_c2d", "ratio_d2c", "preference_left"):
        assert math.isnan(numbers[f"{key}_low"]), key
        assert math.isnan(numbers[f"{key}_high"]), key


@pytest.mark.slow
def test_the_calibrated_search_refuses_what_steers_scores_without_a_preference():
    numbers = measured("neither", "calibrated")
    assert numbers["iia"] < 0.55
    assert numbers["iia_low"] < 0.5
    assert numbers["auc_low"] < 0.5
    assert numbers["gap_low"] < 0 < numbers["gap_high"]


@cache
def of_an_arbitrary_label(kind: Kind, method: str, *, read: bool) -> tuple[Rotation, Estimate]:
    """Return the direction that the same search finds for halves of the negative texts, and its IIA.

    Args:
        read: whether the half of a text can be read from its stream, along a direction without other information.
    """
    halves = []
    for seed, part in enumerate(parts(kind)):
        order = torch.randperm(len(part), generator=torch.Generator().manual_seed(seed + 100))
        run = part.pairs.run
        assert isinstance(run, Network)
        h = run.h.clone()
        if read:
            h[len(part) :] += torch.where(order < len(part) // 2, 3.0, -3.0)[:, None] * run.axes[:, INITIAL]
        pairs = replace(part.pairs, run=replace(run, h=h))
        halves.append(replace(part, pairs=alphabetical_halves(pairs, [f"{number:04d}" for number in order.tolist()])))
    (rotation,) = METHODS[method].fit(halves[0], halves[1], [1], SearchConfig())
    return rotation, mean_iia([align(halves[2], rotation, sources="random", seed=0)])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["das", "calibrated"])
def test_for_a_label_that_the_stream_does_not_hold_no_search_finds_anything(kind: Kind, method: str):
    """The made-up texts are unrelated to the streams, so IIA is at chance in every network."""
    _, iia = of_an_arbitrary_label(kind, method, read=False)
    assert iia.low < 0.5 < iia.high < 0.65


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_arbitrary_label_does_not_tell_the_networks_apart(kind: Kind):
    """DAS reaches a perfect IIA for an arbitrary label in all networks, and the calibrated search in none.

    DAS mixes a readable label that nothing depends on with a direction that moves scores: with `CAUSE` in the network
    that it carries the preference in, and with `DORMANT` in the others. A high IIA for an arbitrary label thus shows
    that IIA is no evidence, not that a subspace is wrong. Calibration and necessity distinguish the networks. The
    calibrated search finds nothing, since there is no gap between the halves. Every direction is worse than none, and
    the search does not converge.
    """
    assert of_an_arbitrary_label(kind, "das", read=True)[1].value > 0.99
    assert measured(kind, "das")["iia"] > 0.99
    refused, _ = of_an_arbitrary_label(kind, "calibrated", read=True)
    assert refused.facts["val_loss"] > 1
    assert not refused.facts["converged"]


def test_a_made_up_network_is_what_it_says():
    for kind in ("carries", "dormant", "neither"):
        for part in parts(kind):
            lengths = part.pairs.run.push(1, part.streams).norm(dim=-1)
            torch.testing.assert_close(lengths, torch.ones_like(lengths), atol=1e-5, rtol=0)
            images = part.pairs.images.norm(dim=-1)
            torch.testing.assert_close(images, torch.ones_like(images), atol=1e-5, rtol=0)
        first, again = parts(kind)[2], planted(kind)[2]
        assert torch.equal(first.streams, again.streams)
