"""The chosen cell beside its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from interp.data.contrast import DIRECTIONS
from interp.measures import CEILINGS, evidence_keys
from interp.report.page.judging import titled
from interp.report.page.naming import percent, place
from interp.report.reading import base_is_indifferent, no_preference
from interp.report.sweep_run import SweepRun
from interp.report.tables import is_tuned

LEFT, WIDTH, STEP, TOP = 215, 250, 26, 34  # of the picture, in its units
_LETTER = 6  # about as wide as a letter of its legend is


@dataclass(frozen=True)
class Subspace:
    """A row of the table.

    Attributes:
        stem: of its measures.
        both, up, down: IIA in both directions and in each, as text.
        r2, over: its R², and by how much that of the cell's own subspace is higher, as text; dashes where not measured.
    """

    title: str
    stem: str
    both: str
    up: str
    down: str
    r2: str = "-"
    over: str = "-"


@dataclass(frozen=True)
class _Mark:
    """An IIA in the picture, in its units; None is not defined.

    Attributes:
        filled: a filled circle, for the direction that is hard; else a hollow square.
    """

    filled: bool
    y: int
    x: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class _Dots:
    """IIA of the subspaces as dots; the table beside it holds the same numbers.

    Attributes:
        said: what it shows, in a sentence.
        way: the direction that is hard, in words, at the left of the legend.
        left, reverse: where the scale, and the legend of the other direction, begin.
        ticks: each share with its x.
        rows: each title with its y and its marks.
    """

    said: str
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
    """The subspace of the chosen cell beside its controls, in one model.

    Attributes:
        up, down: mean change of the score in each direction.
        searched: the same search for something else: what for, and the IIA that it reaches.
    """

    up: float
    down: float
    subspaces: Sequence[Subspace]
    searched: Sequence[tuple[str, str]]
    picture: _Dots


@dataclass(frozen=True)
class Evidence:
    """What the section on the chosen cell shows.

    Attributes:
        trained: of the model that was fine-tuned there, each measure in full with its value; empty if there is none.
        tuned, frozen: the controls in the fine-tuned model, if there is one and they were measured, and in the base.
        nothing: what is to be said of a base that prefers neither kind of text, where models were fine-tuned.
    """

    place: str
    trained: Sequence[tuple[str, str]]
    tuned: Controls | None
    frozen: Controls
    nothing: str


def evidence(sweep: SweepRun) -> Evidence:
    """The chosen cell and its controls."""
    best, tuned = sweep.best, is_tuned(sweep.frame)
    return Evidence(
        place(best).capitalize(),
        _trained(sweep),
        _controls(sweep, "tuned_") if "tuned_iia_whole" in best else None,
        _controls(sweep, "", searched=not tuned),
        no_preference(sweep.frame, sweep.schema, sweep.contrast) if tuned else "",
    )


def _controls(sweep: SweepRun, prefix: str, *, searched: bool = True) -> Controls:
    best = sweep.best
    up, down = (sweep.contrast.short(direction) for direction in DIRECTIONS)
    found, *others = sweep.methods
    titles = {"": "subspace trained with the model" if prefix else found.title}
    titles |= {f"_{one.column}": one.title for one in others} | {f"_{key}": title for key, title in CEILINGS.items()}
    subspaces = []
    for end, title in titles.items():
        stem = f"{prefix}iia{end}"
        if stem in best:
            shares = [percent(best, f"{stem}{way}") for way in ("", f"_{up}", f"_{down}")]
            more = [_text(sweep, f"{prefix}{key}{end}") for key in ("r2_own", "r2_own_over")]
            if not prefix and base_is_indifferent(sweep.frame) and end != "_whole":
                more = ["-", "-"]  # multiples of a gap that may be none
            subspaces.append(Subspace(title, stem, *shares, *more))
    chosen = sweep.chosen if searched else None
    search = "a search without training" if prefix else "the same search"
    said = (
        []
        if chosen is None
        else [
            (f"{search} for an arbitrary label ({sweep.contrast.negative} texts by the alphabet)", chosen.arbitrary),
            (f"{search} in a text tower with random weights", chosen.untrained),
        ]
    )
    return Controls(
        float(best[f"{prefix}shift_{up}"]),
        float(best[f"{prefix}shift_{down}"]),
        subspaces,
        [(title, percent(pd.Series(one.columns("iia")), "iia")) for title, one in said],
        _picture(sweep, subspaces, prefix),
    )


def _text(sweep: SweepRun, key: str) -> str:
    """A measure with its interval; a dash where it is not known."""
    if key not in {one.key for one in sweep.schema}:
        return "-"
    return replace(sweep.schema[key], ends=True).text(sweep.best)


def _trained(sweep: SweepRun) -> list[tuple[str, str]]:
    """What the fine-tuned model of the chosen cell does, and what it is chosen by; each value with its interval."""
    judged = {f"tuned_{key}" for key in evidence_keys(sweep.contrast)}
    return [titled(sweep, one) for one in sweep.schema.shown("page", tuned=True) if one.key not in judged]


def _picture(sweep: SweepRun, subspaces: Sequence[Subspace], prefix: str) -> _Dots:
    best, contrast = sweep.best, sweep.contrast
    up, down = (contrast.short(direction) for direction in DIRECTIONS)
    rows = []
    for number, one in enumerate(subspaces):
        y = TOP + STEP * number + 6
        marks = [_mark(best, f"{one.stem}_{down}", y + 4, False), _mark(best, f"{one.stem}_{up}", y - 4, True)]
        rows.append((one.title, y, marks))
    way = f"{contrast.negative} to {contrast.positive}"
    model = "in the fine-tuned model" if prefix else "in the frozen model"
    said = f"IIA of the chosen subspace {model}, {percent(best, f'{prefix}iia_{up}')} from {way}, beside its controls"
    reverse = LEFT + 14 + _LETTER * len(way)
    width = max(LEFT + WIDTH + 20, reverse + 80)
    height = TOP + STEP * len(subspaces) + 22
    ticks = [(share, _x(share)) for share in (0.0, 0.5, 1.0)]
    return _Dots(said, way, LEFT, reverse, TOP, width, height, ticks, rows)


def _mark(best: pd.Series, measure: str, y: int, filled: bool) -> _Mark:
    value, low, high = (best.get(f"{measure}{end}", np.nan) for end in ("", "_low", "_high"))
    return _Mark(filled, y, *(None if np.isnan(share) else _x(share) for share in (value, low, high)))


def _x(share: float) -> float:
    return LEFT + WIDTH * share
