"""The chosen cell of a sweep, examined further: other seeds, an arbitrary label, random weights; and what Z says."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.untrained import untrained
from interp.data.pairs import SPLITS, PairSet
from interp.evidence.arbitrary import alphabetical_halves
from interp.runs.chosen import Chosen
from interp.runs.directions import Leading
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.described import describe
from interp.subspaces.kinds import load_subspace
from interp.subspaces.methods import find_methods
from interp.subspaces.outcomes import align, mean_iia
from interp.subspaces.pairs import PairsAtSite, pair_run
from interp.subspaces.rotation import Rotation, overlap, principal_angles
from interp.subspaces.subspace import Subspace
from interp.sweep.cell import search_config
from interp.sweep.work import Work

_MORE_SEEDS = 2  # beside that of the cell
LEAST = 2  # pairs that random sources need


@dataclass(frozen=True, eq=False)
class _Examined:
    """A model at the site of the chosen cell.

    Attributes:
        parts: by split.
        negatives: the negative texts by split.
    """

    parts: dict[str, PairsAtSite]
    negatives: dict[str, list[str]]


def examine(work: Work, clip: Clip, place: Place, on_step: Callable[[], object] = lambda: None) -> Chosen:
    """Examine the chosen cell, in the fine-tuned model if there is one.

    Args:
        clip: the base.
        on_step: called after each of `steps` steps.
    """
    model, subspace = _found(work, clip, place)
    here = _at(work, model, place)
    overlaps, angles, converged = {}, {}, True
    for other in other_seeds(place):
        found = _search(work, here.parts, other) if work.trained is None else work.trained.train(other, clip)[1]
        converged &= bool(found.facts.get("converged", True))
        if isinstance(subspace, Rotation) and isinstance(found, Rotation):
            overlaps[other.seed] = overlap(subspace.basis, found.basis)
            angles[other.seed] = principal_angles(subspace.basis, found.basis).tolist()
        else:  # only bases have angles
            overlaps[other.seed], angles[other.seed] = math.nan, []
        on_step()
    halves = {
        name: replace(part, pairs=alphabetical_halves(part.pairs, here.negatives[name]))
        for name, part in here.parts.items()
    }
    arbitrary = _iia(work, halves, place)
    on_step()
    without = _iia(work, _at(work, untrained(clip, place.seed), place).parts, place)
    on_step()
    return Chosen(place, overlaps, subspace.size / subspace.width, arbitrary, without, converged, angles)


def other_seeds(place: Place) -> list[Place]:
    """Where a search or a training is made again, to see whether it finds the same subspace."""
    return [place._replace(seed=place.seed + more + 1) for more in range(_MORE_SEEDS)]


def describe_chosen(
    work: Work, clip: Clip, place: Place, pairs: PairSet, on_batch: Callable[[int], object] = lambda _n: None
) -> tuple[Leading, ...]:
    """Return the leading directions of Z in the chosen cell, in the fine-tuned model if there is one.

    A Z that is no rotation has no directions.

    Args:
        clip: the base.
        pairs: pairs whose texts are looked at.
        on_batch: called with the number of texts after each batch.
    """
    model, subspace = _found(work, clip, place)
    if not isinstance(subspace, Rotation):
        return ()
    return describe(subspace, model, pairs, on_batch=on_batch).leading


def _found(work: Work, clip: Clip, place: Place) -> tuple[Clip, Subspace]:
    """Return the model of a cell, and the subspace that was found in it."""
    if work.trained is None:
        return clip, load_subspace(place.rotation_file(work.folder))
    return work.trained.train(place, clip)


def steps() -> int:
    """How many steps `examine` has."""
    return _MORE_SEEDS + 2


def _at(work: Work, clip: Clip, place: Place) -> _Examined:
    features, site = work.features.to(clip.device), Site("text", place.layer)
    run = pair_run(clip, features, [site])
    rows = {name: features.rows(name) for name in SPLITS}
    parts = {name: PairsAtSite(run.take(torch.tensor(some)), site) for name, some in rows.items()}
    return _Examined(parts, {name: [features.pairs[i].negative for i in some] for name, some in rows.items()})


def _search(work: Work, parts: dict[str, PairsAtSite], place: Place) -> Subspace:
    """Search by the method of the sweep's cells."""
    (method, *_) = find_methods(work.config.compared)
    (subspace,) = method.fit(parts["train"], parts["val"], [place.size], search_config(work.config, place.seed))
    return subspace


def _iia(work: Work, parts: dict[str, PairsAtSite], place: Place) -> Estimate:
    """Return the IIA of what a search finds; not defined where a split has too few pairs for one."""
    if min(map(len, parts.values())) < LEAST:
        return Estimate(math.nan, 0)
    subspace = _search(work, parts, place)
    return mean_iia([align(parts["test"], subspace, sources="random", seed=place.seed)])
