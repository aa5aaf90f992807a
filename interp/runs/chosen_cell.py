"""Controls of the chosen cell of a sweep, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from interp.runs.content import Real, Whole
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate

REMEDY = "remove the file and run the same sweep again"


@dataclass(frozen=True)
class EditControls:
    """Preferences that an edit of the chosen cell must exceed as evidence about descriptions and images.

    Attributes:
        arbitrary: preference for an arbitrary label, after a training of the edit for that label.
        untrained: preference after a training of the edit in a text tower with random weights.
        words: preference of a naive Bayes classifier of word counts, which does not see images.
        read_angles: seed -> principal angles in degrees, ascending, between the directions of the stream that the edit
            with this seed reads and the directions that the edit of the cell reads.
        read_chance: mean squared cosine of the angles between two random subspaces of equal size.
    """

    arbitrary: Estimate
    untrained: Estimate
    words: Estimate
    read_angles: Mapping[int, Sequence[float]]
    read_chance: float


@dataclass(frozen=True)
class ChosenControls:
    """Controls of the chosen cell that need further searches.

    Attributes:
        place: place of the cell.
        overlaps: seed -> overlap of the seed's subspace with the cell's subspace, from 0 (orthogonal) to 1 (identical).
        chance: overlap of two random subspaces of equal size.
        arbitrary: IIA of a search for an arbitrary label.
        untrained: IIA of a search for the kinds in a text tower with random weights.
        converged: True if the searches with other seeds have converged.
        angles: seed -> principal angles in degrees, ascending, between the seed's and the cell's subspace.
        objective: objective of the model trained at the cell; empty for a search on the frozen model.
        edit: controls of an edit; None if the model at the cell is not edited.
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
    """Return the name of the file for a training objective of a sweep."""
    return f"chosen-{objective}.json" if objective else "chosen.json"


def keep_chosen(folder: RunFolder, chosen: ChosenControls) -> None:
    """Write the controls of the chosen cell to their file."""
    content = {"cell": chosen.place._asdict(), "arbitrary": vars(chosen.arbitrary), "untrained": vars(chosen.untrained)}
    plain = {name: getattr(chosen, name) for name in ("objective", "overlaps", "angles", "converged", "chance")}
    edit = chosen.edit and {
        **{name: vars(getattr(chosen.edit, name)) for name in ("arbitrary", "untrained", "words")},
        **{name: getattr(chosen.edit, name) for name in ("read_angles", "read_chance")},
    }
    folder.write_file(chosen_file(chosen.objective), content | plain | {"edit": edit})


def read_chosen(folder: RunFolder, objective: str = "") -> ChosenControls | None:
    """Read the controls that `keep_chosen` wrote for a training objective; return None if there is no file.

    Raises:
        StoreError: the file has other content.
    """
    content = folder.read_file(chosen_file(objective), _ChosenFile, REMEDY)
    if content is None:
        return None
    arbitrary, untrained, stored = Estimate(**content["arbitrary"]), Estimate(**content["untrained"]), content["edit"]
    edit = stored and EditControls(
        Estimate(**stored["arbitrary"]),
        Estimate(**stored["untrained"]),
        Estimate(**stored["words"]),
        stored["read_angles"],
        stored["read_chance"],
    )
    rest = content["converged"], content["angles"], content["objective"], edit
    return ChosenControls(content["cell"], content["overlaps"], content["chance"], arbitrary, untrained, *rest)
