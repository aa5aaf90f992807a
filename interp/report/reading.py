"""Sentences on a sweep: norms that attributions follow at the chosen cell, and measures in which cells differ."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from interp.drawing.markup import MINUS, listed, plural
from interp.measures import MEASURED, Key, Model, Route
from interp.measures.schema import SHARE, written
from interp.report.choice import best_cell
from interp.report.displays import DROPS
from interp.report.layout import CONTROLS, Layout, MeasureDisplay
from interp.report.tables import is_tuned, model_of
from interp.runs.chosen_cell import ChosenControls, EditControls
from interp.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

    from interp.data.contrast import Contrast

_GAP_LOW = f"{Key('gap').column()}_low"
_ABILITIES = {"transfer_drop": "zero-shot accuracy", "retrieval_drop": "retrieval"}
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


def finding(frame: pd.DataFrame, layout: Layout, contrast: Contrast, by: str) -> str:
    """Return the result of the chosen cell on test pairs, as a sentence.

    Args:
        frame: table of the cells.
        layout: display of the measures.
        contrast: the two kinds of text.
        by: objective of the trained models, in words; empty for a search on the frozen model.
    """
    best = best_cell(frame)
    place = f"layer {int(best['layer'])}, size {int(best['size'])}"
    pairs = f"{written(best[Key('test_pairs').column()], '.0f')} test pairs"
    base = layout[Key("preference")].text(best, ends=False)
    if by:
        preference = layout[Key("preference", model="tuned")].text(best, ends=True)
        changes = " and ".join(
            f"{_ABILITIES[key.measure]} by {layout[key].text(best)}" for key in DROPS if key in layout
        )
        return (
            f"At {place}, training by {by} takes the preference for {contrast.positive} over {contrast.negative} from "
            f"{base} to {preference} % of {pairs}, and changes {changes} points."
        )
    iia = layout[Key("iia")].text(best, ends=True)
    random, control = Key("iia", "random"), ""
    if random in layout:
        control = f"a random subspace of this size has {layout[random].text(best, ends=False)} %, and "
    return (
        f"At {place}, a swap of Z moves the score toward the kind of its source in {iia} % of {pairs} (IIA); {control}"
        f"the model itself scores {contrast.positive} above {contrast.negative} in {base} %."
    )


def reading(frame: pd.DataFrame, layout: Layout, norms: Sequence[str]) -> list[str]:
    """Return sentences on the norms that attributions follow at the chosen cell, and on differences between cells."""
    trends = norm_trends(frame, layout, norms)
    nothing = _is_indifferent(frame)
    differing = [spread for spread in spreads(frame, layout) if not (nothing and is_relative(spread.measure.key))]
    return [*([trends] if trends else []), *_differences(differing)]


def norm_trends(frame: pd.DataFrame, layout: Layout, norms: Sequence[str], routes: Sequence[Route] = MEASURED) -> str:
    """Return a sentence on the norms that attributions follow at the chosen cell; empty without norms."""
    best = best_cell(frame)
    parts: list[str] = []
    for route in routes:
        keys = {norm: Key("r", model=model_of(frame), norm=norm, route=route) for norm in norms}
        if trend := _trends({norm: layout[key] for norm, key in keys.items() if key in layout}, best):
            parts.append(f"{_WHERE[route]}, {'they' if parts else 'attributions of words'} {trend}")
    return f"{'; '.join(parts)}." if parts else ""


def no_preference(frame: pd.DataFrame, layout: Layout, contrast: Contrast) -> str:
    """Return a warning that the frozen model prefers neither kind of text; empty if it prefers one."""
    if not base_is_indifferent(frame):
        return ""
    gap, which = layout[Key("gap")].text(frame.iloc[0], ends=True), "base" if is_tuned(frame) else "model"
    if frame[_GAP_LOW].isna().all():
        return (
            f"The {which} may have no preference to localize: it scores {contrast.a_positive} above its "
            f"{contrast.negative} by {gap} on average, and there are too few pairs or articles for an interval. R² of "
            "the mean gap and other multiples of the gap are left out, since they would mean nothing."
        )
    return (
        f"The {which} has no preference to localize: it scores {contrast.a_positive} above its {contrast.negative} by "
        f"{gap} on average, and the interval does not lie above 0. A search can then only build a lever: a subspace "
        "that moves scores, but that the model does not use to decide. R² of the mean gap and other multiples of the "
        "gap are left out, since they would mean nothing."
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
    what = "Z was still turning when training ended" if is_tuned(frame) else "the search for Z did not converge"
    return (
        f"In {count} of {plural(len(frame), 'cell')} {what}. Z may be the wrong subspace there, and the verdict cannot "
        "answer yes to beyond controls or identified"
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
        f"difference of scores by more than 1 %, by at most {SHARE.text(relative)} %. Start with more points"
    )


def edit_controls(chosen: ChosenControls | None, contrast: Contrast) -> str:
    """Return a sentence on the preferences of an edit's controls; empty if they were not measured."""
    if chosen is None or chosen.edit is None:
        return ""
    arbitrary, untrained, words = map(_share, (chosen.edit.arbitrary, chosen.edit.untrained, chosen.edit.words))
    where = f"layer {chosen.place.layer}, size {chosen.place.size}"
    return (
        f"An edit teaches a preference and does not localize one. Trained for an arbitrary label ({contrast.negative} "
        f"texts by the alphabet), the edit at {where} prefers that label in {arbitrary}. In a text tower with random "
        f"weights it prefers {contrast.positive} in {untrained}. Word counts without an image (naive Bayes) tell the "
        f"kinds apart in {words}. A preference that is not above these three shows nothing about images"
        f"{_directions_read(chosen.edit)}"
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
    for display in layout.at("table", model=model_of(frame)):
        if display.family == CONTROLS or not display.interval or frame[display.column].nunique() < 2:
            continue
        highest, lowest = frame.loc[frame[display.column].idxmax()], frame.loc[frame[display.column].idxmin()]
        _, low, high = display.columns
        out.append(Spread(display, highest, lowest, bool(highest[low] > lowest[high])))
    return out


def _trends(measures: Mapping[str, MeasureDisplay], best: pd.Series) -> str:
    """Return the norms with which attributions by one route surely rise, surely fall, or neither."""
    verbs: dict[str, list[str]] = {}
    for norm, display in measures.items():
        value, low, high = (best[column] for column in display.columns)
        if not math.isnan(value):
            verb = "rise with" if low > 0 else "fall with" if high < 0 else "do not surely follow"
            verbs.setdefault(verb, []).append(f"{norm} (r {display.text(best, ends=True)})")
    return listed([f"{verb} {listed(names)}" for verb, names in verbs.items()])


def _differences(every: Sequence[Spread]) -> list[str]:
    apart, alike = ([spread for spread in every if spread.apart == wanted] for wanted in (True, False))
    out = []
    if apart:
        measures = "; ".join(f"{_name(spread.measure)}, {_ends(spread)}" for spread in apart)
        out.append(f"The cells differ by more than the 95 % intervals of the highest and the lowest in {measures}.")
    if alike:
        names = listed([_name(spread.measure) for spread in alike])
        out.append(
            f"They do not differ by more than these intervals in {names}."
            if apart
            else f"No two cells differ by more than their 95 % intervals in {names}."
        )
    return out


def _name(display: MeasureDisplay) -> str:
    if display.change:
        return f"the change of {display.heading}"
    name, *about = (display.brief or display.name).removeprefix("trained: ").split(", ")
    return f"{name} ({', '.join(about)})" if about else name


def _ends(spread: Spread) -> str:
    display = spread.measure
    both = sorted((spread.highest, spread.lowest), key=display.value)
    unit = " points" if display.change else f" {display.unit.sign}".rstrip()
    first, last = (f"{display.text(row)}{unit} at layer {int(row['layer'])}, size {int(row['size'])}" for row in both)
    return f"from {first} to {last}"
