"""Leading directions of the subspace of a sweep's chosen cell, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from interp.measures.schema import written
from interp.runs.content import Real, Whole
from interp.runs.examples import Example, keep_pictures, read_picture
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place

if TYPE_CHECKING:
    from interp.data.pairs import PairSet

FILE = "directions.json"
PICTURES = "directions"  # folder of their pictures
LEAST_TEXTS, LEAST_ARTICLES = 5, 3  # that must hold a word for it to be listed
REMEDY = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class EndText:
    """Text at an end of a direction.

    Attributes:
        kind: name of the text's kind in the contrast.
        value: value along the direction, relative to the mean of all texts, in their standard deviations.
        pair: id of the pair that the text belongs to.
    """

    kind: str
    text: str
    value: Real
    pair: str


@dataclass(frozen=True)
class EndWord:
    """Word type at an end of a direction.

    Attributes:
        word: word in lower case.
        difference: mean value of the texts that hold the word minus that of all others, in standard deviations of all
            texts.
        texts: number of texts that hold the word.
    """

    word: str
    difference: Real
    texts: Whole


@dataclass(frozen=True)
class End:
    """End of a direction; the furthest texts and words come first."""

    texts: tuple[EndText, ...]
    words: tuple[EndWord, ...]


@dataclass(frozen=True)
class LeadingDirection:
    """Leading direction of a subspace Z.

    Attributes:
        title: way in which the direction was found.
        share: share of the variance of the texts' streams within Z.
        auc: probability that a positive text lies above a negative one; NaN where it cannot be estimated.
        upper, lower: ends of the direction; positive texts tend to the upper end.
    """

    title: str
    share: Real
    auc: Real
    upper: End
    lower: End

    @property
    def summary(self) -> str:
        """Share and AUC in words."""
        share = written(100 * self.share, ".1f")
        return f"{share}\N{NO-BREAK SPACE}% of the variance in Z, AUC {written(self.auc, '.2f')}"

    @property
    def ends(self) -> tuple[End, End]:
        """Upper end, lower end."""
        return self.upper, self.lower


@dataclass(frozen=True)
class Directions:
    """Leading directions in a run folder, with the pairs at their ends.

    Attributes:
        place: place of the cell.
        objective: objective of the model that was trained there; empty for a search on the frozen model.
        shown: id -> pair, for each pair with a text at an end.
    """

    place: Place
    objective: str
    leading: tuple[LeadingDirection, ...]
    shown: Mapping[str, Example]


def pairs_at_ends(leading: Iterable[LeadingDirection]) -> list[str]:
    """Return the ids of the pairs with a text at an end, without duplicates."""
    return list(dict.fromkeys(text.pair for one in leading for end in one.ends for text in end.texts))


def keep_directions(
    folder: RunFolder, place: Place, objective: str, leading: tuple[LeadingDirection, ...], pairs: PairSet
) -> None:
    """Write the file, and small pictures of the pairs with a text at an end.

    Raises:
        DataError: a picture cannot be opened.
    """
    known = {pair.id: pair for pair in pairs.pairs}
    kept = keep_pictures(folder, pairs, [known[name] for name in pairs_at_ends(leading)], PICTURES)
    content = {
        "cell": place._asdict(),
        "objective": objective,
        "directions": [asdict(one) for one in leading],
        "pairs": [asdict(example) for example in kept],
    }
    folder.write_file(FILE, content)


class _DirectionsFile(TypedDict):
    cell: Place
    objective: str
    directions: tuple[LeadingDirection, ...]
    pairs: list[Example]


def with_pictures(folder: RunFolder) -> Directions | None:
    """Return `read_directions` if all pictures are present and unchanged; return None if a picture is missing.

    Raises:
        StoreError: the file or a picture was changed.
    """
    found = read_directions(folder)
    whole = found is not None and all(read_picture(folder, one, PICTURES) is not None for one in found.shown.values())
    return found if whole else None


def read_directions(folder: RunFolder) -> Directions | None:
    """Read the directions that `keep_directions` wrote; return None if there are none.

    Raises:
        StoreError: the file holds something else.
    """
    found = folder.read_file(FILE, _DirectionsFile, REMEDY)
    if found is None:
        return None
    shown = {one.id: one for one in found["pairs"]}
    if lost := set(pairs_at_ends(found["directions"])) - set(shown):
        raise StoreError(f"'{folder.path / FILE}' lacks the pair {sorted(lost)[0]!r} that it shows; {REMEDY}")
    return Directions(found["cell"], found["objective"], found["directions"], shown)
