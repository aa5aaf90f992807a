"""All that an evaluation holds."""

from __future__ import annotations

from dataclasses import replace

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures.interventions import evidence
from interp.measures.names import MEASURED, TABLE
from interp.measures.schema import CORRELATION, COUNT, R2, SCORE, SHARE, Measure, Schema

# of other subspaces, by the key of a sweep's cell, in which their method is to be put
CONTROLLED = {"iia_{}": "control's iia", "r2_own_{}": "control's r2", "r2_own_over_{}": "r2 above the control's"}


def evidence_names(contrast: Contrast) -> dict[str, str]:
    """What the evidence beside IIA is called in an evaluation, by its key in a sweep."""
    return {one.key: one.key.replace("_", " ") for one in evidence(contrast)}


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
    related += [f"{name} {route}" for route in MEASURED for name in ("spearman", "partial", "disattenuated")]
    related.append("pearson of length")
    for method in ("pearson", "spearman"):
        related += [method, f"{method} given length", f"{method} more than the other"]
    units = {SHARE: shares, SCORE: scores, replace(CORRELATION, form="+.3f"): related, COUNT: ["most points"]}
    known = [(name, unit) for unit, names in units.items() for name in names]
    names = evidence_names(contrast)
    known += [(names[one.key], one.unit) for one in evidence(contrast)]
    known += [(name, SHARE if stem.startswith("iia") else R2) for stem, name in CONTROLLED.items()]
    return Schema(tuple(Measure(name, name, unit, interval=True, shown=TABLE) for name, unit in known))
