"""All that an evaluation holds."""

from __future__ import annotations

from dataclasses import replace

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures.names import MEASURED, TABLE
from interp.schema import CORRELATION, COUNT, SCORE, SHARE, Measure, Schema


def evaluation_schema(contrast: Contrast) -> Schema:
    """What an evaluation can hold, by the name of the measure."""
    shares = ["preference", "accuracy", "macro_f1"]
    shares += [f"preference, {kind} longer" for kind in contrast.kinds]
    shares += [f"retrieval {kind}" for kind in contrast.kinds]
    shares += [f"coverage {route}" for route in MEASURED] + ["largest relative delta", "texts not converged"]
    scores = [f"mean {kind} score" for kind in contrast.kinds] + ["largest delta"]
    scores += [f"area, {order}" for order in ("deletion", "insertion", "random order")]
    for direction in DIRECTIONS:
        short = contrast.short(direction)
        shares += [f"iia {short}", f"iia, random subspace {short}"]
        scores.append(f"shift {short}")
    related = [f"pearson {route}{words}" for route in MEASURED for words in ("", ", content words")]
    related.append("pearson of length")
    for method in ("pearson", "spearman"):
        related += [method, f"{method} given length", f"{method} more than the other"]
    units = {SHARE: shares, SCORE: scores, replace(CORRELATION, form="+.3f"): related, COUNT: ["most points"]}
    return Schema(tuple(
        Measure(name, name, unit, interval=True, shown=TABLE) for unit, names in units.items() for name in names
    ))  # fmt: skip
