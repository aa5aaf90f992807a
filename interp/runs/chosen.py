"""What only the chosen cell of a sweep is examined for, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, to_json
from interp.runs.place import Place
from interp.runs.values import Found
from interp.stats import Estimate

FILE = "chosen.json"
MEND = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class Chosen:
    """Controls of the chosen cell that take searches of their own.

    Attributes:
        place: of the cell.
        overlaps: seed -> the overlap of its subspace with that of the cell, from 0 (orthogonal) to 1 (the same).
        chance: the overlap of two random subspaces of that size.
        arbitrary: IIA of the same search for an arbitrary label.
        untrained: IIA of the same search for the same distinction in a text tower with random weights.
        angles: seed -> the principal angles between its subspace and that of the cell, in degrees, ascending; a run of
            an earlier version did not keep them.
    """

    place: Place
    overlaps: Mapping[int, float]
    chance: float
    arbitrary: Estimate
    untrained: Estimate
    angles: Mapping[int, Sequence[float]] = field(default_factory=dict)


def keep_chosen(folder: RunFolder, chosen: Chosen) -> None:
    """Write the file."""
    content = {
        "cell": chosen.place._asdict(), "overlaps": {str(seed): one for seed, one in chosen.overlaps.items()},
        "angles": {str(seed): list(each) for seed, each in chosen.angles.items()}, "chance": chosen.chance,
        "arbitrary": vars(chosen.arbitrary), "untrained": vars(chosen.untrained),
    }  # fmt: skip
    write_atomic(folder.path / FILE, to_json(content))


def read_chosen(folder: RunFolder) -> Chosen | None:
    """What `keep_chosen` wrote; None, if there is none.

    Raises:
        StoreError: the file holds something else.
    """
    whole = Found.read(folder.path / FILE, MEND)
    if whole is None:
        return None
    return Chosen(
        whole.need("cell").place(),
        {_seed(whole, seed): found.number() for seed, found in whole.need("overlaps").items()},
        whole.need("chance").number(), _estimate(whole.need("arbitrary")), _estimate(whole.need("untrained")),
        {_seed(whole, seed): [one.number() for one in found.each()] for seed, found in whole.get("angles").items()},
    )  # fmt: skip


def _seed(whole: Found, text: str) -> int:
    if not text.isdecimal():
        raise whole.need("overlaps").wrong("a mapping of seeds to overlaps, and to angles")
    return int(text)


def _estimate(found: Found) -> Estimate:
    value, low, high = (found.need(name).number() for name in ("value", "low", "high"))
    return Estimate(value, found.need("n").whole(), low, high)
