"""How the parts of the page of a sweep name things."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.measures import written
from interp.results.sweep_run import SweepRun
from interp.show.markup import escape

if TYPE_CHECKING:
    import pandas as pd


def argument_of(sweep: SweepRun, name: str) -> str:
    return str(sweep.manifest.get("arguments", {}).get(name, "?"))


def paired(sweep: SweepRun) -> bool:
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


CHOSEN = '<span class="unseen"> (chosen)</span>'  # for screen readers, beside what shows it to the eye
