"""All that is measured of a subspace at a site, in the order in which a reader should ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from interp.data.contrast import Contrast
from interp.evidence.calibration import calibration, paired_r2
from interp.evidence.controls import Swapped, control, percentiles_among
from interp.evidence.identification import best_direction, single
from interp.evidence.necessity import midpoint, necessity, neutralize
from interp.evidence.specificity import separation, specificity
from interp.methods.outcomes import DRAWS, Outcomes, align, align_all, iia_columns, shift_columns
from interp.methods.pairs import PairsAtSite, Sources
from interp.stats import clustered_mean, yardstick
from interp.tensors import Basis, Float, Tensor


@dataclass(frozen=True)
class Interventions:
    """How Z is swapped: kinds of sources, and the seed that draws them."""

    sources: Sources
    seed: int

    def swap(self, part: PairsAtSite, bases: Sequence[Float[Tensor, "d _"]], draws: int) -> list[Swapped]:
        """Swap subspaces across kinds and within them, all with the same sources."""
        across = align_all(part, bases, sources=self.sources, seed=self.seed, draws=draws)
        # Within a kind the text itself would be a paired source: nothing would change.
        count = 1 if self.sources == "paired" else draws
        within = align_all(part, bases, sources="random", seed=self.seed, draws=count, within=True)
        return [Swapped(*both) for both in zip(across, within, strict=True)]


@dataclass(frozen=True)
class Evidence:
    """What is found of a subspace: `measures` by column, and what became of the scores."""

    measures: dict[str, float]
    outcomes: Outcomes


def plain(part: PairsAtSite, basis: Basis, how: Interventions, contrast: Contrast) -> Evidence:
    """Preference, IIA and shift: what is measured without controls."""
    found = align(part, basis, sources=how.sources, seed=how.seed)
    return Evidence(_plain(found, contrast), found)


def _plain(found: Outcomes, contrast: Contrast) -> dict[str, float]:
    measures = iia_columns("iia", [found], contrast) | shift_columns(found, contrast)
    return measures | found.preference().columns("preference")


def gather(
    train: PairsAtSite, test: PairsAtSite, basis: Basis, controls: Mapping[str, Sequence[Float[Tensor, "d _"]]],
    how: Interventions, contrast: Contrast,
) -> Evidence:  # fmt: skip
    """Everything: `plain`, whether there is anything to find, and whether this subspace is what holds it.

    Args:
        train: pairs that say what the gap, the kinds' means and the mean gradient are.
        test: pairs that are measured.
        basis: of Z, orthonormal, shape (d, k).
        controls: part of a column's name -> other subspaces, of which the mean is reported; they are swapped with the
            first source of each text alone.
    """
    (own,) = how.swap(test, [basis], DRAWS)
    out, gap = _plain(own.across, contrast), yardstick(train.gaps.cpu().numpy(), np.asarray(train.pairs.clusters))
    out |= clustered_mean(own.across.gaps(), own.across.groups[: len(test)]).columns("gap") | gap.columns("gap_train")
    out |= calibration(own.across, own.within, gap, contrast)
    out |= necessity(test, neutralize(test, basis, midpoint(train)))
    out |= specificity(test, basis, sources=how.sources, seed=how.seed)
    out |= separation(own.across, own.within).columns("auc")
    whole = align(test, torch.eye(len(basis)), sources="paired", seed=how.seed)
    out |= paired_r2(whole).columns("r2_whole") | iia_columns("iia_whole", [whole], contrast)
    nothing = align(test, basis[:, :0], sources=how.sources, seed=how.seed, draws=1)
    out |= iia_columns("iia_size0", [nothing], contrast)
    first = Swapped(own.across.first_draw(), own.within.first_draw())
    beside = [best_direction(train, basis), *(one for some in controls.values() for one in some)]
    alone, *others = how.swap(test, beside, draws=1)
    out |= single(first.across, alone.across)
    for name, some in controls.items():
        swapped, others = others[: len(some)], others[len(some) :]
        out |= control(name, first, swapped, gap, contrast)
        if len(some) > 1:
            out |= {f"{key}_{name}": value for key, value in percentiles_among(first, swapped, gap.value).items()}
    return Evidence(out, own.across)
