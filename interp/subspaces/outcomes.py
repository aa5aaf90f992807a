"""Outcomes of swaps of Z, and the common measurement of an alignment that every command reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from interp.data.contrast import DIRECTIONS, Direction
from interp.measures import Key
from interp.stats import Estimate, clustered_share, iia_outcomes, preference, standard_error
from interp.subspaces.pairs import (
    PairRun,
    PairsAtSite,
    Sources,
    draw_sources,
    interventions,
    push_scores,
)
from interp.subspaces.subspace import Subspace

DRAWS = 2  # random sources for each base text


@dataclass(frozen=True)
class Outcomes:
    """Scores of counterfactuals and of their bases, by direction; arrays of length draws x n.

    A direction names the kind of the base: ``up`` for negative texts, ``down`` for positive ones.

    Attributes:
        base, counterfactual: direction -> scores.
        sources: pair whose text Z was taken from.
        groups: cluster of each base.
        pairs: n, the number of pairs, regardless of the number of draws.
    """

    base: dict[Direction, np.ndarray]
    counterfactual: dict[Direction, np.ndarray]
    sources: np.ndarray
    groups: np.ndarray
    pairs: int

    def first_draw(self) -> Outcomes:
        """Return the outcomes with only the first source of each text."""
        base, changed = (
            {key: values[: self.pairs] for key, values in table.items()} for table in (self.base, self.counterfactual)
        )
        return Outcomes(base, changed, self.sources[: self.pairs], self.groups[: self.pairs], self.pairs)

    def hits(self, direction: Direction) -> np.ndarray:
        """Return 1 where the outcome is the one that the causal model predicts, 0 where it is not, 1/2 for a tie."""
        winner: Literal["base", "counterfactual"] = "counterfactual" if direction == "up" else "base"
        return iia_outcomes(self.base[direction], self.counterfactual[direction], winner=winner)

    def iia(self, direction: Direction | None = None) -> float:
        """Return the interchange intervention accuracy of one direction, or the mean of both; a share."""
        chosen = DIRECTIONS if direction is None else (direction,)
        return float(np.mean([self.hits(way).mean() for way in chosen]))

    @property
    def source_groups(self) -> np.ndarray:
        """Cluster of each source."""
        return self.groups[: self.pairs][self.sources]

    def moves(self, direction: Direction) -> np.ndarray:
        """Return the change of each score (a cosine) by the intervention: counterfactual minus base; float64."""
        return np.subtract(self.counterfactual[direction], self.base[direction], dtype=np.float64)

    def shift(self, direction: Direction) -> float:
        """Return the mean change of the score (a cosine) by the intervention."""
        return float(self.moves(direction).mean())

    def iia_error(self) -> float:
        """Return the standard error of IIA in both directions, clustered by the groups of bases and sources."""
        hits = np.mean([self.hits(way) for way in DIRECTIONS], axis=0)
        return standard_error(hits, self.groups, self.source_groups)

    def gaps(self) -> np.ndarray:
        """Return for each pair the positive text's score minus the negative text's in the unchanged model; length n."""
        return (self.base["down"] - self.base["up"])[: self.pairs]

    def preference(self) -> Estimate:
        """Return the preference accuracy of the unchanged model, with an interval that respects groups."""
        n = self.pairs
        return clustered_share(preference(self.base["down"][:n], self.base["up"][:n]), self.groups[:n])


def evaluate(
    pairs: PairRun,
    subspace: Subspace,
    *,
    sources: Sources = "random",
    draws: int = DRAWS,
    seed: int = 0,
) -> Outcomes:
    """Return counterfactual scores of every pair in both directions, with `draws` random sources each (1 if paired).

    The base scores are computed by the same operations on the same batches, so that an intervention that changes
    nothing ties exactly.

    Args:
        pairs: n pairs, whose clean run kept the site of the subspace.
        subspace: Z, at its site.
        seed: seed of the random sources.
    """
    return align(PairsAtSite(pairs, subspace.site), subspace, sources=sources, seed=seed, draws=draws)


def align(
    part: PairsAtSite, subspace: Subspace, *, sources: Sources, seed: int, draws: int = DRAWS, within: bool = False
) -> Outcomes:
    """Measure an alignment, in the same way in sweeps, during fine-tunings and in evaluations.

    Args:
        part: pairs to measure.
        subspace: Z, at the site of the part.
        seed: seed of the random sources, `draws` for each text (1 if paired).
        within: take Z from a text of the same kind, where the causal model predicts that nothing changes.
    """
    return align_all(part, [subspace], sources=sources, seed=seed, draws=draws, within=within)[0]


@torch.inference_mode()
def align_all(
    part: PairsAtSite,
    subspaces: Sequence[Subspace],
    *,
    sources: Sources,
    seed: int,
    draws: int = DRAWS,
    within: bool = False,
) -> list[Outcomes]:
    """Measure several subspaces as `align` does, with the same sources; all subspaces pass the model together."""
    pairs, n, site = part.pairs, len(part), part.site
    generator = torch.Generator().manual_seed(seed)
    count = 1 if sources == "paired" else draws
    drawn = [draw_sources(n, sources, generator, pairs.clusters) for _ in range(count)]
    halves = part.clean.cpu().numpy().reshape(2, n)
    base: dict[Direction, np.ndarray] = {
        key: np.tile(half, count) for key, half in zip(DIRECTIONS, halves, strict=True)
    }
    changed = []
    for source in drawn:
        base_rows, source_rows = interventions(torch.arange(n), source, within=within)
        run, given = pairs.run.take(base_rows), pairs.run.take(source_rows).stream(site)
        h = [subspace.swap(run.stream(site), given) for subspace in subspaces]
        stacked = torch.stack(h, dim=1) if len(h) > 1 else h[0]
        changed.append(push_scores(run, pairs.targets[base_rows], site, stacked).reshape(2, n, -1))
    scores = torch.cat(changed, dim=1).cpu().numpy()  # direction, draw and pair, subspace
    shared = torch.cat(drawn).numpy(), np.tile(np.asarray(pairs.clusters), count), n
    return [
        Outcomes(base, dict(zip(DIRECTIONS, scores[..., number], strict=True)), *shared)
        for number in range(len(subspaces))
    ]


def mean_iia(outcomes: Sequence[Outcomes], direction: Direction | None = None) -> Estimate:
    """Return the mean IIA over several subspaces on the same bases and sources, with an interval by groups."""
    chosen = DIRECTIONS if direction is None else (direction,)
    hits = np.mean([measured.hits(way) for measured in outcomes for way in chosen], axis=0)
    return replace(clustered_share(hits, outcomes[0].groups, outcomes[0].source_groups), n=outcomes[0].pairs)


def iias(outcomes: Sequence[Outcomes], subspace: str = "") -> dict[Key, Estimate]:
    """Return IIA of both directions together and of each direction, averaged over several subspaces.

    Args:
        subspace: key of the control that the subspaces belong to; empty for Z.
    """
    ways = {Key("iia", subspace, direction=way): mean_iia(outcomes, way) for way in DIRECTIONS}
    return {Key("iia", subspace): mean_iia(outcomes)} | ways


def shifts(outcomes: Outcomes) -> dict[Key, Estimate]:
    """Return the mean change of the score (a cosine) in each direction."""
    return {Key("shift", direction=way): Estimate(outcomes.shift(way), outcomes.pairs) for way in DIRECTIONS}
