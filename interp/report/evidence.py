"""The chosen cell beside its controls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from interp.data.contrast import DIRECTIONS
from interp.measures import MEASURED
from interp.report.naming import count, percent, place
from interp.results.sweep_run import SweepRun

LEFT, WIDTH, STEP, TOP = 215, 250, 26, 34  # of the picture, in its units
LETTER = 6  # about as wide as a letter of its legend is


@dataclass(frozen=True)
class Subspace:
    """A row of the table.

    Attributes:
        stem: of its measures.
        both, up, down: IIA in both directions and in each, as text.
    """

    title: str
    stem: str
    both: str
    up: str
    down: str


@dataclass(frozen=True)
class Mark:
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
class Dots:
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
    rows: Sequence[tuple[str, int, Sequence[Mark]]]


@dataclass(frozen=True)
class Evidence:
    """What the section on the chosen cell shows.

    Attributes:
        trained: of the model that was fine-tuned there, each measure in full with its value; empty if there is none.
        up, down: mean change of the score in each direction.
        norms: name, number of word types, and the correlation by each route.
    """

    place: str
    trained: Sequence[tuple[str, str]]
    up: float
    down: float
    norms: Sequence[tuple[str, str, Sequence[tuple[str, str]]]]
    subspaces: Sequence[Subspace]
    picture: Dots


def evidence(sweep: SweepRun) -> Evidence:
    """The chosen cell, its controls and its correlations."""
    best = sweep.best
    up, down = (sweep.contrast.short(direction) for direction in DIRECTIONS)
    found, *controls = sweep.methods
    titles = {"iia": found.title, **{f"iia_{control.column}": control.title for control in controls},
              "iia_whole": "the whole stream", "iia_size0": "nothing"}  # fmt: skip
    subspaces = [
        Subspace(title, stem, *(percent(best, f"{stem}{end}") for end in ("", f"_{up}", f"_{down}")))
        for stem, title in titles.items()
    ]
    norms = [
        (norm, count(best[f"n_{norm}"]), [(route, _correlation(sweep, norm, route)) for route in MEASURED])
        for norm in sweep.norms
    ]
    return Evidence(
        place(best).capitalize(),
        _trained(sweep),
        best[f"shift_{up}"],
        best[f"shift_{down}"],
        norms,
        subspaces,
        _picture(sweep, subspaces),
    )


def _trained(sweep: SweepRun) -> list[tuple[str, str]]:
    """What the fine-tuned model of the chosen cell does, and what it is chosen by; each value with its interval."""
    out = []
    for one in sweep.schema.shown("page", tuned=True):
        value = replace(one, ends=one.interval).text(sweep.best)
        title = one.title.removeprefix("Trained: ")
        unit = f"\N{NO-BREAK SPACE}{one.unit.sign}" if one.unit.sign else ""
        changed = title.replace("lost against", "changed against") if one.change else title
        out.append((changed[0].upper() + changed[1:], value if value == "-" else f"{value}{unit}"))
    return out


def _correlation(sweep: SweepRun, norm: str, route: str) -> str:
    """With its interval."""
    return replace(sweep.schema[f"r_{norm}_{route}"], ends=True).text(sweep.best)


def _picture(sweep: SweepRun, subspaces: Sequence[Subspace]) -> Dots:
    best, contrast = sweep.best, sweep.contrast
    up, down = (contrast.short(direction) for direction in DIRECTIONS)
    rows = []
    for number, one in enumerate(subspaces):
        y = TOP + STEP * number + 6
        marks = [_mark(best, f"{one.stem}_{down}", y + 4, False), _mark(best, f"{one.stem}_{up}", y - 4, True)]
        rows.append((one.title, y, marks))
    way = f"{contrast.negative} to {contrast.positive}"
    said = f"IIA of the chosen subspace, {percent(best, f'iia_{up}')} from {way}, beside its controls"
    reverse = LEFT + 14 + LETTER * len(way)
    width = max(LEFT + WIDTH + 20, reverse + 80)
    height = TOP + STEP * len(subspaces) + 22
    ticks = [(share, _x(share)) for share in (0.0, 0.5, 1.0)]
    return Dots(said, way, LEFT, reverse, TOP, width, height, ticks, rows)


def _mark(best: pd.Series, measure: str, y: int, filled: bool) -> Mark:
    value, low, high = (best.get(f"{measure}{end}", np.nan) for end in ("", "_low", "_high"))
    return Mark(filled, y, *(None if np.isnan(share) else _x(share) for share in (value, low, high)))


def _x(share: float) -> float:
    return LEFT + WIDTH * share
