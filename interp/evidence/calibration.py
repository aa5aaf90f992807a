"""Calibration: agreement of score shifts with the gap between kinds, and with zero shift within a kind.

There are two yardsticks. For R² of the mean gap, a swap with a text of another image must move a score by the mean gap
of the train pairs. For R² of the own gaps, a swap with the other text of the same image must move a score by the gap of
this pair. With the second yardstick, a preference whose strength depends on the image is not an error.
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
    """Return squared errors of counterfactuals in units of the squared gap, times 2: their mean is 1 - R².

    The score of a text should change by the gap when the text gets Z of the other kind. It should not change when the
    text gets Z of its own kind.

    Args:
        across, within: outcomes of the same subspace with equally many draws; sources are of the other kind in `across`
            and of the base's own kind in `within`.
        gap: mean score of positive texts minus mean score of negative texts, a cosine. A gap of 0 gives NaN.

    Returns:
        Errors across kinds, then errors within kinds, each the mean of both directions; length 2 x draws x n.
    """
    _, missed = _in_gaps(across, within, gap)
    return 2 * (missed**2).mean(0)


def slopes(across: Outcomes, within: Outcomes, gap: float) -> np.ndarray:
    """Return the derivatives of `squared_errors` with respect to the gap.

    The derivative of (m/g - s)² is -2 (m/g - s) m/g².
    """
    moved, missed = _in_gaps(across, within, gap)
    return -4 * (missed * moved).mean(0) / (gap or math.nan)


def clusters(across: Outcomes, within: Outcomes) -> tuple[np.ndarray, np.ndarray]:
    """Return the groups of the bases and the groups of the sources behind each element of `squared_errors`."""
    groups, source_groups = zip(*((part.groups, part.source_groups) for part in (across, within)), strict=True)
    return np.concatenate(groups), np.concatenate(source_groups)


def calibration(across: Outcomes, within: Outcomes, gap: Yardstick) -> dict[Key, Estimate]:
    """Return shift over gap in both directions, R² of the mean gap, and the part of 1 - R² due to swaps within a kind.

    Intervals include the error of the gap. If the gap may be 0, there are no intervals. A subspace whose swap moves no
    score, apart from rounding, gets exactly 0 for each measure.

    Args:
        across, within: see `squared_errors`.
        gap: mean gap of the train pairs, so that no measured pair contributes to its own yardstick.
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
    """Return whether no score has moved, apart from rounding."""
    return not any(settled(outcomes.moves(way)).any() for way in DIRECTIONS)


@dataclass(frozen=True)
class OwnErrors:
    """Squared errors of a subspace relative to the gap of each pair, and the squared gaps as their yardstick.

    Attributes:
        errors: squared error of a swap across the kinds of a pair plus squared error of a swap within a kind; length n.
        squares: squared gaps, length n.
        groups, source_groups: clusters of the bases, and of the sources of swaps within a kind.
    """

    errors: np.ndarray
    squares: np.ndarray
    groups: np.ndarray
    source_groups: np.ndarray

    def r2(self) -> Estimate:
        """Return 1 - errors / squares.

        The result is 1 if each swap moves the score by the pair's own gap, and 0 if no swap moves a score.
        """
        if (self.errors == self.squares).all():  # nothing moves
            return Estimate(0.0, len(self.errors), 0.0, 0.0)
        return ratio(self.errors, self.squares, self.groups, self.source_groups).complement()

    def above(self, other: OwnErrors) -> Estimate:
        """Return the lead of this R² over that of another subspace, or over the mean of several, on the same pairs."""
        return ratio(other.errors - self.errors, self.squares, self.groups, self.source_groups)


def own_errors(paired: Outcomes, within: Outcomes) -> OwnErrors:
    """Return the errors relative to each pair's own gap.

    With Z of the other text of its pair, a text should get the other text's score. With Z of a text of the same kind
    from another article, the text should keep its own score. A swap that changes nothing misses by the gap in the first
    case and by nothing in the second.

    Args:
        paired: outcomes with paired sources; only the first draw is used.
        within: outcomes within a kind; only the first draw is used.
    """
    paired, alike = paired.first_draw(), within.first_draw()
    gaps = paired.gaps().astype(np.float64)
    crossed = np.mean([(settled(paired.moves(way)) - SIGN[way] * gaps) ** 2 for way in DIRECTIONS], axis=0)
    kept = np.mean([settled(alike.moves(way)) ** 2 for way in DIRECTIONS], axis=0)
    return OwnErrors(crossed + kept, gaps**2, alike.groups, alike.source_groups)


def paired_r2(whole: Outcomes) -> Estimate:
    """Return R² of each pair's own gap when the whole stream at the site is taken from the other text of the pair.

    R² is 1 - (squared distance of the counterfactual from the other text's score) / (squared gap of the pair). This R²
    is the share of the difference that has reached this position at this layer. The rest bypasses the position: later
    blocks read other positions.

    Args:
        whole: outcomes of the whole stream with paired sources.
    """
    gaps = np.concatenate([SIGN[way] * whole.gaps() for way in DIRECTIONS])
    missed = np.concatenate([whole.moves(way) for way in DIRECTIONS]) - gaps
    return ratio(missed**2, gaps**2, np.tile(whole.groups, 2)).complement()


def _in_gaps(across: Outcomes, within: Outcomes, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the moves across and within kinds in units of the gap, and their distances from the ideal moves.

    Both arrays have shape (2, units): one row for each direction, first the moves across kinds, then those within
    kinds.
    """
    moves = (np.array([part.moves(way) for way in DIRECTIONS]) for part in (across, within))
    crossed, alike = (each / (gap or math.nan) for each in moves)
    signs = np.array([[SIGN[way]] for way in DIRECTIONS])
    return np.hstack([crossed, alike]), np.hstack([crossed - signs, alike])
