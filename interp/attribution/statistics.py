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
    """Compute all measures of the attributions of some pairs' texts, as `interp.measures` declares them.

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
        | _means({"score_text": attributions.score, "score_baseline_padding": attributions.baseline_score})
    )


def _means(values: Mapping[str, np.ndarray]) -> dict[Key, Estimate]:
    return {Key(measure): Estimate(float(each.mean()), len(each)) for measure, each in values.items()}


def convergence(
    found: Attributions, from_content: Attributions | None = None, rows: Sequence[int] = ()
) -> dict[Key, Estimate]:
    """Return how far sums of attributions miss differences of scores, and how many points the path integrals took.

    Args:
        found: attributions of all texts.
        from_content: attributions of some of the texts from the second baseline. A text has converged if it has
            converged from each of its baselines.
        rows: numbers of these texts.
    """
    both = [found] if from_content is None else [found, from_content]
    missed = found.relative_delta > TOLERANCE
    if from_content is not None:
        missed[list(rows)] |= from_content.relative_delta > TOLERANCE
    measured = {
        "delta": float(np.max([np.abs(one.delta).max(initial=0.0) for one in both])),
        "delta_relative": float(np.max([one.relative_delta.max(initial=0.0) for one in both])),
        "unconverged": float(missed.mean()),
        "points": int(np.max([one.points.max(initial=0) for one in both])),
    }
    return {Key(f"attribution_{measure}"): Estimate(value, len(found)) for measure, value in measured.items()}


def through_gap(attributions: Attributions, articles: Sequence[str]) -> dict[Key, Estimate]:
    """Return how much of the gap, the positive text's score minus the negative one's, words contribute through Z.

    Args:
        attributions: attributions of the positive texts, then of the negative texts.
        articles: articles of the pairs, which are the clusters of intervals.

    Returns:
        ``through_gap``: mean over pairs of the sum through Z of the positive text minus that of the negative text.
        ``attributed_gap``: mean gap of the same pairs. ``through_gap_share``: ratio of the two; it is NaN without a
        gap, and has no interval if the gap may be 0.
    """
    through, gap = (_apart(values) for values in (attributions.tokens["through"].sum(1), attributions.score))
    groups = np.asarray(articles)
    return {
        Key("through_gap"): clustered_mean(through, groups),
        Key("attributed_gap"): clustered_mean(gap, groups),
        Key("through_gap_share"): ratio(through, gap, groups),
    }


def _apart(values: np.ndarray) -> np.ndarray:
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
    attributions: Attributions, norms: Sequence[Norm], articles: Sequence[str], *, of: WordsOf = "content"
) -> dict[Key, Estimate]:
    """Return `correlations` over the types of content words alone.

    Function words are excluded because they have low ratings and small attributions.

    Args:
        attributions: attributions of the positive texts, then of the negative texts.
        norms: norms to correlate with the attributions.
        articles: articles of the pairs.
        of: name of these words in the keys.
    """
    return correlations(attributions, norms, articles, only=is_content, of=of)


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
        second baseline. The score of a neutral baseline would equal that of a text that says nothing about the image.
    """
    content = [is_content(word) for text in attributions.words for word in text]
    both = [one.by_occurrence("through")[content] for one in (attributions, from_content)]
    chosen = replace(from_content, tokens={route: from_content.tokens[route] for route in CONTENT_ROUTES})
    found = content_correlations(chosen, norms, articles, of="content_baseline")
    correlated = {key: number for key, number in found.items() if key.measure == "r"}  # the words are counted already
    agreement = {Key("baseline_agreement"): Estimate(pearson(*both), sum(content))}
    return correlated | agreement | _means({"score_baseline_content": from_content.baseline_score})
