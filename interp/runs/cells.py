"""What the files of a sweep's cells hold, as it is read. No torch."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from interp.measures import MEASURED
from interp.runs.content import Real, Whole
from interp.runs.files import StoreError
from interp.runs.folder import CELLS, RunFolder
from interp.runs.place import Place

MEND = "remove the file and run the sweep that made it again"


class CellPlace(TypedDict):
    """Where a cell stands in the grid."""

    layer: Whole
    block: Whole
    size: Whole
    seed: Whole


class Swap(TypedDict):
    """What becomes of a text's score when Z is taken from another text."""

    source_pair: NotRequired[Whole]
    source: str
    base: Real
    counterfactual: Real


class CellText(TypedDict):
    """A text that is shown, with the attribution of each word by route."""

    kind: str
    pair: Whole
    words: list[str]
    score: Real
    baseline_score: NotRequired[Real]  # a run of version 0.1 did not keep it
    swap: Swap
    through: list[Real]
    around: list[Real]
    full: list[Real]


def _a_number_for_each_word(text: CellText) -> CellText:
    if {len(text["through"]), len(text["around"]), len(text["full"])} != {len(text["words"])}:
        raise ValueError("a text with a number for each word on every route")
    return text


WordTable = dict[str, tuple[Real, Whole]]  # word type -> mean attribution, and how often it occurs


def _the_same_words(words: dict[str, WordTable]) -> dict[str, WordTable]:
    if words and any(words.get(route, {}).keys() != words.get("full", {}).keys() for route in MEASURED):
        raise ValueError(f"a table of the same words for each of {', '.join(MEASURED)}")
    return words


class Shown(TypedDict, total=False):
    """What a cell keeps of a model to be looked at; a run of version 0.1 kept nothing."""

    words: Annotated[dict[str, WordTable], AfterValidator(_the_same_words)]
    examples: list[Annotated[CellText, AfterValidator(_a_number_for_each_word)]]


class Cell(Shown):
    """Cell of a sweep.

    Attributes:
        articles: word type -> number of the article of each occurrence; the same texts are attributed in every cell.
        tuned: words and examples of the model that was fine-tuned at the cell.
    """

    cell: CellPlace
    measures: dict[str, Real]
    articles: NotRequired[dict[str, list[Whole]]]
    tuned: NotRequired[Shown]


class SweepSettings(TypedDict, total=False):
    """What the numbers of a sweep depend on; older runs say less."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    kind: str
    model: str | None
    data: str | None
    device: str | None
    sources: str | None
    objective: str | None
    controls: str | None
    pairs: Whole | None
    contrast: list[str] | None
    methods: list[Annotated[list[str], Field(min_length=3, max_length=3)]] | None


class Machine(TypedDict, total=False):
    """Of what kind it was."""

    system: str | None
    cpus: Whole | None


class SweepManifest(TypedDict, total=False):
    """What the manifest of a sweep says; older runs say less."""

    settings: SweepSettings
    started: str | None
    finished: str | None
    seconds: Real
    command: str | None
    python: str | None
    git: str | None
    truncated: str | None
    wordless: str | None
    notes: list[str] | None
    cells: list[str] | None
    resumed: list[Any] | None
    arguments: dict[str, Any] | None
    versions: dict[str, str | None] | None
    machine: Machine | None
    norm_sources: dict[str, str] | None


def read_cell(folder: RunFolder, place: Place) -> Cell | None:
    """What the file of a cell holds; None, if there is none.

    Raises:
        StoreError: it is damaged, was changed, or holds another cell.
    """
    found = folder.read(place.name, Cell, MEND)
    if found is not None and (there := Place.of(found["cell"])) != place:
        raise StoreError(f"'{folder.cell_path(place.name)}' holds the cell {there.name}; {MEND}")
    return found


def places(folder: RunFolder) -> tuple[list[Place], list[str]]:
    """The cells that have a file, sorted; and the names of files among them that are of no cell."""
    cells, strays = [], []
    for path in sorted(folder.path.glob(f"{CELLS}/[!.]*")):
        place = Place.parse(path.stem) if path.suffix == ".json" else None
        if place is None:
            strays.append(f"{CELLS}/{path.name}")
        else:
            cells.append(place)
    return cells, strays
