"""Calibration: does swapping Z move a score by what lies between the kinds, and by nothing within a kind?"""

from __future__ import annotations

import math

import numpy as np

from interp.data.contrast import DIRECTIONS, SIGN, Contrast
from interp.methods.outcomes import Outcomes
from interp.stats import Estimate, clustered_mean, ratio


def squared_errors(across: Outcomes, within: Outcomes, gap: float) -> np.ndarray:
    """Squared errors of counterfactuals in units of the squared gap, twice each: their mean is 1 - R².

    The score of a text given Z of the other kind should differ by the gap, given Z of its own kind by nothing.

    Args:
        across, within: of the same subspace and as many draws, with sources of the other and of the base's own kind.
        gap: mean score of positive texts minus that of negative ones, a cosine; NaN comes of 0.

    Returns:
        Those across kinds, then those within, each the mean of both directions, length 2 x draws x n.
    """
    scale = gap if gap else math.nan
    crossed = [(across.moves(one) / scale - SIGN[one]) ** 2 for one in DIRECTIONS]
    alike = [(within.moves(one) / scale) ** 2 for one in DIRECTIONS]
    return 2 * np.concatenate([np.mean(crossed, axis=0), np.mean(alike, axis=0)])


def clusters(across: Outcomes, within: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """The groups of bases and of sources that `squared_errors` come from."""
    both = across, within
    return np.concatenate([one.groups for one in both]), np.concatenate([one.source_groups for one in both])


def calibration(across: Outcomes, within: Outcomes, gap: float, contrast: Contrast) -> dict[str, float]:
    """Shift over gap in both directions, R², and the part of 1 - R² that comes from swaps within a kind; by column.

    Args:
        across, within: see `squared_errors`.
        gap: of the train pairs, so that nothing that is measured is its own measure.
    """
    out: dict[str, float] = {}
    for one in DIRECTIONS:
        moved = SIGN[one] * across.moves(one) / (gap if gap else math.nan)
        found = clustered_mean(moved, across.groups, across.source_groups)
        out |= found.columns(f"ratio_{contrast.short(one)}")
    errors = squared_errors(across, within, gap)
    lost = clustered_mean(errors, *clusters(across, within))
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
