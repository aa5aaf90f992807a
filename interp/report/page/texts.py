"""Example texts, shaded by attribution, with a choice of cell and route."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from interp.drawing.colours import NEGATIVE, POSITIVE, as_hex, shade
from interp.measures import MEASURED
from interp.report.sweep_run import SweepRun
from interp.runs.examples import PICTURES, Example, read_picture
from interp.runs.place import Place


@dataclass(frozen=True)
class Text:
    """A text of an example.

    Attributes:
        row: its place among the texts of a cell.
        kind, other: what it is, and what Z is taken from.
        words: each with its attribution and the colour of that.
        source: the text that Z is taken from; before, after: the text's score without and with it.
    """

    row: int
    kind: str
    other: str
    words: Sequence[tuple[str, float, str]]
    source: str
    before: float
    after: float


@dataclass(frozen=True)
class Shown:
    """A pair of texts with its picture.

    Attributes:
        picture: JPEG in base 64; None, if it is missing.
        file: of the picture.
    """

    picture: str | None
    file: str
    alt: str
    texts: Sequence[Text]


@dataclass(frozen=True)
class Examples:
    """What the section of example texts shows.

    Attributes:
        picked: the cell that is shown before another one is chosen.
        axes: what can be chosen: the name of each axis, and its values.
        data: what the script shows of the other cells.
    """

    picked: Place
    axes: Sequence[tuple[str, Sequence[int]]]
    routes: Sequence[str]
    shown: Sequence[Shown]
    data: Mapping[str, Any]


def examples(sweep: SweepRun) -> Examples | None:
    """Collect the texts that each cell shows; None if the run folder holds none."""
    there = {where: texts for where in sweep.cells if (texts := sweep.shown(where)["examples"])}
    if not sweep.examples or not there:
        return None
    best = Place.of(sweep.best)
    picked = best if best in there else next(iter(there))
    sizes = [abs(value) for texts in there.values() for text in texts for value in text["full"]]
    reach = float(np.nan_to_num(np.nanquantile(sizes, 0.98))) if sizes else 1.0
    slim = {"/".join(map(str, where)): [_slim(text) for text in texts] for where, texts in there.items()}
    texts = there[picked]
    half = len(texts) // 2
    shown = [
        _shown(sweep, example, [_text(sweep, texts[row], row, reach) for row in (number, half + number)])
        for number, example in enumerate(sweep.examples[:half])
    ]
    axes = [(name, sorted({where[axis] for where in there})) for axis, name in enumerate(Place._fields)]
    data = {"reach": reach, "positive": POSITIVE, "negative": NEGATIVE, "cells": slim}
    return Examples(picked, axes, MEASURED, shown, data)


def _slim(text: Mapping[str, Any]) -> dict[str, Any]:
    swap = text["swap"]
    return {
        **{route: [_json(value) for value in text[route]] for route in MEASURED},
        "swap": {"source": swap["source"], **{name: _json(swap[name]) for name in ("base", "counterfactual")}},
    }


def _json(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else round(float(value), 5)


def _text(sweep: SweepRun, text: Mapping[str, Any], row: int, reach: float) -> Text:
    swap = text["swap"]
    words = [
        (word, float(value), as_hex(shade(value, reach)))
        for word, value in zip(text["words"], text["through"], strict=True)
    ]
    return Text(
        row,
        text["kind"],
        sweep.contrast.other(text["kind"]),
        words,
        swap["source"],
        float(swap["base"]),
        float(swap["counterfactual"]),
    )


def picture_of(sweep: SweepRun, example: Example, where: str = PICTURES) -> str | None:
    """Its picture in a folder of the run folder, in base 64; None, if it is missing.

    Raises:
        StoreError: it was changed.
    """
    content = read_picture(sweep.folder, example, where)
    return None if content is None else base64.b64encode(content).decode()


def _shown(sweep: SweepRun, example: Example, texts: Sequence[Text]) -> Shown:
    return Shown(picture_of(sweep, example), example.image, example.positive, texts)
