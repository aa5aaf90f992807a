"""Preference accuracy of the scores of pairs, from a model or from a file. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from interp.data.contrast import Contrast
from interp.data.pairs import Pair
from interp.stats import clustered_share, preference, wilson
from training.evaluation.numbers import Number, measured


def preferences(pairs: Sequence[Pair], contrast: Contrast, positive: np.ndarray, negative: np.ndarray) -> list[Number]:
    """Return preference accuracy by split, over all pairs if there are several splits, and by which text is longer.

    A model that merely prefers long texts does well on one half of the control by length and badly on the other half.
    Ties count half. Intervals respect groups of pairs (articles).

    Args:
        pairs: n pairs.
        contrast: the two kinds of text.
        positive, negative: scores of each pair's texts.
    """
    splits = np.array([pair.split for pair in pairs])
    longer = np.sign([len(pair.positive) - len(pair.negative) for pair in pairs])
    hits, groups = preference(positive, negative), np.array([pair.group for pair in pairs])
    names = list(dict.fromkeys(splits.tolist()))
    out = []
    for name in [*names, "all"] if len(names) > 1 else names:
        rows = np.full(len(pairs), True) if name == "all" else splits == name
        parts = {
            "preference": rows,
            f"preference, {contrast.positive} longer": rows & (longer > 0),
            f"preference, {contrast.negative} longer": rows & (longer < 0),
        }
        for title, chosen in parts.items():
            out.append(measured("preference", name, title, clustered_share(hits[chosen], groups[chosen])))
        for kind, values in zip(contrast.kinds, (positive, negative), strict=True):
            out.append(Number("preference", name, f"mean {kind} score", float(values[rows].mean()), int(rows.sum())))
    return out


def given_preferences(contrast: Contrast, positive: np.ndarray, negative: np.ndarray) -> list[Number]:
    """Return preference accuracy of scores without splits, lengths or groups; ties count half."""
    hits = preference(positive, negative)
    share = measured("preference", "all", "preference", wilson(float(hits.sum()), len(hits)))
    means = zip(contrast.kinds, (positive, negative), strict=True)
    return [
        share,
        *(Number("preference", "all", f"mean {kind} score", float(v.mean()), len(hits)) for kind, v in means),
    ]
