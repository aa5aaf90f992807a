"""Measurement of a subspace at a site, with numbers in the order in which a reader should look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interp.clip.tensors import Float
from interp.evidence.calibration import calibration, paired_r2
from interp.evidence.controls import SwapOutcomes, control, percentiles_among
from interp.evidence.identification import best_direction, single
from interp.evidence.necessity import (
    beyond_controls,
    kept_within,
    necessity,
    neutralize_all,
    retrieval_left,
)
from interp.evidence.specificity import separation, specificity
from interp.evidence.traits import rival
from interp.measures import Key
from interp.stats import Estimate, clustered_mean, yardstick
from interp.subspaces.methods.method import Method
from interp.subspaces.outcomes import DRAWS, Outcomes, align, align_all, iias, shifts
from interp.subspaces.pairs import PairsAtSite
from interp.subspaces.rotation import nothing, whole
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace

_NEUTRALIZED = ("random", "pca")  # controls that a neutral value of Z is compared with


@dataclass(frozen=True)
class MeasurementSettings:
    """Settings of the measurement of a subspace.

    Attributes:
        search: sources of Z and their seed, and settings of searches for controls.
        controls: methods that find the subspaces that Z is compared with; None to measure only preference, IIA and
            shift.
    """

    search: SearchConfig
    controls: Sequence[Method] | None = None

    def swap(self, part: PairsAtSite, subspaces: Sequence[Subspace], draws: int) -> list[SwapOutcomes]:
        """Swap subspaces across kinds, within kinds, and across the kinds of each pair, all with the same sources."""
        sources, seed = self.search.sources, self.search.seed
        across = align_all(part, subspaces, sources=sources, seed=seed, draws=draws)
        # Within a kind, the paired source would be the text itself: nothing would change.
        count = 1 if sources == "paired" else draws
        within = align_all(part, subspaces, sources="random", seed=seed, draws=count, within=True)
        paired = across if sources == "paired" else align_all(part, subspaces, sources="paired", seed=seed)
        return [SwapOutcomes(*outcomes) for outcomes in zip(across, within, paired, strict=True)]


@dataclass(frozen=True)
class Evidence:
    """Numbers of a subspace, and the outcomes of its swaps."""

    numbers: dict[Key, Estimate]
    outcomes: Outcomes


def measure_subspace(
    parts: Mapping[str, PairsAtSite],
    subspace: Subspace,
    how: MeasurementSettings,
    traits: Float[np.ndarray, "m 3"] | None = None,
) -> Evidence:
    """Measure a subspace on test pairs, in the same way in sweeps, in fine-tunings and in evaluations.

    Args:
        parts: pairs by split, at the site of the subspace. With controls, the gap, the kinds' means and the mean
            gradient are those of the train pairs. A search for a control also uses the val pairs, if there are any.
        subspace: Z.
        how: sources, seed and controls.
        traits: `interp.evidence.traits.traits_of` the positive test texts, then of the negative ones; if None, rival
            explanations are not measured.
    """
    test = parts["test"]
    if how.controls is None:
        outcomes = align(test, subspace, sources=how.search.sources, seed=how.search.seed)
        return Evidence(_simple_numbers(outcomes), outcomes)
    train, size = parts["train"], subspace.size
    val = parts.get("val", train)
    controls = {method.name.column: method.controls(train, val, size, how.search) for method in how.controls}
    (swaps,) = how.swap(test, [subspace], DRAWS)
    numbers = (
        _simple_numbers(swaps.across)
        | _calibration_numbers(swaps, train)
        | _necessity_numbers(swaps, parts, subspace, controls)
    )
    numbers |= specificity(test, subspace, sources=how.search.sources, seed=how.search.seed)
    numbers[Key("auc")] = separation(swaps.across, swaps.within)
    if traits is not None:
        numbers |= rival(swaps.within, traits)
    numbers |= _ceiling_numbers(test, subspace, how) | _control_numbers(swaps, parts, subspace, controls, how)
    return Evidence(numbers, swaps.across)


def _simple_numbers(outcomes: Outcomes) -> dict[Key, Estimate]:
    """Return preference, IIA and shift: the measures that need no controls."""
    return iias([outcomes]) | shifts(outcomes) | {Key("preference"): outcomes.preference()}


def _calibration_numbers(swaps: SwapOutcomes, train: PairsAtSite) -> dict[Key, Estimate]:
    """Return the gap, the spread of gaps, and the calibration of swaps of Z."""
    gap = yardstick(train.gaps.cpu().numpy(), np.asarray(train.pairs.clusters))
    gaps = swaps.across.gaps().astype(np.float64)
    spread = float(gaps.std(ddof=1)) if len(gaps) > 1 else float("nan")
    return {
        Key("gap"): clustered_mean(gaps, swaps.across.groups[: len(gaps)]),
        Key("gap_train"): gap,
        Key("gap_sd"): Estimate(spread, len(gaps)),
        **calibration(swaps.across, swaps.within, gap),
        Key("r2_own"): swaps.own.r2(),
    }


def _necessity_numbers(
    swaps: SwapOutcomes,
    parts: Mapping[str, PairsAtSite],
    subspace: Subspace,
    controls: Mapping[str, Sequence[Subspace]],
) -> dict[Key, Estimate]:
    """Return the shares left of gap, preference and retrieval if Z of every text has the same neutral value."""
    test, middle = parts["test"], parts["train"].midpoint
    compared = {name: controls[name] for name in _NEUTRALIZED if name in controls}
    others = [other for group in compared.values() for other in group]
    neutral, *rest = neutralize_all(test, [subspace, *others], middle)
    left = iter(rest)
    return {
        **necessity(test, neutral),
        Key("gap_kept_within"): kept_within(swaps.within),
        Key("retrieval_left"): retrieval_left(test, subspace, middle),
        **beyond_controls(test, neutral, {name: [next(left) for _ in group] for name, group in compared.items()}),
    }


def _ceiling_numbers(test: PairsAtSite, subspace: Subspace, how: MeasurementSettings) -> dict[Key, Estimate]:
    """Return measures of the whole stream and of the empty subspace, between which every subspace lies."""
    sources, seed = how.search.sources, how.search.seed
    everything = align(test, whole(subspace.width, test.site), sources="paired", seed=seed)
    empty = align(test, nothing(subspace.width, test.site), sources=sources, seed=seed, draws=1)
    return {Key("r2", "whole"): paired_r2(everything)} | iias([everything], "whole") | iias([empty], "size0")


def _control_numbers(
    swaps: SwapOutcomes,
    parts: Mapping[str, PairsAtSite],
    subspace: Subspace,
    controls: Mapping[str, Sequence[Subspace]],
    how: MeasurementSettings,
) -> dict[Key, Estimate]:
    """Return measures of the controls and of the best single direction of Z.

    Each of these subspaces is swapped with the first source of each text alone.
    """
    first = swaps.first_draw()
    others = [best_direction(parts["train"], subspace), *(other for group in controls.values() for other in group)]
    alone, *rest = how.swap(parts["test"], others, draws=1)
    numbers = single(first.across, alone.across)
    for name, group in controls.items():
        swapped, rest = rest[: len(group)], rest[len(group) :]
        numbers |= control(name, first, swapped)
        if len(group) > 1:
            numbers |= percentiles_among(name, first, swapped)
    return numbers
