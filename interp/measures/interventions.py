"""What is measured of interventions: IIA, shifts, controls, and the evidence beside them."""

from __future__ import annotations

from collections.abc import Mapping

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures.names import EVERYWHERE, PAGE, TABLE, MethodName
from interp.measures.schema import COUNT, LOST, PLAIN, R2, SCORE, SHARE, Measure

CEILINGS = {"whole": "the whole stream, paired", "size0": "nothing"}
# a table that is too wide does without these controls first
_SPARED = {"gradient": 12, "pca": 11, "means": 10}


def iia(stem: str, contrast: Contrast, both: str, *, against: tuple[str, ...]) -> list[Measure]:
    out = [
        Measure(
            stem,
            f"IIA on held-out pairs, {both}",
            SHARE,
            "IIA",
            family="share",
            interval=True,
            shown=EVERYWHERE,
            against=against,
        )
    ]
    for direction in DIRECTIONS:
        arrow = contrast.arrow(direction)
        out.append(
            Measure(
                f"{stem}_{contrast.short(direction)}",
                f"IIA, {contrast.swap(direction)}",
                SHARE,
                arrow,
                narrow=contrast.narrow(direction),
                alone=f"IIA {arrow}",
                family="share",
                interval=True,
                shown=EVERYWHERE,
                against=against,
            )
        )
    return out


def control(method: MethodName) -> Measure:
    return Measure(
        f"iia_{method.column}",
        f"IIA of {method.title}",
        SHARE,
        method.heading,
        alone=f"IIA {method.heading}",
        family="controls",
        spare=_SPARED.get(method.key, 0),
        interval=True,
        shown=EVERYWHERE,
        against=("iia",),
    )


def shifts(contrast: Contrast) -> list[Measure]:
    return [
        Measure(
            f"shift_{contrast.short(direction)}",
            f"Mean change of score, {contrast.swap(direction)}",
            SCORE,
            contrast.arrow(direction),
            narrow=contrast.narrow(direction),
            above="shift",
            alone=f"shift {contrast.arrow(direction)}",
            family="shift",
            shown=EVERYWHERE,
        )
        for direction in DIRECTIONS
    ]


def evidence(contrast: Contrast) -> list[Measure]:
    """Whether there is a preference, and whether it is in Z: what IIA does not see. `interp.evidence` measures it."""
    ratios = [
        Measure(
            f"ratio_{contrast.short(one)}",
            f"Mean change of score over the gap, {contrast.swap(one)}",
            PLAIN,
            contrast.arrow(one),
            narrow=contrast.narrow(one),
            above="shift / gap",
            alone=f"shift / gap {contrast.arrow(one)}",
            interval=True,
            shown=TABLE,
            spare=8,
        )
        for one in DIRECTIONS
    ]
    return [
        Measure(
            "gap",
            f"Gap: mean score of {contrast.a_positive} minus that of its {contrast.negative}",
            SCORE,
            "gap",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure("gap_sd", "Standard deviation of the gaps of single pairs", SCORE, "gap, sd", shown=PAGE),
        Measure(
            "gap_train",
            "Gap of the train pairs, which changes of score are compared with",
            SCORE,
            "gap, train",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        *ratios,
        Measure(
            "r2_own",
            "Calibration: R² of the own gap of each pair",
            R2,
            "R²",
            family="r2",
            interval=True,
            shown=EVERYWHERE,
            against=("1",),
        ),
        Measure(
            "r2",
            "Calibration: R² of the mean gap",
            R2,
            "R², mean gap",
            family="r2",
            interval=True,
            shown=PAGE,
            against=("1",),
        ),
        Measure(
            "neutral_preference",
            "Preference accuracy where Z of every text has one neutral value",
            SHARE,
            "neutral",
            family="share",
            interval=True,
            shown=EVERYWHERE,
            against=("50 %",),
        ),
        Measure(
            "neutral_gap",
            "Gap where Z of every text has one neutral value",
            SCORE,
            "neutral gap",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "gap_left",
            "Share of the gap that is left with a neutral Z",
            PLAIN,
            "gap left",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "preference_left",
            "Share of the preference above 50 % that is left with a neutral Z",
            PLAIN,
            "preference left",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "retrieval_left",
            "Share of retrieval above chance that is left with a neutral Z",
            PLAIN,
            "retrieval left",
            interval=True,
            shown=PAGE,
            against=("1",),
        ),
        Measure(
            "gap_kept_within",
            "Share of the gap that is left with Z of other texts of the same kind",
            PLAIN,
            "gap left, same kind",
            interval=True,
            shown=PAGE,
            against=("1",),
        ),
        Measure(
            "left_below_random",
            "Share of the gap that a neutral Z takes beyond neutral random subspaces",
            PLAIN,
            "gap taken beyond random",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "left_below_pca",
            "Share of the gap that a neutral Z takes beyond neutral principal components",
            PLAIN,
            "gap taken beyond pca",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "elsewhere",
            "Change of score with other images, over that with the text's own",
            PLAIN,
            "elsewhere",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "swap_retrieval_lost",
            "Retrieval of the text's own image lost by a swap of Z",
            LOST,
            "retrieval swapped",
            interval=True,
            shown=PAGE,
            change=True,
        ),
        Measure(
            "swap_transfer_lost",
            "Zero-shot accuracy lost by Z of other texts in the prompts",
            LOST,
            "transfer swapped",
            interval=True,
            shown=PAGE,
            change=True,
        ),
        Measure(
            "auc",
            "AUC: swaps across kinds move scores further than swaps within a kind",
            SHARE,
            "AUC",
            interval=True,
            shown=PAGE,
            against=("50 %",),
        ),
        Measure(
            "single_share",
            "Share of the shift that the best single direction of Z has",
            PLAIN,
            "one direction",
            interval=True,
            shown=PAGE,
        ),
        Measure("single_iia", "IIA of the best single direction of Z", SHARE, "IIA, one direction", shown=PAGE),
        Measure(
            "r2_whole",
            "R² of the gaps when the whole stream is taken from the other text of the pair",
            PLAIN,
            "R² whole",
            interval=True,
            shown=PAGE,
            against=("1",),
        ),
        Measure(
            "percentile_iia_random", "Random subspaces that have a lower IIA", SHARE, "above random, IIA", shown=PAGE
        ),
        Measure(
            "percentile_r2_own_random",
            "Random subspaces that have a lower R² of the own gaps",
            SHARE,
            "above random, R²",
            shown=PAGE,
        ),
        Measure(
            "traits_r2",
            "Part of what Z does within a kind that length, names and word frequency explain",
            PLAIN,
            "explained by length",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure(
            "equal_gap",
            "Gap of the pairs whose texts are equally long",
            SCORE,
            "gap, equal length",
            interval=True,
            shown=PAGE,
            against=("0",),
        ),
        Measure("converged", "Whether the search for Z has converged: 1 if so", COUNT, "converged", shown=PAGE),
        Measure("within_error", "Part of 1 - R² that comes from swaps within a kind", PLAIN),
    ]


def evidence_keys(contrast: Contrast) -> list[str]:
    """The keys of the measures that a verdict stands on, in the order of its questions."""
    return [one.key for one in evidence(contrast) if "page" in one.shown]


def by_direction(names: Mapping[str, str], contrast: Contrast) -> list[Measure]:
    """IIA in each direction, of subspaces by part of a column's name and title."""
    return [
        Measure(f"iia_{key}_{contrast.short(one)}", f"IIA of {title}, {contrast.swap(one)}", SHARE, interval=True)
        for key, title in names.items()
        for one in DIRECTIONS
    ]


def beyond(method: MethodName) -> list[Measure]:
    """By how much the cell's own subspace exceeds a control, on the same bases and sources."""
    return [
        Measure(f"r2_own_{method.column}", f"R² of the own gaps of {method.title}", R2, interval=True),
        Measure(f"iia_over_{method.column}", f"IIA above that of {method.title}", SHARE, interval=True),
        Measure(f"r2_own_over_{method.column}", f"R² of the own gaps above that of {method.title}", R2, interval=True),
    ]
