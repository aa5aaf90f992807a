"""Controls: effects of other subspaces at the same site, for comparison with Z."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from interp.data.contrast import DIRECTIONS
from interp.evidence.calibration import OwnErrors, own_errors
from interp.measures import Key
from interp.stats import Estimate, paired_difference
from interp.subspaces.outcomes import Outcomes, iias


@dataclass(frozen=True)
class SwapOutcomes:
    """Outcomes of swaps of a subspace: across kinds, within kinds, and across the two kinds of each pair (`paired`).

    `across` and `within` have equally many draws.
    """

    across: Outcomes
    within: Outcomes
    paired: Outcomes

    def first_draw(self) -> SwapOutcomes:
        """Return these outcomes with the first source of each text alone."""
        return SwapOutcomes(self.across.first_draw(), self.within.first_draw(), self.paired)

    def hits(self) -> np.ndarray:
        """Return the hits of counterfactuals across kinds, as the mean of both directions."""
        return np.mean([self.across.hits(way) for way in DIRECTIONS], axis=0)

    @cached_property
    def own(self) -> OwnErrors:
        """Errors relative to the gap of each pair."""
        return own_errors(self.paired, self.within)


def control(name: str, outcomes: SwapOutcomes, others: Sequence[SwapOutcomes]) -> dict[Key, Estimate]:
    """Return IIA and R² of the own gaps as means over the subspaces of a control, and the lead of Z over these means.

    Differences are paired: both sides are measured on the same bases and sources.

    Args:
        name: key of the control.
        outcomes: outcomes of Z.
        others: outcomes of the subspaces of the control.
    """
    groups = outcomes.across.groups, outcomes.across.source_groups
    hits = np.mean([other.hits() for other in others], axis=0)
    errors = _mean_own([other.own for other in others])
    return iias([other.across for other in others], name) | {
        Key("iia_over", name): paired_difference(outcomes.hits(), hits, *groups),
        Key("r2_own", name): errors.r2(),
        Key("r2_own_over", name): outcomes.own.above(errors),
    }


def _mean_own(errors: Sequence[OwnErrors]) -> OwnErrors:
    """Return the mean errors of several subspaces on the same pairs."""
    first = errors[0]
    mean = np.mean([other.errors for other in errors], axis=0)
    return OwnErrors(mean, first.squares, first.groups, first.source_groups)


def percentiles_among(name: str, outcomes: SwapOutcomes, others: Sequence[SwapOutcomes]) -> dict[Key, Estimate]:
    """Return the shares of other subspaces that Z exceeds in IIA and in R²; ties count half.

    Args:
        name: key of the control that the other subspaces belong to.
        outcomes: outcomes of Z.
        others: outcomes of the subspaces of the control.
    """
    # Take the mean over single hits, whose sum is exact: ties of the two directions' means depend on rounding.
    shares = outcomes.hits().mean(), [other.hits().mean() for other in others]
    r2s = -outcomes.own.errors.mean(), [-other.own.errors.mean() for other in others]
    return {Key("percentile_iia", name): _above(*shares), Key("percentile_r2_own", name): _above(*r2s)}


def _above(value: float, others: Sequence[float]) -> Estimate:
    return Estimate(float(np.mean((np.sign(value - np.asarray(others)) + 1) / 2)), len(others))
