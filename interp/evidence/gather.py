"""All that is measured of a subspace at a site, in the order in which a reader should ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interp.clip.tensors import Float
from interp.data.contrast import Contrast
from interp.evidence.calibration import calibration, paired_r2
from interp.evidence.controls import Swapped, control, percentiles_among
from interp.evidence.identification import best_direction, single
from interp.evidence.necessity import (
    beyond_controls,
    kept_within,
    midpoint,
    necessity,
    neutralize_all,
    retrieval_left,
)
from interp.evidence.specificity import separation, specificity
from interp.evidence.traits import rival
from interp.stats import clustered_mean, yardstick
from interp.subspaces.outcomes import DRAWS, Outcomes, align, align_all, iia_columns, shift_columns
from interp.subspaces.pairs import PairsAtSite, Sources
from interp.subspaces.rotation import nothing, whole
from interp.subspaces.subspace import Subspace

_NEUTRALIZED = ("random", "pca")  # controls that a neutral value of Z is compared with


@dataclass(frozen=True)
class Interventions:
    """How Z is swapped: kinds of sources, and the seed that draws them."""

    sources: Sources
    seed: int

    def swap(self, part: PairsAtSite, subspaces: Sequence[Subspace], draws: int) -> list[Swapped]:
        """Swap subspaces across kinds, within them, and across the kinds of each pair, all with the same sources."""
        across = align_all(part, subspaces, sources=self.sources, seed=self.seed, draws=draws)
        # Within a kind the text itself would be a paired source: nothing would change.
        count = 1 if self.sources == "paired" else draws
        within = align_all(part, subspaces, sources="random", seed=self.seed, draws=count, within=True)
        paired = across if self.sources == "paired" else align_all(part, subspaces, sources="paired", seed=self.seed)
        return [Swapped(*outcomes) for outcomes in zip(across, within, paired, strict=True)]


@dataclass(frozen=True)
class Evidence:
    """Evidence about a subspace: `measures` by column, and the outcomes of the swaps."""

    measures: dict[str, float]
    outcomes: Outcomes


def plain(part: PairsAtSite, subspace: Subspace, how: Interventions, contrast: Contrast) -> Evidence:
    """Measure preference, IIA and shift: everything that needs no controls."""
    found = align(part, subspace, sources=how.sources, seed=how.seed)
    return Evidence(_plain(found, contrast), found)


def _plain(found: Outcomes, contrast: Contrast) -> dict[str, float]:
    measures = iia_columns("iia", [found], contrast) | shift_columns(found, contrast)
    return measures | found.preference().columns("preference")


def gather(
    train: PairsAtSite,
    test: PairsAtSite,
    subspace: Subspace,
    controls: Mapping[str, Sequence[Subspace]],
    how: Interventions,
    contrast: Contrast,
    traits: Float[np.ndarray, "m 3"] | None = None,
) -> Evidence:
    """Measure everything: `plain`, whether there is anything to find, and whether this subspace is what holds it.

    Args:
        train: pairs that say what the gap, the kinds' means and the mean gradient are.
        test: pairs that are measured.
        subspace: Z, at the site of the pairs.
        controls: part of a column's name -> other subspaces, of which the mean is reported; they are swapped with the
            first source of each text alone.
        traits: `interp.evidence.traits.traits_of` the positive test texts, then of the negative ones; without them
            rival explanations are not measured.
    """
    (own,) = how.swap(test, [subspace], DRAWS)
    out, gap = _plain(own.across, contrast), yardstick(train.gaps.cpu().numpy(), np.asarray(train.pairs.clusters))
    gaps = own.across.gaps().astype(np.float64)
    out |= clustered_mean(gaps, own.across.groups[: len(test)]).columns("gap") | gap.columns("gap_train")
    out |= {"gap_sd": float(gaps.std(ddof=1)) if len(gaps) > 1 else float("nan")}
    out |= calibration(own.across, own.within, gap, contrast) | own.own.r2().columns("r2_own")
    middle = midpoint(train)
    compared = {name: controls[name] for name in _NEUTRALIZED if name in controls}
    neutral, *others = neutralize_all(test, [subspace, *(one for some in compared.values() for one in some)], middle)
    out |= necessity(test, neutral) | kept_within(own.within).columns("gap_kept_within")
    out |= retrieval_left(test, subspace, middle)
    out |= beyond_controls(test, neutral, {name: [others.pop(0) for _ in some] for name, some in compared.items()})
    out |= specificity(test, subspace, sources=how.sources, seed=how.seed)
    out |= separation(own.across, own.within).columns("auc")
    if traits is not None:
        out |= rival(own.within, traits)
    everything = align(test, whole(subspace.width, test.site), sources="paired", seed=how.seed)
    out |= paired_r2(everything).columns("r2_whole") | iia_columns("iia_whole", [everything], contrast)
    empty = align(test, nothing(subspace.width, test.site), sources=how.sources, seed=how.seed, draws=1)
    out |= iia_columns("iia_size0", [empty], contrast)
    first = own.first_draw()
    beside = [best_direction(train, subspace), *(one for some in controls.values() for one in some)]
    alone, *rest = how.swap(test, beside, draws=1)
    out |= single(first.across, alone.across)
    for name, some in controls.items():
        swapped, rest = rest[: len(some)], rest[len(some) :]
        out |= control(name, first, swapped, contrast)
        if len(some) > 1:
            out |= {f"{key}_{name}": value for key, value in percentiles_among(first, swapped).items()}
    return Evidence(out, own.across)
