"""Records of the files of a sweep's cells. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, ConfigDict, Field
from typing_extensions import TypedDict

from interp.measures import MEASURED, passes
from interp.runs.content import Real, Whole
from interp.runs.files import StoreError
from interp.runs.folder import CELLS, RunFolder
from interp.runs.place import Place

TRAINED = "trained"  # folder of the measures of trained models, by objective
REMEDY = "remove the file and run the same sweep again"


class _CellPlace(TypedDict):
    """Place of a cell in the grid."""

    layer: Whole
    block: Whole
    size: Whole
    seed: Whole


class Swap(TypedDict):
    """Change of a text's score when Z is taken from another text."""

    source_pair: Whole
    source: str
    base: Real
    counterfactual: Real


class _CellText(TypedDict):
    """Displayed text, with the attribution of each word by route."""

    kind: str
    pair: Whole
    words: list[str]
    score: Real
    baseline_score: Real
    swap: Swap
    through: list[Real]
    around: list[Real]
    full: list[Real]


def _check_lengths(text: _CellText) -> _CellText:
    """Refuse a text without a number for each word on each route."""
    if {len(text["through"]), len(text["around"]), len(text["full"])} != {len(text["words"])}:
        raise ValueError("a text with a number for each word on each route")
    return text


WordTable = dict[str, tuple[Real, Whole]]  # word type -> mean attribution, and number of occurrences


def _check_words(words: dict[str, WordTable]) -> dict[str, WordTable]:
    """Refuse tables of routes with different words."""
    if words.keys() != {*MEASURED} or len({frozenset(table) for table in words.values()}) != 1:
        raise ValueError(f"a table for each of {', '.join(MEASURED)}, all with equal words")
    return words


class CellExamples(TypedDict):
    """Words and example texts of a model, which a cell keeps for display."""

    words: Annotated[dict[str, WordTable], AfterValidator(_check_words)]
    examples: list[Annotated[_CellText, AfterValidator(_check_lengths)]]


class Cell(CellExamples):
    """Search on the frozen model at a cell of a sweep.

    Attributes:
        articles: word type -> number of the article of each occurrence; all cells attribute equal texts.
    """

    cell: _CellPlace
    measures: dict[str, Real]
    articles: dict[str, list[Whole]]


class TrainedModel(CellExamples):
    """Model trained at a cell of a sweep."""

    cell: _CellPlace
    measures: dict[str, Real]


class _SweepSettings(TypedDict):
    """Settings that determine the numbers of a sweep; the manifest has more.

    Attributes:
        objective: training objective of the models; absent for a search on the frozen model.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    model: str
    data: str
    device: str
    sources: Literal["random", "paired"]
    controls: Literal["all", "none"]
    pairs: Whole
    contrast: Annotated[list[str], Field(min_length=2, max_length=2)]
    methods: Annotated[list[Annotated[list[str], Field(min_length=3, max_length=3)]], Field(min_length=1)]
    objective: NotRequired[str]


class _Machine(TypedDict):
    """Kind of the machine of a run."""

    system: str
    cpus: Whole | None


class _SweepArguments(TypedDict):
    """Arguments of a sweep that the page needs; the manifest has more."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    model: str
    data: str
    n_steps: Whole


class SweepManifest(TypedDict):
    """Manifest of a sweep; `finished`, `seconds`, `truncated` and `wordless` are added with the results."""

    settings: _SweepSettings
    started: str
    resumed: list[Any]
    versions: dict[str, str | None]
    python: str
    machine: _Machine
    git: str | None
    notes: list[str]
    cells: list[str]
    arguments: _SweepArguments
    command: str
    norm_sources: dict[str, str]
    finished: NotRequired[str]
    seconds: NotRequired[Real]
    truncated: NotRequired[str]
    wordless: NotRequired[str]


def read_cell(folder: RunFolder, place: Place) -> Cell | None:
    """Read the file of a cell; return None if there is no file.

    Raises:
        StoreError: the file is damaged, was changed, or holds another cell.
    """
    cell = folder.read(place.name, Cell, REMEDY)
    if cell is not None and (other := Place.of(cell["cell"])) != place:
        raise StoreError(f"'{folder.cell_path(place.name)}' holds the cell {other.name}, not {place.name}; {REMEDY}")
    return cell


def trained_name(objective: str, place: Place) -> str:
    """Return the name, in the run folder, of the file of a model trained at a cell."""
    return f"{TRAINED}/{objective}/{place.name}.json"


def read_trained(folder: RunFolder, objective: str, place: Place) -> TrainedModel | None:
    """Read the file of a model trained at a cell; return None if there is no file.

    Raises:
        StoreError: the file is damaged, was changed, or holds another cell.
    """
    name = trained_name(objective, place)
    model = folder.read_file(name, TrainedModel, REMEDY)
    if model is not None and (other := Place.of(model["cell"])) != place:
        raise StoreError(f"'{folder.path / name}' holds the cell {other.name}, not {place.name}; {REMEDY}")
    return model


def read_passes(folder: RunFolder, objective: str, cells: Iterable[Place]) -> dict[str, dict[Place, TrainedModel]]:
    """Read the trained models of the complete passes, in which every cell has a model.

    Args:
        folder: run folder of the sweep.
        objective: objective of the sweep; empty for a search on the frozen model.
        cells: all cells of the sweep.

    Raises:
        StoreError: a file is damaged, was changed, or holds another cell.
    """
    places = list(cells)
    trained: dict[str, dict[Place, TrainedModel]] = {}
    for name in passes(objective):
        files = {place: read_trained(folder, name, place) for place in places}
        models = {place: model for place, model in files.items() if model is not None}
        if len(models) < len(places):
            break
        trained[name] = models
    return trained


def places(folder: RunFolder) -> tuple[list[Place], list[str]]:
    """Return the cells with a file, sorted, and the names of other files in the folder of the cells."""
    cells, strays = [], []
    for path in sorted(folder.path.glob(f"{CELLS}/[!.]*")):
        place = Place.parse(path.stem) if path.suffix == ".json" else None
        if place is None:
            strays.append(f"{CELLS}/{path.name}")
        else:
            cells.append(place)
    return cells, strays
