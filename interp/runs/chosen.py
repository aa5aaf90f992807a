"""What only the chosen cell of a sweep is examined for, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from interp.runs.content import Real, Whole
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate

FILE = "chosen.json"
MEND = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class Chosen:
    """Controls of the chosen cell that take searches of their own.

    Attributes:
        place: of the cell.
        objective: objective of the model that was trained there; empty of a search on the frozen model.
        overlaps: seed -> the overlap of its subspace with that of the cell, from 0 (orthogonal) to 1 (the same).
        chance: the overlap of two random subspaces of that size.
        arbitrary: IIA of the same search for an arbitrary label.
        untrained: IIA of the same search for the same distinction in a text tower with random weights.
        converged: whether the searches with other seeds have converged.
        angles: seed -> the principal angles between its subspace and that of the cell, in degrees, ascending.
    """

    place: Place
    overlaps: Mapping[int, float]
    chance: float
    arbitrary: Estimate
    untrained: Estimate
    converged: bool
    angles: Mapping[int, Sequence[float]]
    objective: str = ""


class _ChosenFile(TypedDict):
    cell: Place
    objective: str
    overlaps: dict[int, Real]
    angles: dict[int, list[Real]]
    converged: bool
    chance: Real
    arbitrary: _Share
    untrained: _Share


class _Share(TypedDict):
    value: Real
    n: Whole
    low: Real
    high: Real


def keep_chosen(folder: RunFolder, chosen: Chosen) -> None:
    """Write the file."""
    content = {"cell": chosen.place._asdict(), "arbitrary": vars(chosen.arbitrary), "untrained": vars(chosen.untrained)}
    own = {name: getattr(chosen, name) for name in ("objective", "overlaps", "angles", "converged", "chance")}
    folder.write_file(FILE, content | own)


def read_chosen(folder: RunFolder) -> Chosen | None:
    """What `keep_chosen` wrote; None, if there is none.

    Raises:
        StoreError: the file holds something else.
    """
    found = folder.read_file(FILE, _ChosenFile, MEND)
    if found is None:
        return None
    arbitrary, untrained = Estimate(**found["arbitrary"]), Estimate(**found["untrained"])
    rest = found["converged"], found["angles"], found["objective"]
    return Chosen(found["cell"], found["overlaps"], found["chance"], arbitrary, untrained, *rest)
