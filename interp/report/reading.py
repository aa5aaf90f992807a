"""Sentences on a sweep: norms that attributions follow at the chosen cell, and measures in which cells differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.drawing.markup import MINUS, listed, plural
from interp.measures import MEASURED, Key, Model
from interp.measures.schema import SHARE
from interp.report.choice import best_cell
from interp.report.layout import CONTROLS, Layout, MeasureDisplay
from interp.report.tables import is_tuned, model_of
from interp.runs.chosen_cell import ChosenControls, EditControls
from interp.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.contrast import Contrast

_GAP_LOW = f"{Key('gap').column()}_low"
_WHERE = {"through": "Through Z", "around": "around it", "full": "in full"}


@dataclass(frozen=True)
class Spread:
    """Cells with the highest and the lowest value of a measure.

    Attributes:
        measure: measure.
        highest, lowest: rows of the two cells.
        apart: True if their 95 % intervals do not overlap. Both cells are measured on the same pairs, and both are
            extremes of many, so this test is neither the strictest nor the most lenient.
    """

    measure: MeasureDisplay
    highest: pd.Series
    lowest: pd.Series
    apart: bool


def reading(frame: pd.DataFrame, layout: Layout, norms: Sequence[str]) -> list[str]:
    """Return sentences on the norms that attributions follow at the chosen cell, and on differences between cells."""
    best = best_cell(frame)
    parts: list[str] = []
    for route in MEASURED:
        keys = {norm: Key("r", model=model_of(frame), norm=norm, route=route) for norm in norms}
        if said := _trends({norm: layout[key] for norm, key in keys.items() if key in layout}, best):
            parts.append(f"{_WHERE[route]}, {'they' if parts else 'attributions of words'} {said}")
    nothing = _is_indifferent(frame)
    found = [one for one in spreads(frame, layout) if not (nothing and is_relative(one.measure.key))]
    return [*([f"{'; '.join(parts)}."] if parts else []), *_differences(found)]


def no_preference(frame: pd.DataFrame, layout: Layout, contrast: Contrast) -> str:
    """Return a warning that the frozen model prefers neither kind of text; empty if it prefers one."""
    if not base_is_indifferent(frame):
        return ""
    gap, which = layout[Key("gap")].text(frame.iloc[0], ends=True), "base" if is_tuned(frame) else "model"
    if frame[_GAP_LOW].isna().all():
        return (
            f"Whether the {which} has a preference to localize cannot be told: it scores {contrast.a_positive} above "
            f"its {contrast.negative} by {gap} on average, of too few pairs or articles for an interval. R² of the "
            "mean gap and other multiples of the gap mean nothing before that is known, and are not given."
        )
    return (
        f"The {which} has no preference to localize: it scores {contrast.a_positive} above its {contrast.negative} by "
        f"{gap} on average, an interval that does not lie above 0. A search can then only build a lever, a subspace "
        "through which scores can be moved, not one by which the model decides; R² of the mean gap and other "
        "multiples of the gap mean nothing, and are not given."
    )


def _is_indifferent(frame: pd.DataFrame) -> bool:
    """Return whether the cells have a frozen model whose gap is not surely above 0."""
    return not is_tuned(frame) and base_is_indifferent(frame)


def base_is_indifferent(frame: pd.DataFrame) -> bool:
    """Return whether the gap of the frozen model, which is the base of trained models, is not surely above 0."""
    return _GAP_LOW in frame and not bool((frame[_GAP_LOW] > 0).any())


def is_relative(key: Key) -> bool:
    """Return whether a measure of the frozen model is a multiple of the gap, which has no meaning without a gap."""
    if key.model:
        return False
    return key.measure == "ratio" or key in (
        Key("r2"),
        Key("through_gap_share"),
        Key("gap_left"),
        Key("preference_left"),
        Key("gap_kept_within"),
    )


def is_settled(row: pd.Series, model: Model) -> bool:
    """Return whether the search for the subspace of a cell has converged."""
    return bool(row[Key("converged", model=model).column()])


def unsettled(frame: pd.DataFrame) -> str:
    """Return a sentence on cells whose search for Z has not converged; empty if all have."""
    model = model_of(frame)
    count = sum(not is_settled(row, model) for _, row in frame.iterrows())
    if not count:
        return ""
    what = "rotation was still turning when its model was kept" if is_tuned(frame) else "search has not converged"
    return (
        f"In {plural(count, 'cell')} of {len(frame)} the {what}: Z may be the wrong subspace there, and nothing says "
        "yes to it for being beyond controls or identified"
    )


def unconverged(frame: pd.DataFrame) -> str:
    """Return a sentence on texts whose attributions did not converge in the worst cell; empty if all converged."""
    models: Sequence[Model] = ("", "tuned") if is_tuned(frame) else ("",)
    texts, relative = (
        max(float(frame[Key(measure, model=model).column()].max()) for model in models)
        for measure in ("attribution_unconverged", "attribution_delta_relative")
    )
    if not texts > 0:
        return ""
    return (
        f"Not all attributions have converged: in the worst cell {SHARE.text(texts)} % of texts miss their "
        f"difference of scores by more than 1 %, by at most {SHARE.text(relative)} %. Begin with more points"
    )


def edit_controls(chosen: ChosenControls | None, contrast: Contrast) -> str:
    """Return a sentence on the preferences of an edit's controls; empty if they were not measured."""
    if chosen is None or chosen.edit is None:
        return ""
    arbitrary, untrained, words = map(_share, (chosen.edit.arbitrary, chosen.edit.untrained, chosen.edit.words))
    where = f"layer {chosen.place.layer}, size {chosen.place.size}"
    return (
        f"An edit teaches, it does not localize. Trained for an arbitrary label ({contrast.negative} texts by the "
        f"alphabet), the edit at {where} prefers that label in {arbitrary}; in a text tower with random weights it "
        f"prefers {contrast.positive} in {untrained}; word counts alone (naive Bayes, no image) tell the kinds in "
        f"{words}. A preference that is not above these shows nothing about images{_directions_read(chosen.edit)}"
    )


def _directions_read(edit: EditControls) -> str:
    """Return a second sentence, on the overlap of the directions that edits of different seeds read."""
    each = [
        f"{np.square(np.cos(np.deg2rad(angles))).mean():.2f} with seed {seed} (angles {angles[0]:.0f} to "
        f"{angles[-1]:.0f}°)"
        for seed, angles in edit.read_angles.items()
        if angles
    ]
    if not each:
        return ""
    return (
        f". The directions of the stream that the edit reads (rows of W {MINUS} R) have an overlap of {listed(each)}; "
        f"that of random directions is {edit.read_chance:.2f}"
    )


def _share(number: Estimate) -> str:
    ends = "" if math.isnan(number.low) else f" [{SHARE.text(number.low)} {SHARE.text(number.high)}]"
    return f"{SHARE.text(number.value)} %{ends} of pairs"


def spreads(frame: pd.DataFrame, layout: Layout) -> list[Spread]:
    """Return the spread of each measure of the table that has intervals and differs between cells, without controls."""
    out = []
    for one in layout.at("table", model=model_of(frame)):
        if one.family == CONTROLS or not one.interval or frame[one.column].nunique() < 2:
            continue
        highest, lowest = frame.loc[frame[one.column].idxmax()], frame.loc[frame[one.column].idxmin()]
        _, low, high = one.columns
        out.append(Spread(one, highest, lowest, bool(highest[low] > lowest[high])))
    return out


def _trends(measures: Mapping[str, MeasureDisplay], best: pd.Series) -> str:
    """Return the norms with which attributions by one route surely rise, surely fall, or neither."""
    verbs: dict[str, list[str]] = {}
    for norm, one in measures.items():
        value, low, high = (best[column] for column in one.columns)
        if not math.isnan(value):
            verb = "rise with" if low > 0 else "fall with" if high < 0 else "do not surely follow"
            verbs.setdefault(verb, []).append(f"{norm} (r {one.text(best, ends=True)})")
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


def _name(one: MeasureDisplay) -> str:
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
