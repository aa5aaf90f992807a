"""Controls: the effect of other subspaces at the same site, and whether the subspace that was found has more."""

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
class Swapped:
    """Outcomes of swapping a subspace: `across` kinds and `within` them, with as many draws, and across the kinds of
    each pair (`paired`)."""

    across: Outcomes
    within: Outcomes
    paired: Outcomes

    def first_draw(self) -> Swapped:
        """Return the same with the first source of each text alone."""
        return Swapped(self.across.first_draw(), self.within.first_draw(), self.paired)

    def hits(self) -> np.ndarray:
        """Return the hits of counterfactuals across kinds, the mean of both directions."""
        return np.mean([self.across.hits(way) for way in DIRECTIONS], axis=0)

    @cached_property
    def own(self) -> OwnErrors:
        """Errors by the gap of each pair."""
        return own_errors(self.paired, self.within)


def control(name: str, found: Swapped, others: Sequence[Swapped]) -> dict[Key, Estimate]:
    """Return IIA and R² of the own gaps of other subspaces, the mean over them, and by how much the found one exceeds
    them.

    Differences are paired: both sides are measured on the same bases and sources.

    Args:
        name: key of the control.
        found: the subspace that is judged.
        others: the subspaces of a control.
    """
    groups = found.across.groups, found.across.source_groups
    hits = np.mean([other.hits() for other in others], axis=0)
    errors = _mean_own([other.own for other in others])
    return iias([other.across for other in others], name) | {
        Key("iia_over", name): paired_difference(found.hits(), hits, *groups),
        Key("r2_own", name): errors.r2(),
        Key("r2_own_over", name): found.own.above(errors),
    }


def _mean_own(errors: Sequence[OwnErrors]) -> OwnErrors:
    """Return the mean errors of several subspaces on the same pairs."""
    first = errors[0]
    mean = np.mean([other.errors for other in errors], axis=0)
    return OwnErrors(mean, first.squares, first.groups, first.source_groups)


def percentiles_among(name: str, found: Swapped, others: Sequence[Swapped]) -> dict[Key, Estimate]:
    """Return the share of other subspaces that the found one exceeds in IIA and in R², ties half.

    Args:
        name: key of the control that they are.
    """
    # The mean over single hits, whose sum is exact: means of the two directions tie or not as they are rounded.
    shares = found.hits().mean(), [other.hits().mean() for other in others]
    r2s = -found.own.errors.mean(), [-other.own.errors.mean() for other in others]
    return {Key("percentile_iia", name): _above(*shares), Key("percentile_r2_own", name): _above(*r2s)}


def _above(value: float, others: Sequence[float]) -> Estimate:
    return Estimate(float(np.mean((np.sign(value - np.asarray(others)) + 1) / 2)), len(others))
