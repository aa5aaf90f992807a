"""Display settings of the measures of a sweep: where each is shown, and under which heading. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import MEASURED, Key, MethodName, evidence
from interp.measures.schema import Schema
from interp.report.layout import CONTROLS, Layout, MeasureDisplay, Where

PAGE: frozenset[Where] = frozenset({"page"})
_TABLE: frozenset[Where] = frozenset({"table", "page"})
EVERYWHERE: frozenset[Where] = frozenset({"table", "page", "heatmap", "figure"})
DROPS = Key("transfer_drop", model="tuned"), Key("retrieval_drop", model="tuned")
# a table that is too wide leaves out these controls first
_SPARED = {"gradient": 12, "pca": 11, "means": 10}
_Look = dict[str, Any]  # fields of `MeasureDisplay`
_HEADINGS = {  # headings of evidence that only the page shows
    Key("gap"): "gap",
    Key("gap_sd"): "gap, sd",
    Key("gap_train"): "gap, train",
    Key("neutral_gap"): "neutral gap",
    Key("gap_left"): "gap left",
    Key("preference_left"): "preference left",
    Key("retrieval_left"): "retrieval left",
    Key("gap_kept_within"): "gap left, same kind",
    Key("left_below", "random"): "gap taken beyond random",
    Key("left_below", "pca"): "gap taken beyond pca",
    Key("elsewhere"): "elsewhere",
    Key("auc"): "AUC",
    Key("single_share"): "one direction",
    Key("single_iia"): "IIA, one direction",
    Key("r2", "whole"): "R² whole",
    Key("percentile_iia", "random"): "above random, IIA",
    Key("percentile_r2_own", "random"): "above random, R²",
    Key("traits_r2"): "explained by length",
    Key("equal_gap"): "gap, equal length",
    Key("converged"): "converged",
}


def sweep_layout(schema: Schema, methods: Sequence[MethodName], norms: Sequence[str]) -> Layout:
    """Lay out the measures of a sweep that a schema has.

    Args:
        schema: measures of the sweep.
        methods: the first method has found each cell's subspace; the others give the subspaces that it is compared
            with.
        norms: names of the norms that attributions are correlated with.
    """
    contrast = schema.contrast
    looks = {**_frozen(contrast, methods[1:], norms), **_tuned(contrast, norms), **_edited(contrast, norms), **_last()}
    return Layout(
        tuple(
            MeasureDisplay(schema[key], schema.columns(schema[key]), **look)
            for key, look in looks.items()
            if key in schema
        )
    )


def _frozen(contrast: Contrast, controls: Sequence[MethodName], norms: Sequence[str]) -> dict[Key, _Look]:
    """Return the display settings of measures of the frozen model."""
    return {
        Key("directions"): _look("found", _TABLE),
        Key("iia"): _look("IIA", EVERYWHERE, family="share"),
        **_iia(contrast),
        **{
            Key("iia", method.column): _look(
                method.heading,
                EVERYWHERE,
                alone=f"IIA {method.heading}",
                family=CONTROLS,
                spare=_SPARED.get(method.key, 0),
            )
            for method in controls
        },
        **_shifts(contrast, EVERYWHERE),
        **_evidence(contrast),
        Key("preference"): _look("pref", EVERYWHERE, brief="preference", family="share"),
        **{key: look for number, norm in enumerate(norms) for key, look in _norm(norm, number).items()},
    }


def _edited(contrast: Contrast, norms: Sequence[str]) -> dict[Key, _Look]:
    """Return the display settings of an edited model that the sweep is not about, which only the page shows."""
    tuned = _tuned(contrast, norms)
    return {replace(key, model="edited"): look | {"where": look["where"] & PAGE} for key, look in tuned.items()}


def _tuned(contrast: Contrast, norms: Sequence[str]) -> dict[Key, _Look]:
    """Return the display settings of measures of the trained model that a sweep is about."""
    lost = {
        Key("transfer_drop"): _look("transfer", EVERYWHERE, narrow="transf.", brief="transfer lost"),
        Key("retrieval_drop"): _look("retrieval", EVERYWHERE, narrow="retr.", brief="retrieval lost"),
    }
    words = {key: look for number, norm in enumerate(norms) for key, look in _norm(norm, number).items()}
    looks = {
        Key("preference"): _look("pref", EVERYWHERE, brief="preference", family="share", ends=True),
        **{key: look | {"above": "IIA"} for key, look in _iia(contrast).items()},
        **_shifts(contrast, PAGE),
        **_evidence(contrast),
        **{key: look | {"above": "change", "family": "drop", "change": True} for key, look in lost.items()},
        **{key: look if key.route == MEASURED[0] else look | {"where": _TABLE} for key, look in words.items()},
        Key("preference_val"): _look("pref on val", PAGE),
        Key("preference_val_se"): _look("its error", PAGE),
        Key("retrieval_rise_val"): _look("retrieval on val, nats", PAGE),
        **_attributions(),
    }
    trained = {}
    for key, look in looks.items():
        brief = look.get("brief") or look.get("alone") or look["heading"]
        family = "tuned r" if key.measure == "r" else f"tuned {look.get('family', '')}"
        trained[replace(key, model="tuned")] = look | {"brief": f"trained: {brief}", "family": family}
    return trained


def _last() -> dict[Key, _Look]:
    """Return the display settings of measures of the frozen model that come last on the page."""
    return {
        Key("iia_val"): _look("IIA on val", PAGE),
        Key("iia_val_se"): _look("error of IIA on val", PAGE),
        Key("das_val_loss"): _look("loss on val", PAGE),
        **_attributions(),
    }


def _attributions() -> dict[Key, _Look]:
    return {
        Key("through_gap"): _look("gap through Z", PAGE),
        Key("through_gap_share"): _look("share of the gap", PAGE),
        Key("baseline_agreement"): _look("baselines agree", PAGE),
    }


def _look(heading: str, where: frozenset[Where], **rest: Any) -> _Look:
    return {"heading": heading, "where": where, **rest}


def _iia(contrast: Contrast) -> dict[Key, _Look]:
    looks = {}
    for way in DIRECTIONS:
        arrow, narrow = contrast.arrow(way), contrast.narrow(way)
        looks[Key("iia", direction=way)] = _look(arrow, EVERYWHERE, narrow=narrow, alone=f"IIA {arrow}", family="share")
    return looks


def _shifts(contrast: Contrast, where: frozenset[Where]) -> dict[Key, _Look]:
    looks = {}
    for way in DIRECTIONS:
        arrow, narrow = contrast.arrow(way), contrast.narrow(way)
        looks[Key("shift", direction=way)] = _look(
            arrow, where, narrow=narrow, above="shift", alone=f"shift {arrow}", family="shift"
        )
    return looks


def _norm(norm: str, number: int) -> dict[Key, _Look]:
    """Return the display settings of correlations with a norm; later norms and later routes are left out first."""
    return {
        Key("r", norm=norm, route=route): _look(
            route,
            EVERYWHERE,
            above=norm,
            spare=number * len(MEASURED) + place,
            alone=f"{norm}, {route}",
            brief=f"r, {norm}, {route}",
            family=f"r_{norm}",
            ends=route == MEASURED[0],
        )
        for place, route in enumerate(MEASURED)
    }


def _evidence(contrast: Contrast) -> dict[Key, _Look]:
    """Return the display settings of evidence in the order of the verdict's questions, which is that of the schema."""
    ratios = {
        Key("ratio", direction=way): _look(
            contrast.arrow(way),
            _TABLE,
            narrow=contrast.narrow(way),
            above="shift / gap",
            alone=f"shift / gap {contrast.arrow(way)}",
            spare=8,
        )
        for way in DIRECTIONS
    }
    looks = ratios | {
        Key("r2_own"): _look("R²", EVERYWHERE, family="r2"),
        Key("r2"): _look("R², mean gap", PAGE, family="r2"),
        Key("neutral_preference"): _look("neutral", EVERYWHERE, family="share"),
        Key("swap_retrieval_lost"): _look("retrieval swapped", PAGE, change=True),
        Key("swap_transfer_lost"): _look("transfer swapped", PAGE, change=True),
    }
    looks |= {key: _look(heading, PAGE) for key, heading in _HEADINGS.items()}
    order = [measure.key for measure in evidence(contrast)]
    return {key: looks[key] for key in order if key in looks}


def evidence_keys(contrast: Contrast) -> list[Key]:
    """Return the keys of the measures that a verdict is based on, in the order of its questions."""
    return list(_evidence(contrast))
