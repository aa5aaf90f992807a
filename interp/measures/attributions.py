"""What is measured of attributions: correlations with norms, and what they are worth."""

from __future__ import annotations

from collections.abc import Sequence

from interp.data.contrast import Contrast
from interp.measures.names import CONTENT_ROUTES, EVERYWHERE, MEASURED, PAGE
from interp.measures.schema import CORRELATION, COUNT, SCORE, SHARE, SIGNED_SHARE, Measure

RELATIONS = {  # stem of the measure of a norm and a route -> its title; tables show them in this order
    "r": "Correlation with",
    "disattenuated": "Correlation of expected attribution with",
    "rho": "Spearman's correlation with",
    "partial": "Correlation, given frequency, length and kind, with",
    "beta": "Standardized coefficient, all norms together, of",
}


def norm_measures(norm: str, number: int) -> list[Measure]:
    """Correlations with a norm; those with later norms, and by later routes, are spared first."""
    return [
        Measure(
            f"r_{norm}_{route}",
            f"Correlation with {norm}, attributions {route}",
            CORRELATION,
            route,
            above=norm,
            spare=number * len(MEASURED) + place,
            alone=f"{norm}, {route}",
            brief=f"r, {norm}, {route}",
            family=f"r_{norm}",
            interval=True,
            ends=route == MEASURED[0],
            shown=EVERYWHERE,
        )
        for place, route in enumerate(MEASURED)
    ]


def attribution_measures(contrast: Contrast, norms: Sequence[str]) -> list[Measure]:
    """What attributions are worth, beside their correlations with norms; `interp.attribution.measures` computes it."""
    out = [
        Measure(
            "through_gap",
            f"Sum of attributions through Z, {contrast.positive} minus {contrast.negative}",
            SCORE,
            "gap through Z",
            interval=True,
            shown=PAGE,
        ),
        Measure(
            "through_gap_share",
            "Share of the attributed pairs' gap that goes through Z",
            SIGNED_SHARE,
            "share of the gap",
            interval=True,
            shown=PAGE,
        ),
        Measure(
            "baseline_agreement",
            "Correlation of attributions through Z from two baselines, over content words",
            CORRELATION,
            "baselines agree",
            shown=PAGE,
        ),
        Measure(
            "attributed_gap",
            f"Gap of the attributed pairs, {contrast.positive} minus {contrast.negative}",
            SCORE,
            interval=True,
        ),
        Measure("score_text", "Mean score of the attributed texts", SCORE),
        Measure("score_baseline_padding", "Mean score of the baseline BOS, padding, EOT", SCORE),
        Measure("score_baseline_content", "Mean score of the baseline with padding for content words", SCORE),
        Measure("attribution_delta", "Largest error of a text's sum of attributions", SCORE),
        Measure(
            "attribution_delta_relative", "Largest error of a text's sum, relative to its difference of scores", SHARE
        ),
        Measure("attribution_unconverged", "Texts whose attributions did not converge", SHARE),
        Measure("attribution_points", "Most points of a path integral", COUNT),
    ]
    out += relation_measures(norms)
    for norm in norms:
        out.append(Measure(f"n_{norm}_content", f"types of content words with a rating of {norm}", COUNT))
        for route in MEASURED:
            out.append(
                Measure(
                    f"attribution_coverage_{norm}_{route}",
                    f"Share of |attribution| {route} on words with a rating of {norm}",
                    SHARE,
                )
            )
            out.append(
                Measure(
                    f"r_{norm}_{route}_content",
                    f"Correlation with {norm}, attributions {route}, content words alone",
                    CORRELATION,
                    interval=True,
                )
            )
        out += [
            Measure(
                f"r_{norm}_{route}_content_baseline",
                f"Correlation with {norm}, attributions {route}, content words alone, from the baseline without them",
                CORRELATION,
                interval=True,
            )
            for route in CONTENT_ROUTES
        ]
    return out


def relation_measures(norms: Sequence[str]) -> list[Measure]:
    """Declare further relations of attributions and norms; `interp.attribution.norms` computes them."""
    out = [Measure("n_every_norm", "word types with a rating of every norm", COUNT)] if len(norms) > 1 else []
    for norm in norms:
        rated = f"word types in two articles with a rating of {norm}"
        out.append(Measure(f"n_repeated_{norm}", rated, COUNT))
        for route in MEASURED:
            title = f"Reliability over articles of mean attribution {route}, {rated}"
            out.append(Measure(f"reliability_{norm}_{route}", title, SIGNED_SHARE))
            out += [
                Measure(f"{stem}_{norm}_{route}", f"{about} {norm}, attributions {route}", CORRELATION, interval=True)
                for stem, about in RELATIONS.items()
                if stem != "r" and (stem != "beta" or len(norms) > 1)
            ]
    return out
