"""What becomes of scores when Z is swapped, and the one measurement of an alignment that every command reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS, Contrast, Direction
from interp.interventions.rotation import swap
from interp.methods.pairs import (
    PairRun,
    PairsAtSite,
    Sources,
    clean_scores,
    draw_sources,
    interventions,
    push_scores,
)
from interp.stats import Estimate, clustered_share, iia_outcomes, preference, standard_error
from interp.tensors import Basis, Float, Tensor

DRAWS = 2  # random sources for each base text


@dataclass(frozen=True)
class Outcomes:
    """Scores of counterfactuals beside those of their bases, by direction; arrays of length draws x n.

    Attributes:
        base, counterfactual: direction -> scores.
        sources: the pair whose text Z was taken from.
        groups: cluster of each entry.
        pairs: n, however often sources were drawn.
    """

    base: dict[Direction, np.ndarray]
    counterfactual: dict[Direction, np.ndarray]
    sources: np.ndarray
    groups: np.ndarray
    pairs: int

    @property
    def source_groups(self) -> np.ndarray:
        """Cluster of the source of each entry."""
        return self.groups[self.sources]

    def hits(self, direction: Direction) -> np.ndarray:
        """1 where the counterfactual comes out as the causal model predicts, 0 where not, 1/2 for a tie."""
        winner: Literal["base", "counterfactual"] = "counterfactual" if direction == "up" else "base"
        return iia_outcomes(self.base[direction], self.counterfactual[direction], winner=winner)

    def iia(self, direction: Direction | None = None) -> float:
        """Interchange intervention accuracy of one direction, or the mean of both; a share."""
        chosen = DIRECTIONS if direction is None else (direction,)
        return float(np.mean([self.hits(one).mean() for one in chosen]))

    def shift(self, direction: Direction) -> float:
        """How much the intervention moves the score (a cosine) on average: counterfactual minus base."""
        return float((self.counterfactual[direction] - self.base[direction]).mean())

    def iia_error(self) -> float:
        """The standard error of IIA in both directions, whose bases and sources come in groups."""
        hits = np.mean([self.hits(one) for one in DIRECTIONS], axis=0)
        return standard_error(hits, self.groups, self.source_groups)

    def preference(self) -> Estimate:
        """Preference accuracy of the unchanged model, whose pairs come in groups."""
        n = self.pairs
        return clustered_share(preference(self.base["down"][:n], self.base["up"][:n]), self.groups[:n])


@torch.inference_mode()
def evaluate(
    pairs: PairRun, site: Site, basis: Basis, *, sources: Sources = "random", draws: int = DRAWS, seed: int = 0,
    clean: Float[Tensor, " m"] | None = None,
) -> Outcomes:  # fmt: skip
    """Counterfactual scores of every pair in both directions, with `draws` random sources each (1 if paired).

    The base scores are computed by the same operations on the same batches, so that an intervention that changes
    nothing ties exactly.

    Args:
        pairs: n pairs, whose clean run kept the site's layer.
        basis: orthonormal, shape (d, k).
        seed: of the random sources.
        clean: what `clean_scores` gives, if it is known.
    """
    generator = torch.Generator().manual_seed(seed)
    n, images = len(pairs), pairs.images.repeat(2, 1)
    base: dict[Direction, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    changed: dict[Direction, list[np.ndarray]] = {direction: [] for direction in DIRECTIONS}
    clean = clean_scores(pairs, site) if clean is None else clean
    drawn = [draw_sources(n, sources, generator) for _ in range(1 if sources == "paired" else draws)]
    for source in drawn:
        base_rows, source_rows = interventions(torch.arange(n), source)
        run = pairs.run.take(base_rows)
        h = swap(run.stream(site.layer), pairs.run.take(source_rows).stream(site.layer), basis)
        scores = push_scores(run, images, site, h)
        for number, direction in enumerate(DIRECTIONS):
            half = slice(number * n, (number + 1) * n)
            base[direction].append(clean[half].cpu().numpy())
            changed[direction].append(scores[half].cpu().numpy())
    return Outcomes(
        {key: np.concatenate(value) for key, value in base.items()},
        {key: np.concatenate(value) for key, value in changed.items()},
        torch.cat(drawn).numpy(),
        np.tile(np.asarray(pairs.clusters), len(drawn)),
        n,
    )


def align(part: PairsAtSite, basis: Basis, *, sources: Sources, seed: int) -> Outcomes:
    """The measurement of an alignment, the same in a sweep, in the looks of a fine-tuning and in an evaluation.

    Args:
        part: the pairs that are measured.
        basis: of Z, orthonormal, shape (d, k).
        seed: of the random sources, `DRAWS` for each text.
    """
    basis = basis.to(part.pairs.images)
    return evaluate(part.pairs, part.site, basis, sources=sources, seed=seed, clean=part.clean)


def mean_iia(found: Sequence[Outcomes], direction: Direction | None = None) -> Estimate:
    """The mean IIA over several subspaces, under the same interventions, whose bases and sources come in groups."""
    chosen = DIRECTIONS if direction is None else (direction,)
    hits = np.mean([one.hits(each) for one in found for each in chosen], axis=0)
    return replace(clustered_share(hits, found[0].groups, found[0].source_groups), n=found[0].pairs)


def iia_columns(stem: str, found: Sequence[Outcomes], contrast: Contrast) -> dict[str, float]:
    """IIA, the mean over some subspaces, of both directions and of each, with intervals, by column."""
    out = mean_iia(found).columns(stem)
    for direction in DIRECTIONS:
        out |= mean_iia(found, direction).columns(f"{stem}_{contrast.short(direction)}")
    return out


def shift_columns(found: Outcomes, contrast: Contrast) -> dict[str, float]:
    """Mean change of the score (a cosine) in each direction, by column."""
    return {f"shift_{contrast.short(direction)}": found.shift(direction) for direction in DIRECTIONS}
