"""The leading directions of the subspace of a sweep's chosen cell, kept in the run folder. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from interp.runs.examples import Example, keep_pictures
from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, to_json
from interp.runs.place import Place
from interp.runs.values import Found
from interp.schema import written

if TYPE_CHECKING:
    from interp.data.pairs import PairSet

FILE = "directions.json"
PICTURES = "directions"  # the folder of their pictures
LEAST_TEXTS, LEAST_ARTICLES = 5, 3  # that hold a word which is named
MEND = "remove the file, and run the sweep that made it again"


@dataclass(frozen=True)
class EndText:
    """A text at an end of a direction.

    Attributes:
        kind: what the contrast calls texts like it.
        value: along the direction, from the mean of all texts, in their standard deviations.
        pair: id of the pair that it belongs to.
    """

    kind: str
    text: str
    value: float
    pair: str


@dataclass(frozen=True)
class EndWord:
    """A word type at an end of a direction.

    Attributes:
        word: in lower case.
        difference: mean value of the texts that hold it minus that of all others, in standard deviations of all texts.
        texts: how many hold it.
    """

    word: str
    difference: float
    texts: int


@dataclass(frozen=True)
class End:
    """An end of a direction; what lies furthest out comes first."""

    texts: tuple[EndText, ...]
    words: tuple[EndWord, ...]


@dataclass(frozen=True)
class Leading:
    """A leading direction of a subspace Z.

    Attributes:
        title: how it was found.
        share: of the variance of the texts' streams within Z.
        auc: how often a positive text lies above a negative one; NaN where it cannot be estimated.
        upper, lower: its ends; positive texts tend to the upper one.
    """

    title: str
    share: float
    auc: float
    upper: End
    lower: End

    @property
    def summary(self) -> str:
        """Share and AUC in words."""
        share = written(100 * self.share, ".1f")
        return f"{share}\N{NO-BREAK SPACE}% of the variance in Z, AUC {written(self.auc, '.2f')}"

    @property
    def ends(self) -> tuple[End, End]:
        """Upper, lower."""
        return self.upper, self.lower


@dataclass(frozen=True)
class Directions:
    """What a run folder keeps of them.

    Attributes:
        place: of the cell.
        shown: id -> each pair with a text at an end.
    """

    place: Place
    leading: tuple[Leading, ...]
    shown: Mapping[str, Example]


def pairs_at_ends(leading: Iterable[Leading]) -> list[str]:
    """The ids of the pairs with a text at an end, each once."""
    return list(dict.fromkeys(text.pair for one in leading for end in one.ends for text in end.texts))


def keep_directions(folder: RunFolder, place: Place, leading: tuple[Leading, ...], pairs: PairSet) -> None:
    """Write the file, and small pictures of the pairs with a text at an end.

    Raises:
        DataError: a picture cannot be opened.
    """
    known = {pair.id: pair for pair in pairs.pairs}
    kept = keep_pictures(folder, pairs, [known[name] for name in pairs_at_ends(leading)], PICTURES)
    content = {
        "cell": place._asdict(), "directions": [asdict(one) for one in leading],
        "pairs": [asdict(example) for example in kept],
    }  # fmt: skip
    write_atomic(folder.path / FILE, to_json(content))


def read_directions(folder: RunFolder) -> Directions | None:
    """What `keep_directions` wrote; None, if there is none.

    Raises:
        StoreError: the file holds something else.
    """
    whole = Found.read(folder.path / FILE, MEND)
    if whole is None:
        return None
    shown = {example.id: example for example in _examples(whole.need("pairs"))}
    leading = tuple(_leading(one, shown) for one in whole.need("directions").each())
    return Directions(whole.need("cell").place(), leading, shown)


def _examples(found: Found) -> Iterator[Example]:
    for one in found.each():
        yield Example(*(one.need(name).text() for name in ("id", "positive", "negative", "image")))


def _leading(found: Found, shown: Mapping[str, Example]) -> Leading:
    ends = (_end(found.need(name), shown) for name in ("upper", "lower"))
    return Leading(found.need("title").text(), found.need("share").number(), found.need("auc").number(), *ends)


def _end(found: Found, shown: Mapping[str, Example]) -> End:
    texts = []
    for one in found.need("texts").each():
        pair = one.need("pair")
        if pair.text() not in shown:
            raise pair.wrong("the id of one of the pairs that are kept")
        texts.append(EndText(one.need("kind").text(), one.need("text").text(), one.need("value").number(), pair.text()))
    words = [
        EndWord(one.need("word").text(), one.need("difference").number(), one.need("texts").whole())
        for one in found.need("words").each()
    ]
    return End(tuple(texts), tuple(words))
