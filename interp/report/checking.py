"""Checks that the files of a sweep fit each other, and hold what its tables and its page need. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import MEASURED, RELATIONS, MethodName
from interp.report.choice import FROZEN, TUNED
from interp.report.tables import is_tuned
from interp.runs.cells import MEND, Cell
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place

if TYPE_CHECKING:
    import pandas as pd


def check_texts(folder: RunFolder, cells: Mapping[Place, Cell], contrast: Contrast) -> None:
    """Raise `StoreError` for the first text whose kind the contrast does not have."""
    for place, cell in cells.items():
        for text in [*cell["examples"], *(cell["tuned"]["examples"] if "tuned" in cell else [])]:
            if text["kind"] not in contrast.kinds:
                raise StoreError(
                    f"'{folder.cell_path(place.name)}' has a text of the kind {json.dumps(text['kind'])}, not "
                    f"{contrast.positive} or {contrast.negative}; {MEND}"
                )


def check_measures(
    folder: RunFolder,
    frame: pd.DataFrame,
    contrast: Contrast,
    methods: Sequence[MethodName],
    norms: Sequence[str],
    *,
    controls: bool,
) -> None:
    """Raise `StoreError` for the first measure that tables and page need and no cell has, or count that a cell lacks.

    Args:
        controls: whether the subspaces were compared with others.
    """
    ceilings = ["iia_whole", "iia_size0"] if controls else []
    stems = ["iia", *(f"iia_{method.column}" for method in methods[1:]), *ceilings]
    needed = ["preference", *(f"shift_{contrast.short(one)}" for one in DIRECTIONS)]
    needed += [f"{stem}{end}" for stem in stems for end in ("", *(f"_{contrast.short(one)}" for one in DIRECTIONS))]
    needed += [FROZEN.share, FROZEN.error, *FROZEN.then, "test_pairs", *_of_words(norms, "")]
    counts = ["directions", *(f"{stem}_{norm}" for norm in norms for stem in ("n", "n_repeated"))]
    if is_tuned(frame):
        names = ["tuned_preference", *(f"tuned_iia_{contrast.short(one)}" for one in DIRECTIONS)]
        names += ["tuned_transfer_drop", "tuned_retrieval_drop"]
        needed += [f"{name}{end}" for name in names for end in ("", "_low", "_high")]
        needed += [TUNED.share, TUNED.error, *TUNED.then, *_of_words(norms, "tuned_")]
    if absent := next((name for name in (*needed, *counts) if name not in frame), None):
        raise StoreError(f"no cell in '{folder.path}' has the measure {json.dumps(absent)}; {MEND}")
    if unknown := next((name for name in counts if frame[name].isna().any()), None):
        raise StoreError(f"a cell in '{folder.path}' has no number for {json.dumps(unknown)}; {MEND}")


def _of_words(norms: Sequence[str], prefix: str) -> list[str]:
    """Return measures of a model's search and word attributions that every sweep has."""
    needed = [f"{prefix}{name}" for name in ("converged", "attribution_unconverged", "attribution_delta_relative")]
    for norm in norms:
        for route in MEASURED:
            stems = [stem for stem in RELATIONS if stem != "beta" or len(norms) > 1]
            needed += [f"{prefix}{stem}_{norm}_{route}{end}" for stem in stems for end in ("", "_low", "_high")]
            needed += [f"{prefix}{name}_{norm}_{route}" for name in ("attribution_coverage", "reliability")]
    return needed
