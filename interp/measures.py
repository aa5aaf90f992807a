"""What is measured: key, unit and place of every number in a run folder, declared once and read everywhere. No torch.

A key names a column of results.csv; with ``_low`` and ``_high`` behind it, the ends of its 95 % interval. Tables,
heatmaps, pages, figures and notebooks know a measure by this schema, and guess nothing from its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from interp.data.contrast import DIRECTIONS, Contrast
from interp.schema import (
    CORRELATION,
    COUNT,
    LOST,
    NATS,
    PLAIN,
    R2,
    SCORE,
    SHARE,
    SIGNED_SHARE,
    Measure,
    Schema,
    Unit,
    Where,
)

Route = Literal["through", "around", "bypass", "full"]  # of attributions
MEASURED: tuple[Route, ...] = ("through", "around", "full")  # what sweeps and evaluations report
CONTENT_ROUTES: tuple[Route, ...] = ("through", "full")  # what is also measured from the second baseline


class MethodName(NamedTuple):
    """What a way to find a subspace is called.

    Attributes:
        key: in options and, with _ for -, in the names of columns.
        heading: of a column.
        title: in words.
    """

    key: str
    heading: str
    title: str

    @property
    def column(self) -> str:
        """Part of the names of columns."""
        return self.key.replace("-", "_")


# of the search, and of what it is compared with; a run of version 0.1 does not say its methods
PAPER_METHODS = (
    MethodName("das", "das", "subspace found by DAS"), MethodName("pca", "pca", "principal components"),
    MethodName("means", "means", "difference in means"), MethodName("random", "random", "random subspaces"),
)  # fmt: skip


CEILINGS = {"whole": "the whole stream, paired", "size0": "nothing"}
# a table that is too wide does without these controls first
SPARED = {"gradient": 12, "pca": 11, "means": 10}

PAGE: frozenset[Where] = frozenset({"page"})
TABLE: frozenset[Where] = frozenset({"table", "page"})
EVERYWHERE: frozenset[Where] = frozenset({"table", "page", "heatmap", "figure"})


def sweep_schema(
    contrast: Contrast, methods: Sequence[MethodName], norms: Sequence[str], *, tuned: bool = False
) -> Schema:
    """What the cells of a sweep hold.

    Args:
        methods: the first one has found each cell's subspace, the others are what it is compared with.
        norms: names of the norms that attributions are correlated with.
        tuned: whether a model was fine-tuned at each cell.
    """
    controls = methods[1:]
    against = tuple(f"iia_{method.column}" for method in controls)
    known = [
        Measure("directions", "Directions that were found", COUNT, "found", shown=TABLE, against=("size",),
                unless="size"),
        *_iia("iia", contrast, "mean of both directions", against=(*against, "iia_whole", "iia_size0")),
        *(_control(method) for method in controls),
        *_shifts(contrast),
        *_evidence(contrast),
        Measure("preference", "Preference accuracy of the model", SHARE, "pref", brief="preference", family="share",
                interval=True, shown=EVERYWHERE, against=("50 %",)),
        *(one for number, norm in enumerate(norms) for one in _norm(norm, number)),
    ]  # fmt: skip
    if tuned:
        known += _tuned(contrast, controls, norms)
    return Schema((*known, *_unshown(contrast, controls, norms), *_attributions(contrast, norms)))


def _iia(stem: str, contrast: Contrast, both: str, *, against: tuple[str, ...]) -> list[Measure]:
    out = [Measure(stem, f"IIA on held-out pairs, {both}", SHARE, "IIA", family="share", interval=True,
                   shown=EVERYWHERE, against=against)]  # fmt: skip
    for direction in DIRECTIONS:
        arrow = contrast.arrow(direction)
        out.append(Measure(
            f"{stem}_{contrast.short(direction)}", f"IIA, {contrast.swap(direction)}", SHARE, arrow,
            narrow=contrast.narrow(direction), alone=f"IIA {arrow}", family="share", interval=True, shown=EVERYWHERE,
            against=against,
        ))  # fmt: skip
    return out


def _control(method: MethodName) -> Measure:
    return Measure(f"iia_{method.column}", f"IIA of {method.title}", SHARE, method.heading,
                   alone=f"IIA {method.heading}", family="controls", spare=SPARED.get(method.key, 0),
                   interval=True, shown=EVERYWHERE, against=("iia",))  # fmt: skip


def _evidence(contrast: Contrast) -> list[Measure]:
    """Whether there is a preference, and whether it is in Z: what IIA does not see. `interp.evidence` measures it."""
    ratios = [
        Measure(f"ratio_{contrast.short(one)}", f"Mean change of score over the gap, {contrast.swap(one)}", PLAIN,
                contrast.arrow(one), narrow=contrast.narrow(one), above="shift / gap",
                alone=f"shift / gap {contrast.arrow(one)}", interval=True, shown=TABLE, spare=8)
        for one in DIRECTIONS
    ]  # fmt: skip
    return [
        Measure("gap", f"Gap: mean score of a {contrast.positive} minus that of its {contrast.negative}", SCORE, "gap",
                interval=True, shown=PAGE, against=("0",)),
        *ratios,
        Measure("r2", "Calibration: R² of what a swap of Z should do to scores", R2, "R²", family="r2", interval=True,
                shown=EVERYWHERE, against=("1",)),
        Measure("neutral_preference", "Preference accuracy where Z of every text has one neutral value", SHARE,
                "neutral", family="share", interval=True, shown=EVERYWHERE, against=("50 %",)),
        Measure("neutral_gap", "Gap where Z of every text has one neutral value", SCORE, "neutral gap", interval=True,
                shown=PAGE, against=("0",)),
        Measure("gap_left", "Share of the gap that is left with a neutral Z", PLAIN, "gap left", interval=True,
                shown=PAGE, against=("0",)),
        Measure("elsewhere", "Change of score with other images, over that with the text's own", PLAIN, "elsewhere",
                interval=True, shown=PAGE, against=("0",)),
        Measure("swap_retrieval_lost", "Retrieval of the text's own image that a swap of Z costs", LOST,
                "retrieval swapped", interval=True, shown=PAGE, change=True),
        Measure("auc", "AUC: swaps across kinds move scores further than swaps within a kind", SHARE, "AUC",
                interval=True, shown=PAGE, against=("50 %",)),
        Measure("single_share", "Share of the shift that the best single direction of Z has", PLAIN, "one direction",
                interval=True, shown=PAGE),
        Measure("single_iia", "IIA of the best single direction of Z", SHARE, "IIA, one direction", shown=PAGE),
        Measure("r2_whole", "R² of the gaps when the whole stream is taken from the other text of the pair", PLAIN,
                "R² whole", interval=True, shown=PAGE, against=("1",)),
        Measure("percentile_iia_random", "Random subspaces that have a lower IIA", SHARE, "above random, IIA",
                shown=PAGE),
        Measure("percentile_r2_random", "Random subspaces that have a lower R²", SHARE, "above random, R²", shown=PAGE),
        Measure("gap_train", "Gap of the train pairs", SCORE),
        Measure("within_error", "Part of 1 - R² that comes from swaps within a kind", PLAIN),
    ]  # fmt: skip


def evidence_keys(contrast: Contrast) -> list[str]:
    """The keys of the measures that a verdict stands on, in the order of its questions."""
    return [one.key for one in _evidence(contrast) if "page" in one.shown]


def _shifts(contrast: Contrast) -> list[Measure]:
    return [
        Measure(f"shift_{contrast.short(direction)}", f"Mean change of score, {contrast.swap(direction)}", SCORE,
                contrast.arrow(direction), narrow=contrast.narrow(direction), above="shift",
                alone=f"shift {contrast.arrow(direction)}", family="shift", shown=EVERYWHERE)
        for direction in DIRECTIONS
    ]  # fmt: skip


def _norm(norm: str, number: int) -> list[Measure]:
    """Correlations with a norm; those with later norms, and by later routes, are spared first."""
    return [
        Measure(f"r_{norm}_{route}", f"Correlation with {norm}, attributions {route}", CORRELATION, route,
                above=norm, spare=number * len(MEASURED) + place, alone=f"{norm}, {route}", brief=f"r, {norm}, {route}",
                family=f"r_{norm}", interval=True, ends=route == MEASURED[0], shown=EVERYWHERE)
        for place, route in enumerate(MEASURED)
    ]  # fmt: skip


def _tuned(contrast: Contrast, controls: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """Of the model that is fine-tuned at a cell, with the alignment trained in it."""
    preference = Measure("preference", "preference accuracy", SHARE, "pref", brief="preference", family="share",
                         interval=True, ends=True, shown=EVERYWHERE)  # fmt: skip
    iias = [replace(one, above="IIA") for one in _iia("iia", contrast, "", against=())[1:]]
    shifts = [replace(one, shown=PAGE) for one in _shifts(contrast)]
    lost = [
        Measure("transfer_drop", "zero-shot accuracy lost against the base", LOST, "transfer", narrow="transf.",
                above="change", brief="transfer lost", family="drop", interval=True, shown=EVERYWHERE,
                change=True),
        Measure("retrieval_drop", "retrieval lost against the base", LOST, "retrieval", narrow="retr.",
                above="change", brief="retrieval lost", family="drop", interval=True, shown=EVERYWHERE,
                change=True),
    ]  # fmt: skip
    words = []
    for number, norm in enumerate(norms):
        through, *others = _norm(norm, number)
        words += [through, *(replace(one, shown=TABLE) for one in others)]
    rest = [
        Measure("preference_val", "preference accuracy on validation pairs", SHARE, "pref on val", shown=PAGE),
        Measure("preference_val_se", "standard error of preference accuracy on validation pairs", SHARE, "its error",
                shown=PAGE),
        Measure("retrieval_rise_val", "rise of the cross-entropy of retrieval on validation pairs", NATS,
                "retrieval on val, nats", shown=PAGE),
        Measure("val_loss", "loss on val", NATS),
        Measure("iia", "IIA, mean of both directions", SHARE, interval=True),
    ]  # fmt: skip
    beside = [replace(_control(method), shown=frozenset()) for method in controls]
    beside += [one for method in controls for one in _beyond(method)]
    beside += _by_direction({**{method.column: method.title for method in controls}, **CEILINGS}, contrast)
    beside += [Measure(f"iia_{key}", f"IIA of {title}", SHARE, interval=True) for key, title in CEILINGS.items()]
    attributed = [one for one in _attributions(contrast, norms) if not one.key.startswith("n_")]  # the same word types
    return [
        replace(
            one, key=f"tuned_{one.key}", title=f"Trained: {_lower(one.title)}",
            brief=f"trained: {one.brief or one.name}",
            family="tuned r" if one.family.startswith("r_") else f"tuned {one.family}", tuned=True,
            against=("the base",),
        )
        for one in [
            preference, *iias, *shifts, *_evidence(contrast), *lost, *words, *rest, *beside, *attributed,
        ]
    ]  # fmt: skip


def _lower(title: str) -> str:
    """Without a capital in front, unless it begins with an abbreviation."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _unshown(contrast: Contrast, controls: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """Measures that the terminal does not show; the page and the choice of a cell use some of them."""
    names = {method.column: method.title for method in controls} | CEILINGS
    out = [
        Measure("iia_val", "IIA on validation pairs", SHARE, "IIA on val", shown=PAGE),
        Measure("iia_val_se", "standard error of IIA on validation pairs", SHARE, "error of IIA on val", shown=PAGE),
        Measure("das_val_loss", "loss of the search on val", NATS, "loss on val", shown=PAGE),
    ]
    out += [Measure(f"iia_{key}", f"IIA of {title}", SHARE, interval=True) for key, title in CEILINGS.items()]
    out += [one for method in controls for one in _beyond(method)]
    out += _by_direction(names, contrast)
    out += [Measure(f"n_{norm}", f"word types with a rating of {norm}", COUNT) for norm in norms]
    return [
        *out,
        Measure("test_pairs", "pairs that are measured", COUNT),
        Measure("das_steps", "steps of the search", COUNT),
        Measure("seconds", "time", Unit(1.0, ".1f")),
    ]


def _by_direction(names: Mapping[str, str], contrast: Contrast) -> list[Measure]:
    """IIA in each direction, of subspaces by part of a column's name and title."""
    return [
        Measure(f"iia_{key}_{contrast.short(one)}", f"IIA of {title}, {contrast.swap(one)}", SHARE, interval=True)
        for key, title in names.items()
        for one in DIRECTIONS
    ]


def _beyond(method: MethodName) -> list[Measure]:
    """By how much the cell's own subspace exceeds a control, on the same bases and sources."""
    return [
        Measure(f"r2_{method.column}", f"R² of {method.title}", R2, interval=True),
        Measure(f"iia_over_{method.column}", f"IIA above that of {method.title}", SHARE, interval=True),
        Measure(f"r2_over_{method.column}", f"R² above that of {method.title}", R2, interval=True),
    ]


def _attributions(contrast: Contrast, norms: Sequence[str]) -> list[Measure]:
    """What attributions are worth, beside their correlations with norms; `interp.attribution.measures` computes it."""
    out = [
        Measure("through_gap", f"Sum of attributions through Z, {contrast.positive} minus {contrast.negative}", SCORE,
                "gap through Z", shown=PAGE),
        Measure("through_gap_share", "Share of the attributed pairs' gap that goes through Z", SIGNED_SHARE,
                "share of the gap", shown=PAGE),
        Measure("baseline_agreement", "Correlation of attributions through Z from two baselines, over content words",
                CORRELATION, "baselines agree", shown=PAGE),
        Measure("attributed_gap", f"Gap of the attributed pairs, {contrast.positive} minus {contrast.negative}", SCORE),
        Measure("score_text", "Mean score of the attributed texts", SCORE),
        Measure("score_baseline_padding", "Mean score of the baseline BOS, padding, EOT", SCORE),
        Measure("score_baseline_content", "Mean score of the baseline with padding for content words", SCORE),
        Measure("attribution_delta", "Largest error of a text's sum of attributions", SCORE),
        Measure("attribution_delta_relative", "Largest error of a text's sum, relative to its difference of scores",
                SHARE),
        Measure("attribution_unconverged", "Texts whose attributions did not converge", SHARE),
        Measure("attribution_points", "Most points of a path integral", COUNT),
    ]  # fmt: skip
    for norm in norms:
        out.append(Measure(f"n_{norm}_content", f"types of content words with a rating of {norm}", COUNT))
        for route in MEASURED:
            out.append(Measure(f"attribution_coverage_{norm}_{route}",
                               f"Share of |attribution| {route} on words with a rating of {norm}", SHARE))  # fmt: skip
            out.append(Measure(f"r_{norm}_{route}_content", f"Correlation with {norm}, attributions {route}, content "
                               "words alone", CORRELATION, interval=True))  # fmt: skip
        out += [
            Measure(f"r_{norm}_{route}_content_baseline", f"Correlation with {norm}, attributions {route}, content "
                    "words alone, from the baseline without them", CORRELATION, interval=True)
            for route in CONTENT_ROUTES
        ]  # fmt: skip
    return out


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
    related.append("pearson of length")
    for method in ("pearson", "spearman"):
        related += [method, f"{method} given length", f"{method} more than the other"]
    units = {SHARE: shares, SCORE: scores, replace(CORRELATION, form="+.3f"): related, COUNT: ["most points"]}
    return Schema(tuple(
        Measure(name, name, unit, interval=True, shown=TABLE) for unit, names in units.items() for name in names
    ))  # fmt: skip
