"""Section of the page with example texts, shaded by attribution, with a choice of cell and route."""

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
    """Text of an example.

    Attributes:
        row: place among the texts of a cell.
        kind, other: kind of the text, and kind of the text that Z is taken from.
        words: each word with its attribution and its colour.
        source: text that Z is taken from.
        before, after: score of the text without and with Z of the source.
    """

    row: int
    kind: str
    other: str
    words: Sequence[tuple[str, float, str]]
    source: str
    before: float
    after: float


@dataclass(frozen=True)
class _PicturedPair:
    """Pair of texts with its picture.

    Attributes:
        picture: JPEG in base 64; None if it is missing.
        file: file of the picture.
        alt: alternative text of the picture.
        texts: both texts.
    """

    picture: str | None
    file: str
    alt: str
    texts: Sequence[Text]


@dataclass(frozen=True)
class Examples:
    """Content of the section of example texts.

    Attributes:
        picked: cell that is shown at first.
        axes: name of each axis of the choice, and its values.
        routes: routes to choose from.
        shown: pairs of texts.
        data: data of the other cells, for the script.
    """

    picked: Place
    axes: Sequence[tuple[str, Sequence[int]]]
    routes: Sequence[str]
    shown: Sequence[_PicturedPair]
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
    """Return a rounded value; None for NaN, which JSON does not have."""
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
    """Return an example's picture from a folder of the run folder, in base 64; None if it is missing.

    Raises:
        StoreError: the picture was changed.
    """
    content = read_picture(sweep.folder, example, where)
    return None if content is None else base64.b64encode(content).decode()


def _shown(sweep: SweepRun, example: Example, texts: Sequence[Text]) -> _PicturedPair:
    return _PicturedPair(picture_of(sweep, example), example.image, example.positive, texts)
