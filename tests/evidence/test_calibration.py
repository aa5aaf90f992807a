"""How high R² can be where the kinds overlap."""

from __future__ import annotations

import numpy as np
import pytest

from interp.data.contrast import SIGN, Contrast, Direction
from interp.evidence.calibration import calibration
from interp.stats import Yardstick
from interp.subspaces.outcomes import Outcomes


@pytest.mark.parametrize("known", [0.2, 0.64, 0.9])
def test_a_z_that_knows_when_it_does_not_know_exceeds_the_bound_of_two_values(known: float):
    """In a share of texts Z tells the kind, in the others it is half way between: of all texts a guess is right in
    a = (1 + known) / 2, and R² is 2 a - 1. With two values it is (2 a - 1)² at most."""
    rng, n = np.random.default_rng(0), 20_000
    kinds = {way: np.where(rng.random(n) < known, -SIGN[way], 0) / 2 for way in SIGN}
    others: dict[Direction, Direction] = {"up": "down", "down": "up"}

    def swapped(within: bool) -> Outcomes:
        source = np.roll(np.arange(n), 1)
        given = {way: kinds[way if within else others[way]][source] for way in SIGN}
        changed = {way: given[way] - kinds[way] for way in SIGN}
        return Outcomes({way: np.zeros(n) for way in SIGN}, changed, source, np.arange(n).astype(str), n)

    gap = Yardstick(1.0, n, 1.0, 1.0, error=0.0)
    found = calibration(swapped(within=False), swapped(within=True), gap, Contrast())
    assert found["r2"] == pytest.approx(known, abs=0.02)
    assert found["r2_low"] > known**2
