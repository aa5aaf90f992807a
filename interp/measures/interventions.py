"""Measures of interventions: IIA, shifts, controls, and further evidence."""

from __future__ import annotations

from collections.abc import Sequence

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures.names import MethodName
from interp.measures.number import Key
from interp.measures.schema import COUNT, LOST, PLAIN, R2, SCORE, SHARE, Measure

# the largest and the smallest subspace -> title
CEILINGS = {"whole": "the whole stream, paired", "size0": "nothing"}


def iia(contrast: Contrast, both: str) -> list[Measure]:
    """Declare IIA of Z: the mean of both directions, with the title `both`, and each direction."""
    return [Measure(Key("iia"), both, SHARE, interval=True), *_by_direction("", "IIA", contrast)]


def controls(methods: Sequence[MethodName], contrast: Contrast) -> list[Measure]:
    """Declare IIA of the control subspaces, and the lead of Z over each of them on the same sources."""
    titles = {method.column: method.title for method in methods} | CEILINGS
    out = []
    for name, title in titles.items():
        out.append(Measure(Key("iia", name), f"IIA of {title}", SHARE, interval=True))
        out += _by_direction(name, f"IIA of {title}", contrast)
    for method in methods:
        name, title = method.column, method.title
        out += [
            Measure(Key("r2_own", name), f"R² of the own gaps of {title}", R2, interval=True),
            Measure(Key("iia_over", name), f"IIA above that of {title}", SHARE, interval=True),
            Measure(Key("r2_own_over", name), f"R² of the own gaps above that of {title}", R2, interval=True),
        ]
    return out


def _by_direction(subspace: str, title: str, contrast: Contrast) -> list[Measure]:
    """Declare IIA of a subspace in each direction."""
    return [
        Measure(Key("iia", subspace, direction=way), f"{title}, {contrast.swap(way)}", SHARE, interval=True)
        for way in DIRECTIONS
    ]


def shifts(contrast: Contrast) -> list[Measure]:
    """Declare the mean change of the score in each direction."""
    return [
        Measure(Key("shift", direction=way), f"Mean change of score, {contrast.swap(way)}", SCORE) for way in DIRECTIONS
    ]


def evidence(contrast: Contrast) -> list[Measure]:
    """Declare the evidence beyond IIA for a preference, and for Z as the place of the preference.

    `interp.evidence` measures the evidence.
    """
    gap = f"mean score of {contrast.a_positive} minus that of its {contrast.negative}"
    ratios = [
        Measure(
            Key("ratio", direction=way),
            f"Mean change of score over the gap, {contrast.swap(way)}",
            PLAIN,
            interval=True,
        )
        for way in DIRECTIONS
    ]
    intervals = [
        ("neutral_preference", "Preference accuracy where Z of every text has one neutral value", SHARE),
        ("neutral_gap", "Gap where Z of every text has one neutral value", SCORE),
        ("gap_left", "Share of the gap that is left with a neutral Z", PLAIN),
        ("preference_left", "Share of the preference above 50 % that is left with a neutral Z", PLAIN),
        ("retrieval_left", "Share of retrieval above chance that is left with a neutral Z", PLAIN),
        ("gap_kept_within", "Share of the gap that is left with Z of other texts of the same kind", PLAIN),
    ]
    beyond = {"random": "random subspaces", "pca": "principal components"}
    costs = [
        ("elsewhere", "Change of score with other images, divided by the change with the text's own image", PLAIN),
        ("swap_retrieval_lost", "Retrieval of the text's own image lost by a swap of Z", LOST),
        ("swap_transfer_lost", "Zero-shot accuracy lost by Z of other texts in the prompts", LOST),
        ("auc", "AUC: swaps across kinds move scores further than swaps within a kind", SHARE),
        ("single_share", "Share of the shift that the best single direction of Z has", PLAIN),
    ]
    return [
        Measure(Key("gap"), f"Gap: {gap}", SCORE, interval=True),
        Measure(Key("gap_sd"), "Standard deviation of the gaps of single pairs", SCORE),
        Measure(
            Key("gap_train"), "Gap of the train pairs, which changes of score are compared with", SCORE, interval=True
        ),
        *ratios,
        Measure(Key("r2_own"), "Calibration: R² of the own gap of each pair", R2, interval=True),
        Measure(Key("r2"), "Calibration: R² of the mean gap", R2, interval=True),
        *(Measure(Key(name), title, unit, interval=True) for name, title, unit in intervals),
        *(
            Measure(
                Key("left_below", name),
                f"Share of the gap that a neutral Z takes beyond neutral {title}",
                PLAIN,
                interval=True,
            )
            for name, title in beyond.items()
        ),
        *(Measure(Key(name), title, unit, interval=True) for name, title, unit in costs),
        Measure(Key("single_iia"), "IIA of the best single direction of Z", SHARE),
        Measure(
            Key("r2", "whole"),
            "R² of the gaps when the whole stream is taken from the other text of the pair",
            PLAIN,
            interval=True,
        ),
        Measure(Key("percentile_iia", "random"), "Random subspaces that have a lower IIA", SHARE),
        Measure(Key("percentile_r2_own", "random"), "Random subspaces that have a lower R² of the own gaps", SHARE),
        Measure(
            Key("traits_r2"),
            "Part of what Z does within a kind that length, names and word frequency explain",
            PLAIN,
            interval=True,
        ),
        Measure(Key("equal_gap"), "Gap of the pairs whose texts are equally long", SCORE, interval=True),
        Measure(Key("converged"), "Convergence of the search for Z: 1 if it converged", COUNT),
        Measure(Key("within_error"), "Part of 1 - R² that comes from swaps within a kind", PLAIN),
    ]
