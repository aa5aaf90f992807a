"""Section of the page on the chosen cell and its controls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from interp.data.contrast import DIRECTIONS, Contrast
from interp.measures import CEILINGS, Key, Model, Numbers, without_model
from interp.measures.schema import R2, with_ends
from interp.report.displays import evidence_keys
from interp.report.page.labels import percent, place
from interp.report.page.verdict import titled
from interp.report.reading import base_is_indifferent, no_preference
from interp.report.sweep_run import SweepRun
from interp.report.tables import is_tuned
from interp.stats import Estimate

LEFT, WIDTH, STEP, TOP = 215, 250, 26, 34  # lengths in units of the picture
_LETTER = 6  # approximate width of a letter of the legend


@dataclass(frozen=True)
class Subspace:
    """Row of the table.

    Attributes:
        title: name of the subspace.
        key: key of its control; empty for Z.
        both, up, down: IIA in both directions and in each, as text.
        r2, over: R², and the lead of the cell's own subspace over it, as text; dashes if not measured.
    """

    title: str
    key: str
    both: str
    up: str
    down: str
    r2: str = "-"
    over: str = "-"


@dataclass(frozen=True)
class _Mark:
    """Mark of an IIA in the picture, in its units; None is undefined.

    Attributes:
        filled: True for a filled circle, for the hard direction; False for a hollow square.
        y: vertical position.
        x: horizontal position of the value.
        low, high: horizontal positions of the ends of the interval.
    """

    filled: bool
    y: int
    x: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Dots:
    """Picture of the subspaces' IIA as dots; the table next to it holds the same numbers.

    Attributes:
        finding: finding of the picture, in a sentence.
        way: hard direction, in words, at the left of the legend.
        left: start of the scale.
        reverse: start of the legend of the other direction.
        top, width, height: lengths of the picture.
        ticks: each share with its x.
        rows: each title with its y and its marks.
    """

    finding: str
    way: str
    left: int
    reverse: int
    top: int
    width: int
    height: int
    ticks: Sequence[tuple[float, float]]
    rows: Sequence[tuple[str, int, Sequence[_Mark]]]


@dataclass(frozen=True)
class Controls:
    """Subspace of the chosen cell and its controls, in one model.

    Attributes:
        up, down: mean change of the score in each direction.
        subspaces: rows of the table.
        searched: purpose and IIA of each search for another distinction or in another model.
        picture: IIA as dots.
    """

    up: float
    down: float
    subspaces: Sequence[Subspace]
    searched: Sequence[tuple[str, str]]
    picture: _Dots


@dataclass(frozen=True)
class Evidence:
    """Content of the section on the chosen cell.

    Attributes:
        place: place of the cell, in words.
        trained: title and value of each measure of the model that was trained there; empty if there is none.
        tuned: controls in the trained model, if there is one and they were measured.
        frozen: controls in the base.
        nothing: warning that the base of trained models prefers neither kind of text; empty if there is nothing to warn
            of.
    """

    place: str
    trained: Sequence[tuple[str, str]]
    tuned: Controls | None
    frozen: Controls
    nothing: str


def evidence(sweep: SweepRun) -> Evidence:
    """Return the chosen cell and its controls."""
    tuned = is_tuned(sweep.frame)
    return Evidence(
        place(sweep.best).capitalize(),
        _trained(sweep),
        _controls(sweep, "tuned") if Key("iia", "whole", model="tuned") in sweep.best_numbers else None,
        _controls(sweep, "", searched=not tuned),
        no_preference(sweep.frame, sweep.layout, sweep.contrast) if tuned else "",
    )


def _controls(sweep: SweepRun, model: Model, *, searched: bool = True) -> Controls:
    numbers = without_model(sweep.best_numbers, model)
    first, *others = sweep.methods
    titles = {"": "subspace trained with the model" if model else first.title}
    titles |= {method.column: method.title for method in others} | CEILINGS
    subspaces = []
    for key, title in titles.items():
        if (iia := Key("iia", key)) in numbers:
            directions = (replace(iia, direction=way) for way in DIRECTIONS)
            shares = [percent(numbers[share]) for share in (iia, *directions)]
            more = [_r2(numbers, Key(measure, key)) for measure in ("r2_own", "r2_own_over")]
            if not model and base_is_indifferent(sweep.frame) and key != "whole":
                more = ["-", "-"]  # multiples of a gap that may be 0
            subspaces.append(Subspace(title, key, *shares, *more))
    chosen = sweep.chosen if searched else None
    search = "a search without training" if model else "the same search"
    searches = (
        []
        if chosen is None
        else [
            (f"{search} for an arbitrary label ({sweep.contrast.negative} texts by the alphabet)", chosen.arbitrary),
            (f"{search} in a text tower with random weights", chosen.untrained),
        ]
    )
    up, down = (numbers[Key("shift", direction=way)].value for way in DIRECTIONS)
    searched_iia = [(title, percent(iia)) for title, iia in searches]
    return Controls(up, down, subspaces, searched_iia, _picture(sweep.contrast, numbers, subspaces, model))


def _r2(numbers: Numbers, key: Key) -> str:
    """Return an R² with its interval; a dash if it is not known."""
    if key not in numbers:
        return "-"
    return with_ends(numbers[key].value, numbers[key].low, numbers[key].high, R2.form)


def _trained(sweep: SweepRun) -> list[tuple[str, str]]:
    """Return the measures of the trained model at the chosen cell, and those it is chosen by, with their intervals."""
    judged = {replace(key, model="tuned") for key in evidence_keys(sweep.contrast)}
    displays = sweep.layout.at("page", model="tuned")
    return [titled(sweep, display) for display in displays if display.key not in judged]


def _picture(contrast: Contrast, numbers: Numbers, subspaces: Sequence[Subspace], model: Model) -> _Dots:
    rows = []
    for number, subspace in enumerate(subspaces):
        y = TOP + STEP * number + 6
        up, down = (numbers[Key("iia", subspace.key, direction=way)] for way in DIRECTIONS)
        rows.append((subspace.title, y, [_mark(down, y + 4, False), _mark(up, y - 4, True)]))
    way = f"{contrast.negative} to {contrast.positive}"
    where = "in the trained model" if model else "in the frozen model"
    share = percent(numbers[Key("iia", direction="up")])
    finding = f"IIA of the chosen subspace {where} from {way}: {share}"
    rivals = [subspace for subspace in subspaces if subspace.key not in ("", *CEILINGS)]
    if rivals:
        best = max(rivals, key=lambda rival: np.nan_to_num(numbers[Key("iia", rival.key, direction="up")].value))
        finding += f"; highest control, {best.title}: {best.up}"
    reverse = LEFT + 14 + _LETTER * len(way)
    width = max(LEFT + WIDTH + 20, reverse + 80)
    height = TOP + STEP * len(subspaces) + 22
    ticks = [(share, _x(share)) for share in (0.0, 0.5, 1.0)]
    return _Dots(finding, way, LEFT, reverse, TOP, width, height, ticks, rows)


def _mark(iia: Estimate, y: int, filled: bool) -> _Mark:
    ends = (iia.value, iia.low, iia.high)
    return _Mark(filled, y, *(None if math.isnan(share) else _x(share) for share in ends))


def _x(share: float) -> float:
    return LEFT + WIDTH * share
