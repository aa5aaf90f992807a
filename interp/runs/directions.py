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
PICTURES = "directions"  # folder of the pictures
LEAST_TEXTS, LEAST_ARTICLES = 5, 3  # least numbers of texts and articles with a listed word
REMEDY = "remove the file and run the same sweep again"


@dataclass(frozen=True)
class EndText:
    """Text at an end of a direction.

    Attributes:
        kind: name of the text's kind in the contrast.
        text: the text itself.
        value: value along the direction minus the mean of all texts, in standard deviations of all texts.
        pair: id of the text's pair.
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
        difference: mean value of the texts with the word minus the mean value of all other texts, in standard
            deviations of all texts.
        texts: number of texts with the word.
    """

    word: str
    difference: Real
    texts: Whole


@dataclass(frozen=True)
class End:
    """End of a direction, with texts and words from the outermost inwards."""

    texts: tuple[EndText, ...]
    words: tuple[EndWord, ...]


@dataclass(frozen=True)
class LeadingDirection:
    """Leading direction of a subspace Z.

    Attributes:
        title: method that gave the direction.
        share: share of the variance of the texts' streams within Z.
        auc: probability that a positive text lies above a negative text; NaN if undefined.
        upper, lower: ends of the direction; positive texts tend to the upper end.
    """

    title: str
    share: Real
    auc: Real
    upper: End
    lower: End

    @property
    def summary(self) -> str:
        """Share and AUC as a phrase."""
        share = written(100 * self.share, ".1f")
        return f"{share}\N{NO-BREAK SPACE}% of the variance in Z, AUC {written(self.auc, '.2f')}"

    @property
    def ends(self) -> tuple[End, End]:
        """Upper end, then lower end."""
        return self.upper, self.lower


@dataclass(frozen=True)
class Directions:
    """Leading directions in a run folder, with the pairs at their ends.

    Attributes:
        place: place of the cell.
        objective: objective of the model trained at the cell; empty for a search on the frozen model.
        leading: leading directions.
        shown: id -> pair, for each pair with a text at an end.
    """

    place: Place
    objective: str
    leading: tuple[LeadingDirection, ...]
    shown: Mapping[str, Example]


def pairs_at_ends(leading: Iterable[LeadingDirection]) -> list[str]:
    """Return the ids of the pairs with a text at an end, without duplicates."""
    return list(dict.fromkeys(text.pair for direction in leading for end in direction.ends for text in end.texts))


def keep_directions(
    folder: RunFolder, place: Place, objective: str, leading: tuple[LeadingDirection, ...], pairs: PairSet
) -> None:
    """Write the file, and small pictures of the pairs with a text at an end.

    Raises:
        DataError: a picture cannot be opened.
    """
    by_id = {pair.id: pair for pair in pairs.pairs}
    kept = keep_pictures(folder, pairs, [by_id[name] for name in pairs_at_ends(leading)], PICTURES)
    content = {
        "cell": place._asdict(),
        "objective": objective,
        "directions": [asdict(direction) for direction in leading],
        "pairs": [asdict(example) for example in kept],
    }
    folder.write_file(FILE, content)


class _DirectionsFile(TypedDict):
    """Content of the file of directions."""

    cell: Place
    objective: str
    directions: tuple[LeadingDirection, ...]
    pairs: list[Example]


def with_pictures(folder: RunFolder) -> Directions | None:
    """Return `read_directions` if all pictures are present and unchanged; return None if a picture is missing.

    Raises:
        StoreError: the file or a picture was changed.
    """
    kept = read_directions(folder)
    whole = kept is not None and all(read_picture(folder, pair, PICTURES) is not None for pair in kept.shown.values())
    return kept if whole else None


def read_directions(folder: RunFolder) -> Directions | None:
    """Read the directions that `keep_directions` wrote; return None if there is no file.

    Raises:
        StoreError: the file has other content.
    """
    content = folder.read_file(FILE, _DirectionsFile, REMEDY)
    if content is None:
        return None
    shown = {pair.id: pair for pair in content["pairs"]}
    if lost := set(pairs_at_ends(content["directions"])) - set(shown):
        raise StoreError(f"'{folder.path / FILE}' has a text of the pair {min(lost)!r}, but not the pair; {REMEDY}")
    return Directions(content["cell"], content["objective"], content["directions"], shown)
