"""All that the cells of a sweep hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from interp.data.contrast import Contrast
from interp.measures.attributions import attribution_measures, norm_measures
from interp.measures.interventions import CEILINGS, beyond, by_direction, control, evidence, iia, shifts
from interp.measures.names import EVERYWHERE, PAGE, TABLE, MethodName
from interp.measures.schema import COUNT, LOST, NATS, SHARE, Measure, Schema, Unit


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
        Measure(
            "directions", "Directions that were found", COUNT, "found", shown=TABLE, against=("size",), unless="size"
        ),
        *iia("iia", contrast, "mean of both directions", against=(*against, "iia_whole", "iia_size0")),
        *(control(method) for method in controls),
        *shifts(contrast),
        *evidence(contrast),
        Measure(
            "preference",
            "Preference accuracy of the model",
            SHARE,
            "pref",
            brief="preference",
            family="share",
            interval=True,
            shown=EVERYWHERE,
            against=("50 %",),
        ),
        *(one for number, norm in enumerate(norms) for one in norm_measures(norm, number)),
    ]
    if tuned:
        known += _tuned(contrast, controls, norms)
    return Schema((*known, *_unshown(contrast, controls, norms), *attribution_measures(contrast, norms)))


def _tuned(contrast: Contrast, controls: Sequence[MethodName], norms: Sequence[str]) -> list[Measure]:
    """Of the model that is fine-tuned at a cell, with the alignment trained in it."""
    preference = Measure(
        "preference",
        "preference accuracy",
        SHARE,
        "pref",
        brief="preference",
        family="share",
        interval=True,
        ends=True,
        shown=EVERYWHERE,
    )
    iias = [replace(one, above="IIA") for one in iia("iia", contrast, "", against=())[1:]]
    moved = [replace(one, shown=PAGE) for one in shifts(contrast)]
    lost = [
        Measure(
            "transfer_drop",
            "zero-shot accuracy lost against the base",
            LOST,
            "transfer",
            narrow="transf.",
            above="change",
            brief="transfer lost",
            family="drop",
            interval=True,
            shown=EVERYWHERE,
            change=True,
        ),
        Measure(
            "retrieval_drop",
            "retrieval lost against the base",
            LOST,
            "retrieval",
            narrow="retr.",
            above="change",
            brief="retrieval lost",
            family="drop",
            interval=True,
            shown=EVERYWHERE,
            change=True,
        ),
    ]
    words = []
    for number, norm in enumerate(norms):
        through, *others = norm_measures(norm, number)
        words += [through, *(replace(one, shown=TABLE) for one in others)]
    rest = [
        Measure("preference_val", "preference accuracy on validation pairs", SHARE, "pref on val", shown=PAGE),
        Measure(
            "preference_val_se",
            "standard error of preference accuracy on validation pairs",
            SHARE,
            "its error",
            shown=PAGE,
        ),
        Measure(
            "retrieval_rise_val",
            "rise of the cross-entropy of retrieval on validation pairs",
            NATS,
            "retrieval on val, nats",
            shown=PAGE,
        ),
        Measure("val_loss", "loss on val", NATS),
        Measure("iia", "IIA, mean of both directions", SHARE, interval=True),
    ]
    beside = [replace(control(method), shown=frozenset()) for method in controls]
    beside += [one for method in controls for one in beyond(method)]
    beside += by_direction({**{method.column: method.title for method in controls}, **CEILINGS}, contrast)
    beside += [Measure(f"iia_{key}", f"IIA of {title}", SHARE, interval=True) for key, title in CEILINGS.items()]
    attributed = [
        one for one in attribution_measures(contrast, norms) if not one.key.startswith("n_")
    ]  # the same word types
    return [
        replace(
            one,
            key=f"tuned_{one.key}",
            title=f"Trained: {_lower(one.title)}",
            brief=f"trained: {one.brief or one.name}",
            family="tuned r" if one.family.startswith("r_") else f"tuned {one.family}",
            tuned=True,
            against=("the base",),
        )
        for one in [
            preference,
            *iias,
            *moved,
            *evidence(contrast),
            *lost,
            *words,
            *rest,
            *beside,
            *attributed,
        ]
    ]


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
    out += [one for method in controls for one in beyond(method)]
    out += by_direction(names, contrast)
    out += [Measure(f"n_{norm}", f"word types with a rating of {norm}", COUNT) for norm in norms]
    return [
        *out,
        Measure("test_pairs", "pairs that are measured", COUNT),
        Measure("das_steps", "steps of the search", COUNT),
        Measure("seconds", "time", Unit(1.0, ".1f")),
    ]
