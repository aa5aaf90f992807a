"""Calibration: does swapping Z move a score by what lies between the kinds, and by nothing within a kind?

Two yardsticks stand next to each other. R² of the mean gap asks that a swap with a text of another image move a score
by the mean gap of the train pairs. R² of the own gaps asks that a swap with the other text of the same image move
a score by the gap of this very pair, so that a preference whose strength depends on the image is no error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from interp.data.contrast import DIRECTIONS, SIGN
from interp.measures import Key
from interp.stats import Estimate, Yardstick, measured_mean, ratio, ratio_to, settled
from interp.subspaces.outcomes import Outcomes


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


def calibration(across: Outcomes, within: Outcomes, gap: Yardstick) -> dict[Key, Estimate]:
    """Return shift over gap in both directions, R² of the mean gap, and the part of 1 - R² that comes from swaps within
    a kind.

    Intervals include the error of the gap; where the gap may be 0 there are none. A swap that moves no score, but for
    rounding, has exactly 0 of each.

    Args:
        across, within: see `squared_errors`.
        gap: mean gap of the train pairs, so that no measured pair is its own yardstick.
    """
    ratios, n = {way: Key("ratio", direction=way) for way in DIRECTIONS}, across.pairs
    if moves_nothing(across) and moves_nothing(within) and gap.value:
        still = dict.fromkeys((*ratios.values(), Key("r2")), Estimate(0.0, n, 0.0, 0.0))
        return still | {Key("within_error"): Estimate(0.0, n)}
    groups = across.groups, across.source_groups
    shares = {key: ratio_to(SIGN[way] * across.moves(way), gap, *groups) for way, key in ratios.items()}
    errors, by_gap = (compute(across, within, gap.value) for compute in (squared_errors, slopes))
    lost = measured_mean(errors, by_gap, gap, *clusters(across, within))
    within_error = Estimate(float(errors[len(errors) // 2 :].mean() / 2), n)
    return shares | {Key("r2"): lost.complement(), Key("within_error"): within_error}


def moves_nothing(outcomes: Outcomes) -> bool:
    """Return whether no score has moved, but for rounding."""
    return not any(settled(outcomes.moves(way)).any() for way in DIRECTIONS)


@dataclass(frozen=True)
class OwnErrors:
    """Squared errors of a subspace by the gap of each pair, and the squared gaps that they are measured by.

    Attributes:
        errors: of a swap across the kinds of the pair, plus those of a swap within a kind; length n.
        squares: length n.
        groups, source_groups: clusters of bases, and of the sources of swaps within a kind.
    """

    errors: np.ndarray
    squares: np.ndarray
    groups: np.ndarray
    source_groups: np.ndarray

    def r2(self) -> Estimate:
        """Return 1 - errors / squares: 1 if each swap moves the score by the pair's own gap, 0 if none moves it."""
        if (self.errors == self.squares).all():  # nothing moves
            return Estimate(0.0, len(self.errors), 0.0, 0.0)
        return ratio(self.errors, self.squares, self.groups, self.source_groups).complement()

    def above(self, other: OwnErrors) -> Estimate:
        """Return by how much R² exceeds that of another subspace, or the mean of several, on the same pairs."""
        return ratio(other.errors - self.errors, self.squares, self.groups, self.source_groups)


def own_errors(paired: Outcomes, within: Outcomes) -> OwnErrors:
    """Return the errors by each pair's own gap.

    With Z of the other text of its pair, a text should get the other text's score; with Z of its own kind, from another
    article, it should keep its own. Changing nothing misses by the gap in the first case and by nothing in the second.

    Args:
        paired: outcomes with paired sources.
        within: outcomes within a kind, of which the first draw is taken.
    """
    paired, alike = paired.first_draw(), within.first_draw()
    gaps = paired.gaps().astype(np.float64)
    crossed = np.mean([(settled(paired.moves(way)) - SIGN[way] * gaps) ** 2 for way in DIRECTIONS], axis=0)
    kept = np.mean([settled(alike.moves(way)) ** 2 for way in DIRECTIONS], axis=0)
    return OwnErrors(crossed + kept, gaps**2, alike.groups, alike.source_groups)


def paired_r2(whole: Outcomes) -> Estimate:
    """Return R² of each pair's own gap when the whole stream at the site is taken from the other text of the pair.

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
