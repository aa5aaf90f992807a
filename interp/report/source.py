"""What the page of a sweep is made of, and how its parts name things."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from interp.examples import Example, read_examples
from interp.markup import escape
from interp.results import INDEX, best_cell, read_cells, results, written
from interp.store import RunFolder

if TYPE_CHECKING:
    import pandas as pd

Place = tuple[int, int, int]  # layer, size, seed


@dataclass(frozen=True, eq=False)
class Sweep:
    """What the page is made of.

    Attributes:
        frame: a row for each cell; best: the one that `val` chooses.
        cells: (layer, size, seed) -> what its file holds.
    """

    folder: RunFolder
    manifest: Mapping[str, Any]
    frame: pd.DataFrame
    best: pd.Series
    cells: Mapping[Place, Mapping[str, Any]]
    norms: Sequence[str]
    examples: Sequence[Example]


def read_sweep(folder: RunFolder, manifest: Mapping[str, Any]) -> Sweep:
    """All that a run folder holds.

    Raises:
        StoreError: a cell is damaged.
    """
    found = read_cells(folder)
    frame = results(found)
    cells = {
        key(cell["cell"]): cell | {name: _defined(cell.get(name, [])) for name in ("words", "examples")}
        for cell in found
    }
    norms = list(manifest.get("norm_sources", {}))
    return Sweep(folder, manifest, frame, best_cell(frame), cells, norms, read_examples(folder))


def _defined(value: Any) -> Any:
    """Numbers that are not defined are null in the file, and NaN here."""
    if isinstance(value, dict):
        return {name: _defined(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return math.nan if value is None else value


def key(row: Mapping[str, Any] | pd.Series) -> Place:
    """The place of a cell or of its row."""
    layer, size, seed = (int(row[name]) for name in INDEX)
    return layer, size, seed


def argument_of(sweep: Sweep, name: str) -> str:
    return str(sweep.manifest.get("arguments", {}).get(name, "?"))


def paired(sweep: Sweep) -> bool:
    """Whether Z was taken from the other text of the same image."""
    return sweep.manifest["settings"].get("sources") == "paired"


def place(row: pd.Series) -> str:
    layer = int(row["layer"])
    return f"layer {layer} (block {layer - 1} as the authors count), size {int(row['size'])}, seed {int(row['seed'])}"


def percent(row: pd.Series, measure: str) -> str:
    low, high = (row.get(f"{measure}{end}", np.nan) for end in ("_low", "_high"))
    interval = "" if np.isnan(low) else f" [{100 * low:.1f} {100 * high:.1f}]"
    return f"{written(100 * row[measure], '.1f')}\N{NO-BREAK SPACE}%{interval}"


def scroll(content: str, name: str) -> str:
    """A wide thing that scrolls by itself; it can be reached and moved by keyboard.

    Args:
        name: for screen readers, unlike that of any other part of the page.
    """
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">{content}</div>'


def plural(count: int, name: str) -> str:
    """A number of things.

    >>> plural(1, "cell"), plural(2, "cell")
    ('1 cell', '2 cells')
    """
    return f"{count} {name}{'' if count == 1 else 's'}"


CHOSEN = '<span class="unseen"> (chosen)</span>'  # for screen readers, beside what shows it to the eye
