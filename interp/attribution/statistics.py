"""Measures of attributions: convergence, norms, coverage, a second baseline, and the gap. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from interp.attribution.norm_relations import correlations, relations
from interp.attribution.result import TOLERANCE, Attributions
from interp.attribution.second_baseline import CHECKED, checked_texts
from interp.data.norms import Norm
from interp.data.words import is_content
from interp.measures import CONTENT_ROUTES, Key
from interp.measures.number import WordsOf
from interp.stats import Estimate, clustered_mean, pearson, ratio


def measure_attributions(
    attributions: Attributions, from_content: Attributions, norms: Sequence[Norm], articles: Sequence[str]
) -> dict[Key, Estimate]:
    """Compute all measures of the attributions of pairs' texts, as `interp.measures` declares them.

    Args:
        attributions: attributions of the positive texts, then of the negative texts, from padding, by the routes of
            `MEASURED`.
        from_content: attributions of the texts of the `CHECKED` pairs from their function words alone
            (`content_baselines`), at least by `through` and `full`.
        norms: norms to correlate with the attributions.
        articles: articles of the pairs, which intervals resample.

    Raises:
        ValueError: the number of texts is odd, or `from_content` does not have the texts of the checked pairs.
    """
    rows = checked_texts(len(attributions) // 2)
    if len(attributions) % 2 or len(from_content) != len(rows):
        raise ValueError(
            f"attributions must be those of both texts of each pair, with {len(rows)} texts from the second baseline; "
            f"got {len(attributions)} and {len(from_content)} texts"
        )
    return (
        correlations(attributions, norms, articles)
        | relations(attributions, norms, articles)
        | convergence(attributions, from_content, rows)
        | through_gap(attributions, articles)
        | coverage(attributions, norms)
        | content_correlations(attributions, norms, articles)
        | _second_baseline(attributions.take(rows), from_content, norms, list(articles)[CHECKED])
        | _means({"score_text": attributions.score, "score_baseline_padding": attributions.baseline_score})
    )


def _means(values: Mapping[str, np.ndarray]) -> dict[Key, Estimate]:
    return {Key(measure): Estimate(float(each.mean()), len(each)) for measure, each in values.items()}


def convergence(
    attributions: Attributions, from_content: Attributions | None = None, rows: Sequence[int] = ()
) -> dict[Key, Estimate]:
    """Return errors of sums of attributions relative to differences of scores, and the numbers of points of the paths.

    Args:
        attributions: attributions of all texts.
        from_content: attributions of some of the texts from the second baseline. A text has converged if it has
            converged from each of its baselines.
        rows: numbers of these texts.
    """
    both = [attributions] if from_content is None else [attributions, from_content]
    missed = attributions.relative_delta > TOLERANCE
    if from_content is not None:
        missed[list(rows)] |= from_content.relative_delta > TOLERANCE
    measured = {
        "delta": float(np.max([np.abs(part.delta).max(initial=0.0) for part in both])),
        "delta_relative": float(np.max([part.relative_delta.max(initial=0.0) for part in both])),
        "unconverged": float(missed.mean()),
        "points": int(np.max([part.points.max(initial=0) for part in both])),
    }
    return {Key(f"attribution_{measure}"): Estimate(value, len(attributions)) for measure, value in measured.items()}


def through_gap(attributions: Attributions, articles: Sequence[str]) -> dict[Key, Estimate]:
    """Return the part of the gap (positive minus negative text's score) that words contribute through Z.

    Args:
        attributions: attributions of the positive texts, then of the negative texts.
        articles: articles of the pairs, which are the clusters of intervals.

    Returns:
        ``through_gap``: mean over pairs of the sum through Z of the positive text minus that of the negative text.
        ``attributed_gap``: mean gap of the same pairs. ``through_gap_share``: ratio of the two; it is NaN without a
        gap, and has no interval if the gap may be 0.
    """
    through, gap = (_pair_differences(values) for values in (attributions.tokens["through"].sum(1), attributions.score))
    groups = np.asarray(articles)
    return {
        Key("through_gap"): clustered_mean(through, groups),
        Key("attributed_gap"): clustered_mean(gap, groups),
        Key("through_gap_share"): ratio(through, gap, groups),
    }


def _pair_differences(values: np.ndarray) -> np.ndarray:
    """Return the positive text's value minus the negative text's value for each pair."""
    positive, negative = values.reshape(2, -1)
    return positive - negative


def coverage(attributions: Attributions, norms: Sequence[Norm]) -> dict[Key, Estimate]:
    """Return the share of the sum of |attribution| over words that falls on rated words, by norm and route.

    A correlation with a norm describes only this share. The share is NaN if all attributions are 0.
    """
    words = [word for text in attributions.words for word in text]
    numbers = {}
    for route in attributions.tokens:
        sizes = np.abs(attributions.by_occurrence(route))
        for norm in norms:
            rated, total = np.isfinite(norm.of(words)), sizes.sum()
            share = float(sizes[rated].sum() / total) if total > 0 else float("nan")
            numbers[Key("attribution_coverage", norm=norm.name, route=route)] = Estimate(share, len(attributions))
    return numbers


def content_correlations(
    attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str], *, subset: WordsOf = "content"
) -> dict[Key, Estimate]:
    """Return `correlations` over the types of content words alone.

    Function words are excluded because they have low ratings and small attributions.

    Args:
        attributions: attributions of the positive texts, then of the negative texts.
        norms: norms to correlate with the attributions.
        articles: articles of the pairs.
        subset: name of these words in the keys.
    """
    return correlations(attributions, norms, articles, only=is_content, subset=subset)


def _second_baseline(
    attributions: Attributions, from_content: Attributions, norms: Sequence[Norm], articles: Sequence[str]
) -> dict[Key, Estimate]:
    """Compare attributions from two baselines: correlations with norms under the second one, and agreement of both.

    Args:
        attributions: attributions from padding.
        from_content: attributions of the same texts from the second baseline.
        norms: norms to correlate with the attributions.
        articles: articles of the pairs of these texts.

    Returns:
        ``r`` by norm and route: `content_correlations` from the second baseline. ``baseline_agreement``: correlation of
        both attributions through Z over occurrences of content words. ``score_baseline_content``: mean score of the
        second baseline. The score of a neutral baseline would equal the score of a text that is unrelated to the image.
    """
    content = [is_content(word) for text in attributions.words for word in text]
    both = [part.by_occurrence("through")[content] for part in (attributions, from_content)]
    chosen = replace(from_content, tokens={route: from_content.tokens[route] for route in CONTENT_ROUTES})
    measures = content_correlations(chosen, norms, articles, subset="content_baseline")
    correlated = {key: number for key, number in measures.items() if key.measure == "r"}  # words are already counted
    agreement = {Key("baseline_agreement"): Estimate(pearson(*both), sum(content))}
    return correlated | agreement | _means({"score_baseline_content": from_content.baseline_score})
