"""Check of the finished cells of a sweep: cell and subspace must exist, be unchanged, and belong to the run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from interp.runs.cells import places as cells_of
from interp.runs.cells import read_cell, read_trained
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.kinds import load_subspace
from interp.subspaces.rotation import RotationError
from interp.subspaces.subspace import Subspace


def unfinished(
    folder: RunFolder, places: Iterable[Place], objective: str | None = None
) -> tuple[list[Place], list[str]]:
    """Return the cells that must be computed, and faults of unusable files.

    Args:
        folder: run folder.
        places: cells of the sweep.
        objective: objective of the models that are trained with the search at each cell; None without models.
    """
    missing, faults = [], []
    for place in places:
        try:
            cell = read_cell(folder, place)
            if cell is not None:
                kept_subspace(folder, place)
                if objective is None or read_trained(folder, objective, place) is not None:
                    continue
        except StoreError as error:
            faults.append(error.fault)
        except RotationError as error:
            faults.append(str(error))
        missing.append(place)
    return missing, faults


def untrained(folder: RunFolder, places: Iterable[Place], objective: str) -> tuple[list[Place], list[str]]:
    """Return the cells without a model that was trained by an objective, and faults of unusable files."""
    missing, faults = [], []
    for place in places:
        try:
            if read_trained(folder, objective, place) is not None:
                continue
        except StoreError as error:
            faults.append(error.fault)
        missing.append(place)
    return missing, faults


def check_others(folder: RunFolder, places: Iterable[Place]) -> None:
    """Raise `StoreError` for unusable cells that this command does not compute.

    The check precedes hours of computation, because no page can show the results next to an unusable cell.
    """
    others = sorted(set(cells_of(folder)[0]) - set(places))
    for place in others:
        try:
            read_cell(folder, place)
        except StoreError as error:
            raise StoreError(
                f"{error.fault}; remove that file, or include layer {place.layer}, size {place.size} and seed "
                f"{place.seed} in the sweep"
            ) from error


def keep_subspace(folder: RunFolder, place: Place, subspace: Subspace, sizes: Sequence[int]) -> None:
    """Save the subspace of a cell, with the place of the cell and the fingerprint of the run.

    Args:
        folder: run folder.
        place: cell.
        subspace: subspace of the cell.
        sizes: sizes that were searched together; they affect the last digits of the subspace.
    """
    facts = {"cell": place._asdict(), "run": folder.fingerprint, "searched_sizes": list(sizes)}
    subspace.with_facts({**subspace.facts, **facts}).save(place.rotation_file(folder.path))


def kept_subspace(folder: RunFolder, place: Place) -> Subspace:
    """Read the subspace that `keep_subspace` saved.

    Raises:
        RotationError: the subspace is missing, was changed, or belongs to another cell or run.
    """
    path = place.rotation_file(folder.path)
    subspace = load_subspace(path)
    origin = subspace.facts.get("cell"), subspace.facts.get("run"), subspace.site.layer
    if origin != (place._asdict(), folder.fingerprint, place.layer):
        raise RotationError(f"'{path}' is the subspace of another cell or run")
    return subspace


def searched_otherwise(folder: RunFolder, places: Iterable[Place], sizes: Sequence[int]) -> list[str]:
    """Return a note about cells whose rotations were searched together with sizes other than the given sizes."""
    others = [place for place in places if kept_subspace(folder, place).facts.get("searched_sizes") != list(sizes)]
    if not others:
        return []
    names = ", ".join(place.name for place in others[:3]) + (" and more" if len(others) > 3 else "")
    return [
        f"rotations of {len(others)} cells were searched together with other sizes than this command has ({names}); "
        "their last digits can differ from a sweep that searches all sizes at once"
    ]
