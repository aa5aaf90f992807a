"""Controls: what other subspaces at the same site do, and whether the one that was found does more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from interp.data.contrast import DIRECTIONS, Contrast
from interp.evidence.calibration import clusters, slopes, squared_errors
from interp.methods.outcomes import Outcomes, iia_columns
from interp.stats import Yardstick, measured_mean, paired_difference


@dataclass(frozen=True)
class Swapped:
    """What swapping a subspace does; `across` kinds and `within` them, with as many draws."""

    across: Outcomes
    within: Outcomes

    def hits(self) -> np.ndarray:
        """Hits of the counterfactuals across kinds, the mean of both directions."""
        return np.mean([self.across.hits(one) for one in DIRECTIONS], axis=0)

    def errors(self, gap: float) -> np.ndarray:
        """See `squared_errors`."""
        return squared_errors(self.across, self.within, gap)

    def slopes(self, gap: float) -> np.ndarray:
        """See `interp.evidence.calibration.slopes`."""
        return slopes(self.across, self.within, gap)


def control(
    stem: str, found: Swapped, others: Sequence[Swapped], gap: Yardstick, contrast: Contrast
) -> dict[str, float]:
    """IIA and R² of other subspaces, the mean over them, and by how much the found one exceeds them; by column.

    Differences are paired: both sides are measured on the same bases and sources, and by the same gap.

    Args:
        stem: part of the columns' names.
        found: the subspace that is judged.
        others: those of a control.
        gap: see `calibration`.
    """
    out = iia_columns(f"iia_{stem}", [one.across for one in others], contrast)
    groups, pairs = (found.across.groups, found.across.source_groups), clusters(found.across, found.within)
    hits = np.mean([one.hits() for one in others], axis=0)
    out |= paired_difference(found.hits(), hits, *groups).columns(f"iia_over_{stem}")
    errors, own = np.mean([one.errors(gap.value) for one in others], axis=0), found.errors(gap.value)
    by_gap, own_by_gap = np.mean([one.slopes(gap.value) for one in others], axis=0), found.slopes(gap.value)
    out |= measured_mean(errors, by_gap, gap, *pairs).complement().columns(f"r2_{stem}")
    return out | measured_mean(errors - own, by_gap - own_by_gap, gap, *pairs).columns(f"r2_over_{stem}")


def percentiles_among(found: Swapped, others: Sequence[Swapped], gap: float) -> dict[str, float]:
    """The share of other subspaces that the found one exceeds in IIA and in R², ties counting half; by column."""
    # Of single hits, whose sum is exact: means of the two directions tie or not as they are rounded.
    iias = found.hits().mean(), [one.hits().mean() for one in others]
    r2s = 1 - found.errors(gap).mean(), [1 - one.errors(gap).mean() for one in others]
    return {f"percentile_{name}": _above(*both) for name, both in (("iia", iias), ("r2", r2s))}


def _above(value: float, others: Sequence[float]) -> float:
    return float(np.mean((np.sign(value - np.asarray(others)) + 1) / 2))
