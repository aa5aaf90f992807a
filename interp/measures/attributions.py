"""Measures of attributions: correlations with norms, and the checks that correlations need."""

from __future__ import annotations

from collections.abc import Sequence

from interp.data.contrast import Contrast
from interp.measures.names import CONTENT_ROUTES, MEASURED
from interp.measures.number import Key
from interp.measures.schema import CORRELATION, COUNT, SCORE, SHARE, SIGNED_SHARE, Measure

WITH_COVARIATES = "glasgow-imageability"  # norm whose file has covariates
RELATIONS = {  # measure of a norm and a route -> its title; tables show them in this order
    "r": "Correlation with",
    "disattenuated": "Correlation of expected attribution with",
    "rho": "Spearman's correlation with",
    "partial": "Correlation, given frequency, length and kind, with",
    "held": "Correlation, given also familiarity and age of acquisition, with",
    "beta": "Standardized coefficient, all norms together, of",
}


def relations(norms: Sequence[str]) -> list[str]:
    """Return the names of the measured relations to norms."""
    omitted = {"beta"} if len(norms) < 2 else set[str]()
    return [name for name in RELATIONS if name not in omitted | (set() if WITH_COVARIATES in norms else {"held"})]


def attributions(contrast: Contrast, norms: Sequence[str]) -> list[Measure]:
    """Declare the measures of a model's attributions, which `interp.attribution.statistics` computes."""
    pair = f"{contrast.positive} minus {contrast.negative}"
    out = [
        Measure(Key("through_gap"), f"Sum of attributions through Z, {pair}", SCORE, interval=True),
        Measure(
            Key("through_gap_share"),
            "Share of the attributed pairs' gap that goes through Z",
            SIGNED_SHARE,
            interval=True,
        ),
        Measure(
            Key("baseline_agreement"),
            "Correlation of attributions through Z from two baselines, over content words",
            CORRELATION,
        ),
        Measure(Key("attributed_gap"), f"Gap of the attributed pairs, {pair}", SCORE, interval=True),
        Measure(Key("score_text"), "Mean score of the attributed texts", SCORE),
        Measure(Key("score_baseline_padding"), "Mean score of the baseline BOS, padding, EOT", SCORE),
        Measure(Key("score_baseline_content"), "Mean score of the baseline with padding for content words", SCORE),
        Measure(Key("attribution_delta"), "Largest error of a text's sum of attributions", SCORE),
        Measure(
            Key("attribution_delta_relative"),
            "Largest error of a text's sum, relative to its difference of scores",
            SHARE,
        ),
        Measure(Key("attribution_unconverged"), "Texts whose attributions did not converge", SHARE),
        Measure(Key("attribution_points"), "Most points of a path integral", COUNT),
    ]
    for norm in norms:
        out += _norm_measures(norm, relations(norms))
    return out


def _norm_measures(norm: str, related: Sequence[str]) -> list[Measure]:
    """Declare the measures of a norm: correlations, reliability and coverage."""
    out = []
    rated = f"rating of {norm}"
    for route in MEASURED:
        for name in related:
            counts = {"disattenuated": "n_repeated", "beta": "n_every_norm", "held": "n_held"}
            count = Key(counts.get(name, "n"), norm="" if name == "beta" else norm)
            title = f"{RELATIONS[name]} {norm}, attributions {route}"
            out.append(Measure(Key(name, norm=norm, route=route), title, CORRELATION, interval=True, count=count))
        reliable = f"Reliability over articles of mean attribution {route}, word types in two articles with a {rated}"
        covered = f"Share of |attribution| {route} on words with a {rated}"
        content = f"Correlation with {norm}, attributions {route}, content words alone"
        out += [
            Measure(
                Key("reliability", norm=norm, route=route), reliable, SIGNED_SHARE, count=Key("n_repeated", norm=norm)
            ),
            Measure(Key("attribution_coverage", norm=norm, route=route), covered, SHARE),
            _content(Key("r", norm=norm, route=route, words="content"), content),
        ]
        if route in CONTENT_ROUTES:
            second = f"{content}, from the baseline without them"
            out.append(_content(Key("r", norm=norm, route=route, words="content_baseline"), second))
    return out


def _content(key: Key, title: str) -> Measure:
    """Declare a correlation over content words."""
    return Measure(key, title, CORRELATION, interval=True, count=Key("n", norm=key.norm, words="content"))


def is_word_count(key: Key) -> bool:
    """Return whether a number counts word types; a count depends on texts and norms, but not on a model."""
    return key.measure in ("n", "n_repeated", "n_every_norm", "n_held")


def word_counts(norms: Sequence[str]) -> list[Measure]:
    """Declare the numbers of word types with ratings of norms."""
    out = [Measure(Key("n_every_norm"), "word types with a rating of every norm", COUNT)] if len(norms) > 1 else []
    for norm in norms:
        if WITH_COVARIATES in norms:
            title = f"word types with a rating of {norm}, of familiarity and of age of acquisition"
            out.append(Measure(Key("n_held", norm=norm), title, COUNT))
        out += [
            Measure(Key("n", norm=norm), f"word types with a rating of {norm}", COUNT),
            Measure(Key("n", norm=norm, words="content"), f"types of content words with a rating of {norm}", COUNT),
            Measure(Key("n_repeated", norm=norm), f"word types in two articles with a rating of {norm}", COUNT),
        ]
    return out
