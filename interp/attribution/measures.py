"""What attributions are measured by: convergence, norms, coverage, a second baseline, and the gap. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from interp.attribution.checked import CHECKED, checked_texts
from interp.attribution.norms import correlations, relations
from interp.attribution.result import TOLERANCE, Attributions
from interp.data.norms import Norm
from interp.data.words import is_content
from interp.measures import CONTENT_ROUTES
from interp.stats import clustered_mean, pearson, ratio


def measure_attributions(
    attributions: Attributions, from_content: Attributions, norms: Sequence[Norm], articles: Sequence[str]
) -> dict[str, Any]:
    """Compute all measures of the attributions of some pairs' texts, as `interp.measures` declares them.

    Args:
        attributions: of the positive texts and then of the negative ones, from padding, by the routes of `MEASURED`.
        from_content: of the texts of the pairs that are `CHECKED`, from their function words alone
            (`content_baselines`), at least by `through` and `full`.
        norms: that they are correlated with.
        articles: of the pairs, which intervals resample.

    Raises:
        ValueError: an odd number of texts, or of those from the second baseline another number than are checked.
    """
    rows = checked_texts(len(attributions) // 2)
    if len(attributions) % 2 or len(from_content) != len(rows):
        raise ValueError(
            f"both texts of pairs are attributed, and {len(rows)} of them from the second baseline; got "
            f"{len(attributions)} and {len(from_content)} texts"
        )
    return (
        correlations(attributions, norms, articles)
        | relations(attributions, norms, articles)
        | convergence(attributions, from_content, rows)
        | through_gap(attributions, articles)
        | coverage(attributions, norms)
        | content_correlations(attributions, norms, articles)
        | _second_baseline(attributions.take(rows), from_content, norms, list(articles)[CHECKED])
        | {
            "score_text": float(attributions.score.mean()),
            "score_baseline_padding": float(attributions.baseline_score.mean()),
        }
    )


def convergence(
    found: Attributions, from_content: Attributions | None = None, rows: Sequence[int] = ()
) -> dict[str, Any]:
    """How far sums of attributions miss differences of scores, and how many points the path integrals took.

    Args:
        from_content: of some of the texts, from the second baseline; a text has converged if it has from each that it
            was attributed from.
        rows: which texts these are.
    """
    both = [found] if from_content is None else [found, from_content]
    missed = found.relative_delta > TOLERANCE
    if from_content is not None:
        missed[list(rows)] |= from_content.relative_delta > TOLERANCE
    return {
        "attribution_delta": float(np.max([np.abs(one.delta).max(initial=0.0) for one in both])),
        "attribution_delta_relative": float(np.max([one.relative_delta.max(initial=0.0) for one in both])),
        "attribution_unconverged": float(missed.mean()),
        "attribution_points": int(np.max([one.points.max(initial=0) for one in both])),
    }


def through_gap(attributions: Attributions, articles: Sequence[str]) -> dict[str, float]:
    """How much of the gap, the positive text's score minus the negative one's, words act out through Z.

    Args:
        articles: of the pairs, which intervals heed.

    Returns:
        ``through_gap``: the mean over pairs of the sum through Z of the positive text minus that of the negative one;
        ``attributed_gap``: the mean gap of the same pairs; ``through_gap_share``: their ratio, NaN without a gap. With
        ends of intervals, of which the last has none where the gap may be 0.
    """
    through, gap = (_apart(values) for values in (attributions.tokens["through"].sum(1), attributions.score))
    groups = np.asarray(articles)
    return {
        **clustered_mean(through, groups).columns("through_gap"),
        **clustered_mean(gap, groups).columns("attributed_gap"),
        **ratio(through, gap, groups).columns("through_gap_share"),
    }


def _apart(values: np.ndarray) -> np.ndarray:
    """Of each pair the positive text's value minus the negative one's."""
    positive, negative = values.reshape(2, -1)
    return positive - negative


def coverage(attributions: Attributions, norms: Sequence[Norm]) -> dict[str, float]:
    """Share of the sum of |attribution| over words that falls on rated words, by norm and route.

    A correlation with a norm speaks of this share alone. NaN if nothing is attributed.
    """
    words = [word for text in attributions.words for word in text]
    out = {}
    for route in attributions.tokens:
        sizes = np.abs(attributions.by_occurrence(route))
        for norm in norms:
            rated, total = np.isfinite(norm.of(words)), sizes.sum()
            out[f"attribution_coverage_{norm.name}_{route}"] = (
                float(sizes[rated].sum() / total) if total > 0 else float("nan")
            )
    return out


def content_correlations(
    attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str], *, suffix: str = "content"
) -> dict[str, Any]:
    """Correlate as `correlations` over the types of content words alone: function words are rated low and attributed
    little.

    Args:
        articles: of the pairs.
        suffix: of the keys.

    Returns:
        ``r_NORM_ROUTE_SUFFIX`` with ``_low`` and ``_high``, and ``n_NORM_SUFFIX``.
    """
    return correlations(attributions, norms, articles, only=is_content, suffix=f"_{suffix}")


def _second_baseline(
    attributions: Attributions, from_content: Attributions, norms: Sequence[Norm], articles: Sequence[str]
) -> dict[str, Any]:
    """Compare attributions from two baselines: correlations with norms under the second one, and agreement of both.

    Args:
        articles: of the pairs of these texts.

    Returns:
        ``r_NORM_ROUTE_content_baseline`` with its ends: as `content_correlations`, from the second baseline;
        ``baseline_agreement``: the correlation over occurrences of content words of both attributions through Z;
        ``score_baseline_content``: the mean score of the second baseline. A neutral baseline would score what a text
        that says nothing of the image scores.
    """
    content = [is_content(word) for text in attributions.words for word in text]
    both = [one.by_occurrence("through")[content] for one in (attributions, from_content)]
    chosen = replace(from_content, tokens={route: from_content.tokens[route] for route in CONTENT_ROUTES})
    found = content_correlations(chosen, norms, articles, suffix="content_baseline")
    return {
        **{key: value for key, value in found.items() if key.startswith("r_")},
        "baseline_agreement": pearson(*both),
        "score_baseline_content": float(from_content.baseline_score.mean()),
    }
