"""Whether the files of a sweep fit each other: what tables and the page of it cannot do without is there. No torch."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from interp.data.contrast import DIRECTIONS
from interp.measures import MEASURED
from interp.report.tables import is_tuned
from interp.runs.cells import MEND
from interp.runs.files import StoreError

if TYPE_CHECKING:
    from interp.report.sweep_run import SweepRun


def check_sweep(sweep: SweepRun) -> None:
    """Raise `StoreError` for the first kind of text that is unknown, or measure that no cell has."""
    _ = sweep.schema  # raises if contrast and methods are none, or cannot be told apart
    for place, cell in sweep.cells.items():
        for text in [*cell.get("examples", []), *cell.get("tuned", {}).get("examples", [])]:
            if text["kind"] not in sweep.contrast.kinds:
                raise StoreError(
                    f"'{sweep.folder.cell_path(place.name)}' has a text of the kind {json.dumps(text['kind'])}, not "
                    f"{sweep.contrast.positive} or {sweep.contrast.negative}; {MEND}"
                )
    for name in _needed(sweep):
        if name not in sweep.frame:
            raise StoreError(f"no cell in '{sweep.folder.path}' has the measure {json.dumps(name)}; {MEND}")


def _needed(sweep: SweepRun) -> list[str]:
    contrast = sweep.contrast
    ceilings = [] if sweep.manifest["settings"].get("controls") == "none" else ["iia_whole", "iia_size0"]
    stems = ["iia", *(f"iia_{method.column}" for method in sweep.methods[1:]), *ceilings]
    needed = ["preference", *(f"shift_{contrast.short(one)}" for one in DIRECTIONS)]
    needed += [f"{stem}{end}" for stem in stems for end in ("", *(f"_{contrast.short(one)}" for one in DIRECTIONS))]
    needed += ["iia_val", "test_pairs", "attribution_delta", *(f"n_{norm}" for norm in sweep.norms)]
    needed += [f"r_{norm}_{route}{end}" for norm in sweep.norms for route in MEASURED for end in ("", "_low", "_high")]
    if is_tuned(sweep.frame):
        routes = [f"tuned_r_{norm}_{route}" for norm in sweep.norms for route in MEASURED]
        shares = ["tuned_preference", *(f"tuned_iia_{contrast.short(one)}" for one in DIRECTIONS)]
        needed += [f"{name}{end}" for name in (*shares, *routes) for end in ("", "_low", "_high")]
        needed += ["tuned_transfer_drop", "tuned_retrieval_drop"]
    return needed
