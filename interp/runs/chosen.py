"""Examination of the chosen cell of a sweep, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from interp.runs.content import Real, Whole
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate

MEND = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class EditControls:
    """Preferences that an edit of the chosen cell must be above to show anything about descriptions and images.

    Attributes:
        arbitrary: of the same edit trained for an arbitrary label, for that label.
        untrained: of the same edit trained in a text tower with random weights.
        words: of a naive Bayes classifier of word counts, which sees no image.
        read_angles: seed -> the principal angles between the directions of the stream that its edit reads and those
            that the edit of the cell reads, in degrees, ascending.
        read_chance: mean squared cosine of the angles between two random subspaces of that size.
    """

    arbitrary: Estimate
    untrained: Estimate
    words: Estimate
    read_angles: Mapping[int, Sequence[float]]
    read_chance: float


@dataclass(frozen=True)
class Chosen:
    """Controls of the chosen cell that take searches of their own.

    Attributes:
        place: of the cell.
        objective: objective of the model that was trained there; empty of a search on the frozen model.
        edit: controls of an edit, if the model there is edited.
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
    """Return the name of the file: each objective by which a sweep trains models has its own."""
    return f"chosen-{objective}.json" if objective else "chosen.json"


def keep_chosen(folder: RunFolder, chosen: Chosen) -> None:
    """Write the file."""
    content = {"cell": chosen.place._asdict(), "arbitrary": vars(chosen.arbitrary), "untrained": vars(chosen.untrained)}
    own = {name: getattr(chosen, name) for name in ("objective", "overlaps", "angles", "converged", "chance")}
    edit = chosen.edit and {
        **{name: vars(getattr(chosen.edit, name)) for name in ("arbitrary", "untrained", "words")},
        **{name: getattr(chosen.edit, name) for name in ("read_angles", "read_chance")},
    }
    folder.write_file(chosen_file(chosen.objective), content | own | {"edit": edit})


def read_chosen(folder: RunFolder, objective: str = "") -> Chosen | None:
    """Read what `keep_chosen` wrote of the models that were trained by an objective; None, if there is none.

    Raises:
        StoreError: the file holds something else.
    """
    found = folder.read_file(chosen_file(objective), _ChosenFile, MEND)
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
    return Chosen(found["cell"], found["overlaps"], found["chance"], arbitrary, untrained, *rest)
