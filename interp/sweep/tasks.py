"""Tasks of a sweep for a single process: a path of attributions, a search, cells, or a fine-tuning.

A process is prepared for tasks once, with a model and the clean run of the texts. Tasks write results to the run folder
or to its cache, which all processes see.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from safetensors import SafetensorError

from interp.attribution.all_layers import PathRun, TextPath, run_path
from interp.attribution.baselines import content_baselines, default_baselines
from interp.attribution.edited_paths import (
    EditedPath,
    edited_attributions,
    load_edited_path,
    run_paths,
    save_edited_paths,
)
from interp.attribution.integral import PathSettings
from interp.attribution.result import TOLERANCE, Attributions
from interp.attribution.second_baseline import checked_texts
from interp.clip.edits.edit import Edit
from interp.clip.loading import load_clip
from interp.clip.model import Clip, Tokens
from interp.clip.sites import Site
from interp.errors import UserError
from interp.measures import CONTENT_ROUTES, MEASURED, Route
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.subspaces.clean_run import TextRun
from interp.subspaces.pairs import PairRun
from interp.subspaces.subspace import Subspace
from interp.sweep.cell import Bench, compute_layer, parts_at, search_layer, train_cell
from interp.sweep.finished_cells import unfinished, untrained
from interp.sweep.work import Work

# folders in the cache with a file for each text: paths of all words and of content words, in the base and in the edited
# models
PATHS, CONTENT_PATHS = "paths", "content-paths"
EDITED = {PATHS: "edited-paths", CONTENT_PATHS: "edited-content-paths"}


@dataclass(eq=False)
class TaskProcess:
    """Process that can do tasks.

    Attributes:
        work: work of the sweep.
        clip: model.
        run: function from a layer to the clean run with the data that the layer needs; None gives the texts only.
        on_step: callback for each subspace and for each cell.
    """

    work: Work
    clip: Clip
    run: Callable[[int | None], TextRun]
    on_step: Callable[[], object] = lambda: None
    _bench: Bench | None = None
    _edits: dict[Place, tuple[Edit, Subspace]] = field(default_factory=dict)

    @cached_property
    def folder(self) -> RunFolder:
        """Run folder of the sweep."""
        return RunFolder(self.work.folder)

    def bench(self, layer: int) -> Bench:
        """Return the material of the cells of a layer, rebuilt only if the layer has another clean run."""
        run = self.run(layer)
        if self._bench is None or self._bench.run.run is not run:
            self._bench = None  # free the memory before the next bench is made
            self._bench = _make_bench(self.work, self.clip, run)
        return self._bench

    def edit(self, place: Place) -> tuple[Edit, Subspace]:
        """Return the edit of a cell and Z."""
        if self.work.trained is None:
            raise RuntimeError("the cells of this sweep have no edits")
        if place not in self._edits:
            self._edits[place] = self.work.trained.edit(self.work, place)
        return self._edits[place]


_here: TaskProcess | None = None  # this process


def prepare(work: Work, run: Callable[[Clip, int | None], TextRun]) -> None:
    """Prepare this process for tasks.

    Raises:
        UserError: the model has changed since the start of the sweep.
    """
    global _here
    torch.set_num_threads(1)
    config = work.config
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device, trust=config.trust_run)
    if clip.fingerprint != work.fingerprint:
        raise UserError(f"the model '{config.model}' has changed since the start of the sweep; run the sweep again")
    features = replace(work.features, tokens=run(clip, None).tokens)
    _here = TaskProcess(replace(work, features=features), clip, lambda layer: run(clip, layer))


def is_prepared() -> bool:
    """Return whether this process can do tasks."""
    return _here is not None


@contextmanager
def prepared(work: Work, clip: Clip, run: TextRun) -> Iterator[TaskProcess]:
    """Prepare this process with an existing model and clean run, until exit."""
    global _here
    _here = TaskProcess(work, clip, lambda _layer: run)
    try:
        yield _here
    finally:
        _here = None


def _prepared() -> TaskProcess:
    """Return this process, which must have been prepared."""
    if _here is None:
        raise RuntimeError("the worker process was not prepared")
    return _here


def path_task(item: tuple[int, Sequence[Place]]) -> None:
    """Run the paths of a text in the base and in the edited models of cells, and save the paths.

    Args:
        item: number of the text among the attributed texts, and cells with edited models.
    """
    here = _prepared()
    number, places = item
    if not here.clip.family.causal("text"):  # each edited model is attributed separately
        places = ()
    _keep_path(here.work, here.clip, number, {place.name: here.edit(place) for place in places})


def search_task(places: list[Place]) -> None:
    """Search the rotations of cells of a layer."""
    here = _prepared()
    search_layer(here.bench(places[0].layer), here.folder, places)


def cells_task(places: list[Place]) -> None:
    """Compute the missing cells of a layer; a process that died may have finished others."""
    here = _prepared()
    missing, _ = unfinished(here.folder, places, _objective(here.work))
    if missing:
        compute_layer(here.bench(places[0].layer), here.folder, missing, here.on_step)


def _objective(work: Work) -> str | None:
    """Return the objective of the trainings; None without trainings."""
    return None if work.trained is None else work.trained.objective


def train_task(place: Place) -> None:
    """Train at a place that is not a cell of the sweep, with a separate clean run of the texts."""
    here = _prepared()
    if here.work.trained is not None:
        here.work.trained.train(here.work, place, here.clip)


def edit_task(place: Place) -> None:
    """Train an edit at a cell on the clean run of all pairs."""
    here = _prepared()
    if here.work.trained is not None:
        parts = parts_at(here.work, here.bench(place.layer).run, Site("text", place.layer))
        here.work.trained.train(here.work, place, here.clip, parts)


def measured_task(place: Place) -> None:
    """Train and measure at a cell that an earlier pass searched, unless the results exist."""
    here = _prepared()
    objective = _objective(here.work)
    if objective is not None and untrained(here.folder, [place], objective)[0]:
        train_cell(here.work, here.clip, here.folder, place)


def _keep_path(work: Work, clip: Clip, number: int, cells: Mapping[str, tuple[Edit, Subspace]]) -> None:
    """Run the paths of a text from each baseline, in the base and in edited models, and save the paths in the cache."""
    row = work.attributed_texts[number : number + 1]
    image = work.features.embeddings[row % len(work.features)]
    text = work.features.tokens_for(clip).take(row)
    baselines = {CONTENT_PATHS: content_baselines} if number in _checked(work) else {}
    for name, start in {**baselines, PATHS: default_baselines}.items():
        inputs = clip, text, image, work.layers
        settings, edited = PathSettings(work.config.n_steps, baselines=start(clip, text)), dict[str, EditedPath]()
        if cells:
            path, edited_paths = run_paths(*inputs, list(cells.values()), settings, TOLERANCE)
            edited = dict(zip(cells, edited_paths, strict=True))
        else:
            path = run_path(*inputs, settings, TOLERANCE)
        with on_disk(work):
            if edited:
                save_edited_paths(edited, _path_file(work, EDITED[name], number))
            path.save(_path_file(work, name, number))


def paths_done(work: Work) -> int:
    """Return the number of texts with saved paths."""
    return sum(1 for _ in (work.cache / PATHS).iterdir())


def _make_bench(work: Work, clip: Clip, run: TextRun) -> Bench:
    """Return the material of the cells; the paths are read from the cache on use."""
    features = work.features
    pairs = PairRun(run, features.embeddings.to(clip.device), clip.logit_scale, features.groups)
    texts = run.tokens.take(work.attributed_texts)

    def load(name: str, rows: Sequence[int]) -> PathRun:
        paths = [TextPath.load(_path_file(work, name, i)) for i in rows]
        return PathRun(texts.take(torch.tensor(rows)), paths)

    every = partial(load, PATHS, range(len(texts))), partial(load, CONTENT_PATHS, _checked(work))
    return Bench(work, clip, pairs, *every, partial(_edited, work, texts))


def _edited(work: Work, texts: Tokens, place: Place) -> tuple[Attributions, Attributions] | None:
    """Return the attributions of the texts in the edited model of a cell from both baselines; None without paths."""
    if not _path_file(work, EDITED[PATHS], 0).exists():
        return None

    def attributions(name: str, rows: Sequence[int], routes: Sequence[Route]) -> Attributions:
        paths: list[EditedPath] = [load_edited_path(_path_file(work, EDITED[name], i), place.name) for i in rows]
        return edited_attributions(texts.take(torch.tensor(rows)), paths, routes)

    return (
        attributions(PATHS, range(len(texts)), MEASURED),
        attributions(CONTENT_PATHS, _checked(work), CONTENT_ROUTES),
    )


def _checked(work: Work) -> Sequence[int]:
    """Return the numbers of the texts that are also attributed from the second baseline."""
    return checked_texts(len(work.attributed))


def _path_file(work: Work, name: str, number: int) -> Path:
    """Return the file of a text in a folder of the cache."""
    return work.cache / name / f"{number}.safetensors"


@contextmanager
def on_disk(work: Work) -> Iterator[None]:
    """Convert errors of the disk to `UserError` in the body.

    Raises:
        UserError: the cache cannot be written or read.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"cannot use the folder '{work.cache}' of shared data: {error}; choose another --out"
        ) from error
