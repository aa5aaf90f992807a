"""How attributions of words follow human norms of words. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interp.attribution.result import Attributions
from interp.data.norms import Norm
from interp.stats import correlate


def correlations(attributions: Attributions, norms: Sequence[Norm]) -> dict[str, Any]:
    """Correlation over word types of mean attribution with each norm, by route.

    The interval resamples word types, the units of the correlation.

    Returns:
        ``r_NORM_ROUTE`` -> Pearson's r, with ``_low`` and ``_high``; ``n_NORM`` -> word types that are rated.
    """
    out: dict[str, Any] = {}
    types = {route: attributions.by_type(route) for route in attributions.tokens}
    for norm in norms:
        for route, table in types.items():
            values = [mean for mean, _ in table.values()]
            found = correlate(values, norm.of(table))
            stem = f"{norm.name}_{route}"
            out |= {f"r_{stem}": found.value, f"r_{stem}_low": found.low, f"r_{stem}_high": found.high}
            out[f"n_{norm.name}"] = found.n
    return out
