"""What a sweep says, in plain words: what acts through Z at the chosen cell, and in what its cells differ at all."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from interp.drawing.markup import listed, plural
from interp.measures import MEASURED
from interp.measures.schema import SHARE, Measure, Schema
from interp.report.choice import best_cell
from interp.report.tables import is_tuned

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.contrast import Contrast

_WHERE = {"through": "Through Z", "around": "around it", "full": "in full"}


@dataclass(frozen=True)
class Spread:
    """The cells with the highest and the lowest value of a measure.

    Attributes:
        apart: whether their 95 % intervals have nothing in common. Both are of the same pairs, and both are extremes of
            many, so this is neither the strictest test nor the laxest.
    """

    measure: Measure
    highest: pd.Series
    lowest: pd.Series
    apart: bool


def reading(frame: pd.DataFrame, schema: Schema, norms: Sequence[str]) -> list[str]:
    """Sentences: how words' attributions follow the norms at the chosen cell, and in which measures cells differ."""
    best, model = best_cell(frame), "tuned_" if is_tuned(frame) else ""
    known = {one.key for one in schema}
    parts: list[str] = []
    for route in MEASURED:
        keys = [(norm, f"{model}r_{norm}_{route}") for norm in norms]
        if said := _trends([(norm, schema[key]) for norm, key in keys if key in known], best):
            parts.append(f"{_WHERE[route]}, {'they' if parts else 'attributions of words'} {said}")
    nothing = _is_indifferent(frame)
    found = [one for one in spreads(frame, schema) if not (nothing and is_relative(one.measure))]
    return [*([f"{'; '.join(parts)}."] if parts else []), *_differences(found)]


def no_preference(frame: pd.DataFrame, schema: Schema, contrast: Contrast) -> str:
    """What is to be said first of a frozen model that prefers neither kind of text; nothing of one that does."""
    if not base_is_indifferent(frame):
        return ""
    gap, which = replace(schema["gap"], ends=True).text(frame.iloc[0]), "base" if is_tuned(frame) else "model"
    if frame["gap_low"].isna().all():
        return (
            f"Whether the {which} has a preference to localize cannot be told: it scores {contrast.a_positive} above "
            f"its {contrast.negative} by {gap} on average, of too few pairs or articles for an interval. R² and shift "
            "over gap mean nothing before that is known."
        )
    return (
        f"The {which} has no preference to localize: it scores {contrast.a_positive} above its {contrast.negative} by "
        f"{gap} on average, an interval that does not lie above 0. A search can then only build a lever, a subspace "
        "through which scores can be moved, not one by which the model decides; R² and shift over gap mean nothing."
    )


def _is_indifferent(frame: pd.DataFrame) -> bool:
    """Whether the cells are of a frozen model whose gap is not surely above 0."""
    return not is_tuned(frame) and base_is_indifferent(frame)


def base_is_indifferent(frame: pd.DataFrame) -> bool:
    """Whether the gap of the frozen model is not surely above 0; where models were fine-tuned, that of their base."""
    return "gap_low" in frame and not bool((frame["gap_low"] > 0).any())


def is_relative(one: Measure) -> bool:
    """Whether a measure is a multiple of the gap, so that it means nothing where there is none."""
    return one.key in ("r2", "through_gap_share") or one.key.startswith("ratio_")


def is_settled(row: pd.Series) -> bool:
    """Return whether the search for the subspace of a cell has converged, in the fine-tuned model if there is one."""
    return bool(row["tuned_converged" if "tuned_val_loss" in row else "converged"])


def unsettled(frame: pd.DataFrame) -> str:
    """Return a sentence on cells whose search for Z has not converged; empty if all have."""
    count = sum(not is_settled(row) for _, row in frame.iterrows())
    if not count:
        return ""
    what = "rotation was still turning when its model was kept" if is_tuned(frame) else "search has not converged"
    return (
        f"In {plural(count, 'cell')} of {len(frame)} the {what}: Z may be the wrong subspace there, and nothing says "
        "yes to it for being beyond controls or identified"
    )


def unconverged(frame: pd.DataFrame) -> str:
    """Return a sentence on texts whose attributions did not converge in the worst cell; empty if all did."""
    stems = ("", "tuned_") if is_tuned(frame) else ("",)
    texts, relative = (
        max(float(frame[f"{stem}attribution_{measure}"].max()) for stem in stems)
        for measure in ("unconverged", "delta_relative")
    )
    if not texts > 0:
        return ""
    return (
        f"Not all attributions have converged: in the worst cell {SHARE.text(texts)} % of texts miss their "
        f"difference of scores by more than 1 %, by at most {SHARE.text(relative)} %. Begin with more points"
    )


def spreads(frame: pd.DataFrame, schema: Schema) -> list[Spread]:
    """One for each measure of the table that has intervals and is not the same in all cells, but for controls."""
    out = []
    for one in schema.shown("table", tuned=is_tuned(frame)):
        if one.family == "controls" or not one.interval or frame[one.key].nunique() < 2:
            continue
        highest, lowest = frame.loc[frame[one.key].idxmax()], frame.loc[frame[one.key].idxmin()]
        low, high = one.keys[1:]
        out.append(Spread(one, highest, lowest, bool(highest[low] > lowest[high])))
    return out


def _trends(measures: Sequence[tuple[str, Measure]], best: pd.Series) -> str:
    """Of one route: with which norms attributions surely rise, fall, or neither."""
    verbs: dict[str, list[str]] = {}
    for norm, one in measures:
        value, low, high = (best[key] for key in one.keys)
        if not math.isnan(value):
            verb = "rise with" if low > 0 else "fall with" if high < 0 else "do not surely follow"
            verbs.setdefault(verb, []).append(f"{norm} (r {replace(one, ends=True).text(best)})")
    return listed([f"{verb} {listed(those)}" for verb, those in verbs.items()])


def _differences(found: Sequence[Spread]) -> list[str]:
    apart, alike = ([one for one in found if one.apart == wanted] for wanted in (True, False))
    out = []
    if apart:
        said = "; ".join(f"{_name(one.measure)}, {_ends(one)}" for one in apart)
        out.append(f"The cells differ by more than the 95 % intervals of the highest and the lowest in {said}.")
    if alike:
        names = listed([_name(one.measure) for one in alike])
        out.append(
            f"They do not in {names}."
            if apart
            else f"No two cells differ by more than their 95 % intervals in {names}."
        )
    return out


def _name(one: Measure) -> str:
    if one.change:
        return f"the change of {one.heading}"
    name, *about = (one.brief or one.name).removeprefix("trained: ").split(", ")
    return f"{name} ({', '.join(about)})" if about else name


def _ends(one: Spread) -> str:
    both = sorted((one.highest, one.lowest), key=one.measure.value)
    unit = " points" if one.measure.change else f" {one.measure.unit.sign}".rstrip()
    first, last = (
        f"{one.measure.text(row)}{unit} at layer {int(row['layer'])}, size {int(row['size'])}" for row in both
    )
    return f"from {first} to {last}"
