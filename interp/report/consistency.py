"""Checks that the files of a sweep are consistent, and hold the measures of its tables and its page. No torch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import CEILINGS, MEASURED, Key, MethodName, Model, relations
from interp.measures.schema import Schema
from interp.report.choice import FROZEN, TUNED
from interp.report.tables import is_tuned
from interp.runs.cells import REMEDY, Cell, CellExamples, TrainedModel, trained_name
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd


def check_texts(
    folder: RunFolder,
    cells: Mapping[Place, Cell],
    trained: Mapping[str, Mapping[Place, TrainedModel]],
    contrast: Contrast,
) -> None:
    """Raise `StoreError` for the first text whose kind the contrast does not have."""
    shown: list[tuple[Path, CellExamples]] = [(folder.cell_path(place.name), cell) for place, cell in cells.items()]
    for objective, models in trained.items():
        shown += [(folder.path / trained_name(objective, place), model) for place, model in models.items()]
    for path, examples in shown:
        for text in examples["examples"]:
            if text["kind"] not in contrast.kinds:
                raise StoreError(
                    f"'{path}' has a text of the kind {json.dumps(text['kind'])}, not "
                    f"{contrast.positive} or {contrast.negative}; {REMEDY}"
                )


def check_measures(
    folder: RunFolder,
    frame: pd.DataFrame,
    schema: Schema,
    methods: Sequence[MethodName],
    norms: Sequence[str],
    *,
    controls: bool,
) -> None:
    """Raise `StoreError` for a measure that tables and page need and no cell has, or for a count that a cell lacks.

    Only the first missing measure or count is reported.

    Args:
        folder: run folder.
        frame: table of the cells.
        schema: measures of the sweep.
        methods: methods of the sweep.
        norms: names of the norms.
        controls: True if the subspaces were compared with others.
    """
    counts = [Key("directions"), *(Key(name, norm=norm) for norm in norms for name in ("n", "n_repeated"))]
    needed = [*_of_search(methods, controls=controls), *_of_words(norms, ""), *counts]
    if is_tuned(frame):
        needed += [*_of_training(), *_of_words(norms, "tuned")]
    columns = [column for key in needed for column in schema.columns(schema[key])]
    if absent := next((column for column in columns if column not in frame), None):
        raise StoreError(f"no cell in '{folder.path}' has the measure {json.dumps(absent)}; {REMEDY}")
    if unknown := next((key.column() for key in counts if frame[key.column()].isna().any()), None):
        raise StoreError(f"a cell in '{folder.path}' has no number for {json.dumps(unknown)}; {REMEDY}")


def _of_search(methods: Sequence[MethodName], *, controls: bool) -> Iterator[Key]:
    """Yield the measures of the frozen model that every sweep has."""
    yield from (Key("preference"), *(Key("shift", direction=way) for way in DIRECTIONS))
    for subspace in ("", *(method.column for method in methods[1:]), *(CEILINGS if controls else ())):
        yield Key("iia", subspace)
        yield from (Key("iia", subspace, direction=way) for way in DIRECTIONS)
    yield from (FROZEN.share, FROZEN.error, FROZEN.loss, Key("test_pairs"))


def _of_training() -> Iterator[Key]:
    """Yield the measures of trained models that every sweep with trained models has."""
    names = ("preference", "transfer_drop", "retrieval_drop")
    yield from (Key(name, model="tuned") for name in names)
    yield from (Key("iia", model="tuned", direction=way) for way in DIRECTIONS)
    yield from (TUNED.share, TUNED.error, TUNED.loss)


def _of_words(norms: Sequence[str], model: Model) -> Iterator[Key]:
    """Yield the measures of a model's search and word attributions that every sweep has."""
    names = ("converged", "attribution_unconverged", "attribution_delta_relative")
    yield from (Key(name, model=model) for name in names)
    of_norms = (*relations(norms), "attribution_coverage", "reliability")
    yield from (
        Key(name, model=model, norm=norm, route=route) for norm in norms for route in MEASURED for name in of_norms
    )
