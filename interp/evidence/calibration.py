"""Calibration: does swapping Z move a score by what lies between the kinds, and by nothing within a kind?"""

from __future__ import annotations

import math

import numpy as np

from interp.data.contrast import DIRECTIONS, SIGN, Contrast
from interp.methods.outcomes import Outcomes
from interp.stats import Estimate, Yardstick, measured_mean, ratio, ratio_to


def squared_errors(across: Outcomes, within: Outcomes, gap: float) -> np.ndarray:
    """Squared errors of counterfactuals in units of the squared gap, twice each: their mean is 1 - R².

    The score of a text given Z of the other kind should differ by the gap, given Z of its own kind by nothing.

    Args:
        across, within: of the same subspace and as many draws, with sources of the other and of the base's own kind.
        gap: mean score of positive texts minus that of negative ones, a cosine; NaN comes of 0.

    Returns:
        Those across kinds, then those within, each the mean of both directions, length 2 x draws x n.
    """
    _, missed = _in_gaps(across, within, gap)
    return 2 * (missed**2).mean(0)


def slopes(across: Outcomes, within: Outcomes, gap: float) -> np.ndarray:
    """The derivatives of `squared_errors` by the gap: of (m/g - s)², -2 (m/g - s) m/g²."""
    moved, missed = _in_gaps(across, within, gap)
    return -4 * (missed * moved).mean(0) / (gap or math.nan)


def clusters(across: Outcomes, within: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """The groups of bases and of sources that `squared_errors` come from."""
    both = across, within
    return np.concatenate([one.groups for one in both]), np.concatenate([one.source_groups for one in both])


def calibration(across: Outcomes, within: Outcomes, gap: Yardstick, contrast: Contrast) -> dict[str, float]:
    """Shift over gap in both directions, R², and the part of 1 - R² that comes from swaps within a kind; by column.

    Intervals heed that the gap is in error too; where it may be 0 there are none.

    Args:
        across, within: see `squared_errors`.
        gap: of the train pairs, so that nothing that is measured is its own measure.
    """
    out: dict[str, float] = {}
    for one in DIRECTIONS:
        found = ratio_to(SIGN[one] * across.moves(one), gap, across.groups, across.source_groups)
        out |= found.columns(f"ratio_{contrast.short(one)}")
    errors, by_gap = (of(across, within, gap.value) for of in (squared_errors, slopes))
    lost = measured_mean(errors, by_gap, gap, *clusters(across, within))
    out |= lost.complement().columns("r2")
    return out | {"within_error": float(errors[len(errors) // 2 :].mean() / 2)}


def paired_r2(whole: Outcomes) -> Estimate:
    """R² of each pair's own gap when the whole stream at the site is taken from the other text of the same pair.

    1 - (squared distance of the counterfactual from the other text's score) / (squared gap of the pair): how much of
    the difference has reached this position at this layer. The rest bypasses it: later blocks read other positions.

    Args:
        whole: outcomes of the whole stream with paired sources.
    """
    gaps = np.concatenate([SIGN[one] * whole.gaps() for one in DIRECTIONS])
    missed = np.concatenate([whole.moves(one) for one in DIRECTIONS]) - gaps
    return ratio(missed**2, gaps**2, np.tile(whole.groups, 2)).complement()


def _in_gaps(across: Outcomes, within: Outcomes, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Moves across kinds, then within them, in units of the gap, and how far they are from what they should be; by
    direction, shape (2, units)."""
    moves = (np.array([part.moves(one) for one in DIRECTIONS]) for part in (across, within))
    crossed, alike = (each / (gap or math.nan) for each in moves)
    signs = np.array([[SIGN[one]] for one in DIRECTIONS])
    return np.hstack([crossed, alike]), np.hstack([crossed - signs, alike])
