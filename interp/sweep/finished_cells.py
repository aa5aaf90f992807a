"""Check for finished cells of a sweep: a cell and its subspace must exist, be unchanged, and belong to this run."""

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
        objective: objective of the models that are trained together with the search at each cell; None for no models.
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
    """Return the cells at which no model was trained by an objective, and faults of unusable files."""
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

    The check comes before hours of computation whose results could not be shown together with an unusable cell.
    """
    others = sorted(set(cells_of(folder)[0]) - set(places))
    for place in others:
        try:
            read_cell(folder, place)
        except StoreError as error:
            raise StoreError(
                f"{error.fault}; remove that file, or ask for layer {place.layer}, size {place.size} and seed "
                f"{place.seed} too"
            ) from error


def keep_subspace(folder: RunFolder, place: Place, subspace: Subspace, sizes: Sequence[int]) -> None:
    """Save the subspace of a cell, with the cell and the run that it belongs to.

    Args:
        folder: run folder.
        place: cell.
        subspace: subspace of the cell.
        sizes: sizes that were searched together, which affects the last digits of the subspace.
    """
    facts = {"cell": place._asdict(), "run": folder.fingerprint, "searched_sizes": list(sizes)}
    subspace.with_facts({**subspace.facts, **facts}).save(place.rotation_file(folder.path))


def kept_subspace(folder: RunFolder, place: Place) -> Subspace:
    """Read the subspace that `keep_subspace` saved.

    Raises:
        RotationError: there is none, it was changed, or it belongs to another cell or run.
    """
    path = place.rotation_file(folder.path)
    found = load_subspace(path)
    its = found.facts.get("cell"), found.facts.get("run"), found.site.layer
    if its != (place._asdict(), folder.fingerprint, place.layer):
        raise RotationError(f"'{path}' is the subspace of another cell or run")
    return found


def searched_otherwise(folder: RunFolder, places: Iterable[Place], sizes: Sequence[int]) -> list[str]:
    """Return a note on cells whose rotations were searched together with other sizes than the given ones, if any."""
    others = [place for place in places if kept_subspace(folder, place).facts.get("searched_sizes") != list(sizes)]
    if not others:
        return []
    names = ", ".join(place.name for place in others[:3]) + (" and more" if len(others) > 3 else "")
    return [
        f"rotations were searched beside other sizes than this command names ({len(others)}: {names}); their last "
        "digits can differ from those of a sweep that searches all of these at once"
    ]
