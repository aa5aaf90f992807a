"""Examination of the chosen cell of a sweep, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from interp.runs.content import Real, Whole
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate

REMEDY = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class EditControls:
    """Preferences that an edit of the chosen cell must exceed to show anything about descriptions and images.

    Attributes:
        arbitrary: preference of the same edit trained for an arbitrary label, for that label.
        untrained: preference of the same edit trained in a text tower with random weights.
        words: preference of a naive Bayes classifier of word counts, which sees no image.
        read_angles: seed -> principal angles between the directions of the stream that the edit with this seed reads
            and the directions that the edit of the cell reads, in degrees, ascending.
        read_chance: mean squared cosine of the angles between two random subspaces of that size.
    """

    arbitrary: Estimate
    untrained: Estimate
    words: Estimate
    read_angles: Mapping[int, Sequence[float]]
    read_chance: float


@dataclass(frozen=True)
class ChosenControls:
    """Controls of the chosen cell that need their own searches.

    Attributes:
        place: place of the cell.
        objective: objective of the model that was trained there; empty for a search on the frozen model.
        edit: controls of an edit, if the model there is edited.
        overlaps: seed -> overlap of its subspace with that of the cell, from 0 (orthogonal) to 1 (the same).
        chance: overlap of two random subspaces of that size.
        arbitrary: IIA of the same search for an arbitrary label.
        untrained: IIA of the same search for the same distinction in a text tower with random weights.
        converged: True if the searches with other seeds have converged.
        angles: seed -> principal angles between its subspace and that of the cell, in degrees, ascending.
    """

    place: Place
    overlaps: Mapping[int, float]
    chance: float
    arbitrary: Estimate
    untrained: Estimate
    converged: bool
    angles: Mapping[int, Sequence[float]]
    objective: str = ""
    edit: EditControls | None = None


class _ChosenFile(TypedDict):
    cell: Place
    objective: str
    overlaps: dict[int, Real]
    angles: dict[int, list[Real]]
    converged: bool
    chance: Real
    arbitrary: _Share
    untrained: _Share
    edit: _EditFile | None


class _EditFile(TypedDict):
    arbitrary: _Share
    untrained: _Share
    words: _Share
    read_angles: dict[int, list[Real]]
    read_chance: Real


class _Share(TypedDict):
    value: Real
    n: Whole
    low: Real
    high: Real


def chosen_file(objective: str) -> str:
    """Return the name of the file; each training objective of a sweep has its own file."""
    return f"chosen-{objective}.json" if objective else "chosen.json"


def keep_chosen(folder: RunFolder, chosen: ChosenControls) -> None:
    """Write the examination of the chosen cell to its file."""
    content = {"cell": chosen.place._asdict(), "arbitrary": vars(chosen.arbitrary), "untrained": vars(chosen.untrained)}
    own = {name: getattr(chosen, name) for name in ("objective", "overlaps", "angles", "converged", "chance")}
    edit = chosen.edit and {
        **{name: vars(getattr(chosen.edit, name)) for name in ("arbitrary", "untrained", "words")},
        **{name: getattr(chosen.edit, name) for name in ("read_angles", "read_chance")},
    }
    folder.write_file(chosen_file(chosen.objective), content | own | {"edit": edit})


def read_chosen(folder: RunFolder, objective: str = "") -> ChosenControls | None:
    """Read the examination that `keep_chosen` wrote for a training objective; return None if there is none.

    Raises:
        StoreError: the file holds something else.
    """
    found = folder.read_file(chosen_file(objective), _ChosenFile, REMEDY)
    if found is None:
        return None
    arbitrary, untrained, known = Estimate(**found["arbitrary"]), Estimate(**found["untrained"]), found["edit"]
    edit = known and EditControls(
        Estimate(**known["arbitrary"]),
        Estimate(**known["untrained"]),
        Estimate(**known["words"]),
        known["read_angles"],
        known["read_chance"],
    )
    rest = found["converged"], found["angles"], found["objective"], edit
    return ChosenControls(found["cell"], found["overlaps"], found["chance"], arbitrary, untrained, *rest)
