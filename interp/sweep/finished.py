"""Which cells of a sweep are done: they and their subspaces are there, as they were written, and of this run."""

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
    """Return the cells that are to be computed, and faults of files that are there and cannot be used.

    Args:
        objective: by which a model is trained together with the search at each cell, if one is.
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
    """Return the cells at which no model was trained by an objective, and faults of files that cannot be used."""
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
    """Raise `StoreError` for cells that are there, cannot be used, and are not asked for, so that nothing computes them
    again: before hours are spent on what cannot be shown beside them."""
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
    """Save the subspace of a cell, with what it belongs to.

    Args:
        sizes: sizes that were searched beside each other, which changes the last digits of what is found.
    """
    facts = {"cell": place._asdict(), "run": folder.fingerprint, "searched_sizes": list(sizes)}
    subspace.with_facts({**subspace.facts, **facts}).save(place.rotation_file(folder.path))


def kept_subspace(folder: RunFolder, place: Place) -> Subspace:
    """Read what `keep_subspace` saved.

    Raises:
        RotationError: there is none, it was changed, or it is of another cell or run.
    """
    path = place.rotation_file(folder.path)
    found = load_subspace(path)
    its = found.facts.get("cell"), found.facts.get("run"), found.site.layer
    if its != (place._asdict(), folder.fingerprint, place.layer):
        raise RotationError(f"'{path}' is the subspace of another cell or run")
    return found


def searched_otherwise(folder: RunFolder, places: Iterable[Place], sizes: Sequence[int]) -> list[str]:
    """A sentence about cells whose rotations were searched beside other sizes than those that are asked for now, if
    there are any."""
    others = [place for place in places if kept_subspace(folder, place).facts.get("searched_sizes") != list(sizes)]
    if not others:
        return []
    names = ", ".join(place.name for place in others[:3]) + (" and more" if len(others) > 3 else "")
    return [
        f"rotations were searched beside other sizes than this command names ({len(others)}: {names}); their last "
        "digits can differ from those of a sweep that searches all of these at once"
    ]
