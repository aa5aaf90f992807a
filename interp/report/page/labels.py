"""Names of things on the page of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from interp.measures.schema import written
from interp.report.sweep_run import SweepRun
from interp.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd


def whose(sweep: SweepRun) -> str:
    """Return the owner of the text that Z was taken from: the same image or another one."""
    return "its own" if sweep.manifest["settings"]["sources"] == "paired" else "another image's"


def place(row: pd.Series) -> str:
    """Return the place of a cell in the grid, in words."""
    layer, size = int(row["layer"]), int(row["size"])
    needed = int(row["directions"])
    kept = "" if needed == size else f" (of which {needed} {'is' if needed == 1 else 'are'} needed)"
    return f"layer {layer} (block {layer - 1} as the authors count), size {size}{kept}, seed {int(row['seed'])}"


def percent(share: Estimate) -> str:
    """Return a share with its interval, if there is one."""
    interval = "" if np.isnan(share.low) else f" [{100 * share.low:.1f} {100 * share.high:.1f}]"
    return f"{written(100 * share.value, '.1f')}\N{NO-BREAK SPACE}%{interval}"


def count(value: float) -> str:
    """Return a count as text; a dash if it is not known."""
    return written(value, ".0f")
