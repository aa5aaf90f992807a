"""Controls of the chosen cell of a sweep: other seeds, an arbitrary label, random weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.clip.untrained import untrained
from interp.edits.edited_runs import edited_part
from interp.evidence.arbitrary import alphabetical_halves
from interp.measures import EDIT
from interp.runs.chosen_cell import ChosenControls
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.kinds import load_subspace
from interp.subspaces.outcomes import align, mean_iia
from interp.subspaces.pairs import pair_run
from interp.subspaces.rotation import Rotation, overlap, principal_angles
from interp.subspaces.subspace import Subspace
from interp.sweep.cell import parts_at, search_sizes
from interp.sweep.work import Parts, Work

_MORE_SEEDS = 2  # number of seeds in addition to the seed of the cell
LEAST = 2  # least number of pairs with random sources


def model_of(work: Work, clip: Clip, place: Place) -> tuple[Clip, Subspace]:
    """Return the model of a cell, fine-tuned if the sweep trains models, and the subspace found in the model.

    Args:
        work: work of the sweep.
        clip: base model.
        place: cell.
    """
    if work.trained is None:
        return clip, load_subspace(place.rotation_file(work.folder))
    return work.trained.train(work, place, clip)


def examine(
    work: Work,
    clip: Clip,
    place: Place,
    model: Clip,
    subspace: Subspace,
    on_step: Callable[[], object] = lambda: None,
) -> ChosenControls:
    """Return the controls of the chosen cell.

    Args:
        work: work of the sweep.
        clip: base model.
        place: chosen cell.
        model, subspace: results of `model_of`.
        on_step: callback after each of `steps()` steps.
    """
    base = _at(work, clip, place)
    parts = _model_parts(work, model, place, base)
    overlaps, angles, converged = {}, {}, True
    for other in other_seeds(place):
        rival = _search(work, parts, other) if work.trained is None else work.trained.train(work, other, clip)[1]
        converged &= bool(rival.facts.get("converged", True))
        if isinstance(subspace, Rotation) and isinstance(rival, Rotation):
            overlaps[other.seed] = overlap(subspace.basis, rival.basis)
            angles[other.seed] = principal_angles(subspace.basis, rival.basis).tolist()
        else:  # only bases have angles
            overlaps[other.seed], angles[other.seed] = math.nan, []
        on_step()
    negatives = {name: [pair.negative for pair in work.features.split(name).pairs] for name in parts}
    arbitrary = _iia(work, _halves(parts, negatives), place)
    on_step()
    random_weights = _at(work, untrained(clip, place.seed), place)
    untrained_iia = _iia(work, random_weights, place)
    on_step()
    objective, edit = "", None
    if work.trained is not None:
        objective = work.trained.objective
        edit = work.trained.edit_controls(work, clip, place, _halves(base, negatives), random_weights)
    return ChosenControls(
        place, overlaps, subspace.size / subspace.width, arbitrary, untrained_iia, converged, angles, objective, edit
    )


def other_seeds(place: Place) -> list[Place]:
    """Return the places with other seeds, at which a search or training is repeated to compare its subspaces."""
    return [place._replace(seed=place.seed + more + 1) for more in range(_MORE_SEEDS)]


def steps() -> int:
    """Return the number of steps of `examine`."""
    return _MORE_SEEDS + 2


def _at(work: Work, clip: Clip, place: Place) -> Parts:
    """Run a model on all pairs, and return the pairs of each split at the layer of a cell."""
    site = Site("text", place.layer)
    return parts_at(work, pair_run(clip, work.features, [site]), site)


def _model_parts(work: Work, model: Clip, place: Place, base: Parts) -> Parts:
    """Return the pairs of each split in the model of a cell, given the pairs in the base."""
    if work.trained is None:
        return base
    if work.trained.objective == EDIT:
        edit, _ = work.trained.edit(work, place)
        return {name: edited_part(part, edit) for name, part in base.items()}
    return _at(work, model, place)


def _halves(parts: Parts, negatives: Mapping[str, Sequence[str]]) -> Parts:
    """Return the pairs of each split with an arbitrary label.

    Args:
        parts: pairs of each split.
        negatives: negative texts of each split.
    """
    return {name: replace(part, pairs=alphabetical_halves(part.pairs, negatives[name])) for name, part in parts.items()}


def _search(work: Work, parts: Parts, place: Place) -> Subspace:
    """Search the subspace of a place."""
    (subspace,) = search_sizes(work, parts, [place.size], place.seed)
    return subspace


def _iia(work: Work, parts: Parts, place: Place) -> Estimate:
    """Return the IIA of the subspace that a search finds; NaN if a split has too few pairs for a search."""
    if min(map(len, parts.values())) < LEAST:
        return Estimate(math.nan, 0)
    subspace = _search(work, parts, place)
    return mean_iia([align(parts["test"], subspace, sources="random", seed=place.seed)])
