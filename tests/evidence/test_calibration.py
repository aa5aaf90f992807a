"""Tests of R² against closed forms: R² of the mean gap, R² of the own gaps, and overlapping kinds."""

from __future__ import annotations

import numpy as np
import pytest

from interp.data.contrast import SIGN, Direction
from interp.evidence.calibration import calibration, own_errors, paired_r2
from interp.stats import Yardstick
from interp.subspaces.outcomes import Outcomes
from tests.wide import wide


@pytest.mark.parametrize("share_known", [0.2, 0.64, 0.9])
def test_a_z_that_knows_when_it_does_not_know_exceeds_the_bound_of_two_values(share_known: float):
    """Z encodes the kind in a share of the texts, and lies halfway between the kinds in the others.

    A guess of the kind is right in a share a = (1 + share_known) / 2 of all texts, and R² is 2 a - 1. With only two
    values of Z, R² would be (2 a - 1)² at most.
    """
    rng, n = np.random.default_rng(0), 20_000
    kinds = {way: np.where(rng.random(n) < share_known, -SIGN[way], 0) / 2 for way in SIGN}
    others: dict[Direction, Direction] = {"up": "down", "down": "up"}

    def swapped(within: bool) -> Outcomes:
        source = np.roll(np.arange(n), 1)
        given = {way: kinds[way if within else others[way]][source] for way in SIGN}
        changed = {way: given[way] - kinds[way] for way in SIGN}
        return Outcomes({way: np.zeros(n) for way in SIGN}, changed, source, np.arange(n).astype(str), n)

    gap = Yardstick(1.0, n, 1.0, 1.0, error=0.0)
    numbers = wide(calibration(swapped(within=False), swapped(within=True), gap))
    assert numbers["r2"] == pytest.approx(share_known, abs=0.02)
    assert numbers["r2_low"] > share_known**2


N = 400  # pairs of two articles each


def outcomes(moves: dict[Direction, np.ndarray], gaps: np.ndarray) -> Outcomes:
    """Return outcomes in which negative texts score 0, positive texts their gap, and swaps move scores as given."""
    base: dict[Direction, np.ndarray] = {"up": np.zeros(N), "down": gaps}
    changed = {way: base[way] + moves[way] for way in SIGN}
    return Outcomes(base, changed, np.roll(np.arange(N), 2), (np.arange(N) // 2).astype(str), N)


def moved(share: float, gaps: np.ndarray) -> dict[Direction, np.ndarray]:
    return {way: SIGN[way] * share * gaps for way in SIGN}


@pytest.mark.parametrize(("reached", "leaked"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.4), (0.7, -0.3)])
def test_within_error_is_the_part_of_the_error_that_comes_from_swaps_within_a_kind(reached: float, leaked: float):
    """1 - R² is (1 - reached)² + leaked² if swaps move scores by given shares of the gap.

    The share is `reached` for swaps across kinds and `leaked` for swaps within a kind.
    """
    gaps, gap = np.full(N, 0.1), Yardstick(0.1, N, 0.1, 0.1, error=0.0)
    numbers = wide(calibration(outcomes(moved(reached, gaps), gaps), outcomes(moved(leaked, gaps), gaps), gap))
    assert numbers["within_error"] == pytest.approx(leaked**2, abs=1e-12)
    assert numbers["r2"] == pytest.approx(1 - (1 - reached) ** 2 - leaked**2, abs=1e-12)
    assert numbers["ratio_c2d"] == pytest.approx(reached, abs=1e-12)


@pytest.mark.parametrize("reached", [0.0, 0.25, 1.0, 1.5])
def test_paired_r2_is_that_of_each_pairs_own_gap(reached: float):
    """If the share `reached` of every gap arrives, R² is 1 - (1 - reached)² for all gaps."""
    gaps = np.random.default_rng(1).normal(0.05, 0.2, N)
    assert paired_r2(outcomes(moved(reached, gaps), gaps)).value == pytest.approx(1 - (1 - reached) ** 2, abs=1e-12)


def test_paired_r2_weights_pairs_by_their_squared_gap():
    gaps = np.where(np.arange(N) % 2, 0.3, 0.1)
    arrived = np.where(np.arange(N) % 2, 1.0, 0.0)  # only where the gap is large
    moves = {way: SIGN[way] * arrived * gaps for way in SIGN}
    assert paired_r2(outcomes(moves, gaps)).value == pytest.approx(0.3**2 / (0.1**2 + 0.3**2), abs=1e-12)


def test_own_errors_count_a_swap_within_a_kind_that_moves_a_score():
    gaps = np.random.default_rng(2).normal(0.1, 0.05, N)
    across = outcomes(moved(1.0, gaps), gaps)
    still, leaking = (own_errors(across, outcomes(moved(leak, gaps), gaps)) for leak in (0, 0.5))
    assert still.r2().value == pytest.approx(1.0, abs=1e-9)
    assert leaking.r2().value == pytest.approx(0.75, abs=1e-9)
    assert still.above(leaking).value == pytest.approx(0.25, abs=1e-9)
