"""Computation of the cells of a layer: search, controls, attributions. Plain functions that print nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import torch

from interp.attribution.all_layers import PathRun
from interp.attribution.norm_relations import AttributedWords
from interp.attribution.result import Attributions
from interp.attribution.statistics import measure_attributions
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS
from interp.data.pairs import SPLITS
from interp.evidence.measurement import Evidence, MeasurementSettings, measure_subspace
from interp.evidence.traits import traits_of
from interp.measures import MEASURED, Key, sweep_schema, trained_schema
from interp.measures.schema import Schema
from interp.runs.cells import trained_name
from interp.runs.examples import EXAMPLES
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.methods import find_methods
from interp.subspaces.outcomes import Outcomes, align
from interp.subspaces.pairs import PairRun, PairsAtSite
from interp.subspaces.rotation import RotationError
from interp.subspaces.search import SearchConfig
from interp.subspaces.subspace import Subspace
from interp.sweep.config import SweepConfig
from interp.sweep.finished_cells import keep_subspace, kept_subspace
from interp.sweep.work import Parts, Work


@dataclass(frozen=True, eq=False)
class Bench:
    """Work on a model, with the common material of its cells.

    Attributes:
        work: work of the sweep.
        clip: model.
        run: clean run of all texts.
        load_paths: function that reads the paths of the attributed texts.
        load_content_paths: function that reads the paths of the `CHECKED` texts from the second baseline; only content
            words change along these paths.
        edited: function from a cell to the attributions in its edited model from both baselines; the function returns
            None if they were not computed.
    """

    work: Work
    clip: Clip
    run: PairRun
    load_paths: Callable[[], PathRun]
    load_content_paths: Callable[[], PathRun]
    edited: Callable[[Place], tuple[Attributions, Attributions] | None]

    @cached_property
    def paths(self) -> PathRun:
        """Paths of the attributed texts."""
        return self.load_paths()

    @cached_property
    def content_paths(self) -> PathRun:
        """Paths of the `CHECKED` texts from the second baseline."""
        return self.load_content_paths()

    @property
    def schema(self) -> Schema:
        """Measures of a cell."""
        work = self.work
        names = [method.name for method in find_methods(work.config.compared)]
        norms = [norm.name for norm in work.norms]
        return sweep_schema(work.features.contrast, names, norms)


def _search_config(config: SweepConfig, seed: int) -> SearchConfig:
    """Return the settings of the searches with a seed."""
    return SearchConfig(sources=config.sources, max_steps=config.max_steps, seed=seed)


def compute_layer(
    bench: Bench, folder: RunFolder, places: Sequence[Place], on_step: Callable[[], object] = lambda: None
) -> None:
    """Compute cells of a layer and write each cell to the folder.

    Args:
        bench: material of the cells.
        folder: run folder.
        places: missing cells of a layer.
        on_step: callback for each subspace and for each cell.
    """
    layer, parts = _parts(bench, places)
    work, schema = bench.work, bench.schema
    shared, second = bench.paths.shared(layer), bench.content_paths.shared(layer)
    articles = work.features.split("test").take(work.attributed).groups
    for cells in _by_seed(places):
        started = time.perf_counter()
        subspaces = _subspaces(work, parts, folder, cells)
        searching = (time.perf_counter() - started) / len(cells)
        for place, subspace in zip(cells, subspaces, strict=True):
            on_step()
            started = time.perf_counter()
            evidence = _evidence(bench, parts, subspace, place)
            numbers = _alignment(bench, parts, subspace, place) | evidence.numbers
            attributions = bench.paths.attributions(layer, subspace, shared)
            from_content = bench.content_paths.attributions(layer, subspace, second)
            numbers |= measure_attributions(attributions, from_content, work.norms, articles)
            cell: dict[str, Any] = _shown(work, bench.clip, attributions, evidence.outcomes)
            cell["articles"] = AttributedWords.of(attributions, articles).articles()
            numbers[Key("seconds")] = Estimate(searching + time.perf_counter() - started, 1)
            # train before the file of the cell marks the cell as done
            train_cell(work, bench.clip, folder, place, parts, bench.edited(place))
            folder.write(place.name, {"cell": _where(place), "measures": schema.wide(numbers), **cell})
            on_step()


def train_cell(
    work: Work,
    clip: Clip,
    folder: RunFolder,
    place: Place,
    parts: Parts | None = None,
    attributions: tuple[Attributions, Attributions] | None = None,
) -> None:
    """Train and measure a model at a cell, and write the results; do nothing if the sweep trains no models.

    Args:
        work: work of the sweep.
        clip: base model.
        folder: run folder.
        place: cell.
        parts: pairs of the base at the site; None if they have not been run.
        attributions: attributions of the trained model from both baselines; None if they have not been computed.
    """
    if work.trained is None:
        return
    trained = work.trained(work, place, clip, parts, attributions)
    names = [method.name for method in find_methods(work.config.compared)]
    schema = trained_schema(work.features.contrast, names, [norm.name for norm in work.norms])
    shown = _shown(work, clip, trained.attributions, trained.outcomes)
    name = trained_name(work.trained.objective, place)
    folder.write_file(name, {"cell": _where(place), "measures": schema.wide(trained.numbers), **shown})


def _where(place: Place) -> dict[str, int]:
    """Return the head of a cell's file."""
    return {"layer": place.layer, "block": place.block, "size": place.size, "seed": place.seed}


def search_layer(bench: Bench, folder: RunFolder, places: Sequence[Place]) -> None:
    """Search the subspaces of cells of a layer, and save them for `compute_layer`."""
    _, parts = _parts(bench, places)
    for cells in _by_seed(places):
        _subspaces(bench.work, parts, folder, cells)


def _parts(bench: Bench, places: Sequence[Place]) -> tuple[int, Parts]:
    """Return the layer of cells, and the pairs of each split at the layer."""
    (layer,) = {place.layer for place in places}
    site = Site("text", layer)
    return layer, parts_at(bench.work, bench.run, site)


def parts_at(work: Work, run: PairRun, site: Site) -> dict[str, PairsAtSite]:
    """Return the pairs of each split at a site.

    Args:
        work: work of the sweep.
        run: clean run of all pairs.
        site: site of the pairs.
    """
    rows = {name: torch.tensor(work.features.rows(name)) for name in SPLITS}
    return {name: PairsAtSite(run.take(numbers), site) for name, numbers in rows.items()}


def _by_seed(places: Sequence[Place]) -> list[list[Place]]:
    """Return cells in groups of equal seeds, by size."""
    ordered = sorted(places, key=lambda place: (place.seed, place.size))
    return [list(cells) for _, cells in groupby(ordered, key=lambda place: place.seed)]


def _subspaces(work: Work, parts: Parts, folder: RunFolder, places: Sequence[Place]) -> list[Subspace]:
    """Return the subspaces of cells of a layer and seed, from the folder if it has all of them, or else from a search.

    Sizes that are searched together affect each other in the last digits, so a search always covers all sizes of the
    sweep. The subspaces of the given cells are saved after the search. The subspaces of other cells do not change.
    """
    try:
        return [kept_subspace(folder, place) for place in places]
    except RotationError:
        pass
    by_size = dict(zip(work.sizes, search_sizes(work, parts, work.sizes, places[0].seed), strict=True))
    for place in places:
        keep_subspace(folder, place, by_size[place.size], work.sizes)
    # The subspaces are read from disk for the memory layout of a resumed run, which affects the last bits of sums.
    return [kept_subspace(folder, place) for place in places]


def search_sizes(work: Work, parts: Parts, sizes: Sequence[int], seed: int) -> Sequence[Subspace]:
    """Search subspaces of the given sizes with the first method of the sweep."""
    (method, *_) = find_methods(work.config.compared)
    return method.fit(parts["train"], parts["val"], sizes, _search_config(work.config, seed))


def _evidence(bench: Bench, parts: Parts, subspace: Subspace, place: Place) -> Evidence:
    """Measure the subspace of a cell, with controls if the options ask for them."""
    config = bench.work.config
    methods = None if config.controls == "none" else find_methods(config.compared)[1:]
    settings = MeasurementSettings(_search_config(config, place.seed), methods)
    return measure_subspace(parts, subspace, settings, traits_of(bench.work.features.split("test").texts))


def _alignment(bench: Bench, parts: Parts, subspace: Subspace, place: Place) -> dict[Key, Estimate]:
    """Return facts about the search for the subspace of a cell, and the IIA of the subspace on validation pairs."""
    on_val = align(parts["val"], subspace, sources=bench.work.config.sources, seed=place.seed)
    facts = subspace.facts
    measured = {
        "test_pairs": len(parts["test"]),
        "directions": subspace.size,
        "iia_val": on_val.iia(),
        "iia_val_se": on_val.iia_error(),
        "converged": float(facts.get("converged", True)),
        "das_steps": facts.get("steps", math.nan),
        "das_val_loss": facts.get("val_loss", math.nan),
    }
    return {Key(measure): Estimate(value, len(parts["val"])) for measure, value in measured.items()}


def _shown(work: Work, clip: Clip, attributions: Attributions, outcomes: Outcomes) -> dict[str, Any]:
    """Return data of a cell for display: word types with mean attribution and count by route, and examples."""
    words = {route: attributions.by_type(route) for route in MEASURED}
    return {"words": words, "examples": _examples(work, clip, attributions, outcomes)}


def _examples(work: Work, clip: Clip, attributions: Attributions, outcomes: Outcomes) -> list[dict[str, Any]]:
    """Return the texts of the first attributed pairs, positive texts first.

    Each text has the attributions of its words by route, and its score with Z from a text of the other kind.
    """
    count = len(attributions) // 2
    chosen = range(min(EXAMPLES, count))
    by_word = {route: attributions.by_word(route) for route in MEASURED}
    features = work.features
    test, pairs, words = features.rows("test"), len(features), features.tokens_for(clip).words
    out = []
    for number, kind in enumerate(features.contrast.kinds):
        direction = DIRECTIONS[1 - number]
        for place in chosen:
            row, pair = number * count + place, work.attributed[place]
            source = int(outcomes.sources[pair])
            source_words = words[test[source] + (1 - number) * pairs]
            base, counterfactual = (float(table[direction][pair]) for table in (outcomes.base, outcomes.counterfactual))
            swap = {"source_pair": source, "source": " ".join(source_words)}
            swap |= {"base": base, "counterfactual": counterfactual}
            example: dict[str, Any] = {"kind": kind, "pair": place, "words": attributions.words[row], "swap": swap}
            example |= {"score": attributions.score[row], "baseline_score": attributions.baseline_score[row]}
            out.append(example | {route: by_word[route][row].tolist() for route in MEASURED})
    return out
