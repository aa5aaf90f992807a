"""`fig_attributions`: words of a text of each kind, shaded by their contributions to the score, by route."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from figures.runs import MissingRun, Runs
from figures.style import FONT, PAGE, SIZE, photo, picture
from interp.drawing.pictures import Block, Picture, draw_words, points, titled, value_text, words_height
from interp.measures.schema import written
from interp.report.sweep_run import SweepRun
from interp.runs.examples import picture_path
from interp.runs.place import Place

ROUTES = {"full": "full", "through": "through Z", "around": "around Z"}
IMAGE, NAME, LINE, GAP = 58.0, 44.0, 11.0, 3.0  # points
WORDS = 40  # maximum number of words of a text


def draw(runs: Runs) -> Picture:
    """Draw the first example pair of the sweep, at the cell that validation chooses.

    Raises:
        MissingRun: there is no sweep, or the sweep has no examples.
    """
    sweep = runs.sweep
    positives, negatives = examples_by_kind(sweep)
    texts = positives[0], negatives[0]
    values = np.array([value for text in texts for route in ROUTES for value in text[route]], dtype=float)
    reach = float(np.nanmax(np.abs(values), initial=0.0))
    left, width = IMAGE + 12 + NAME, 72 * PAGE - IMAGE - 12 - NAME
    blocks = []
    height = 0.0
    for text in texts:
        rows = {}
        height += LINE + 2
        for route in ROUTES:
            rows[route] = height
            height += words_height(_cut(text["words"]), _cut(text[route]), Block(left, height, width, SIZE, FONT)) + GAP
        blocks.append(rows)
        height += 3
    foot = LINE - 2
    figure = picture((max(height, IMAGE) + foot) / 72)
    page = points(figure)
    for text, rows in zip(texts, blocks, strict=True):
        kind = titled(text["kind"])
        more = len(text["words"]) - len(_cut(text["words"]))
        title = f"{kind}: score {written(text['score'], '.3f')}, baseline {written(text['baseline_score'], '.3f')}"
        page.text(IMAGE + 12, rows["full"] - 5, title + (f"; {more} more words are not shown" if more else ""))
        for route, y in rows.items():
            page.text(IMAGE + 12, y + 0.95 * SIZE, ROUTES[route], style="italic")
            block = Block(left, y, width, SIZE, FONT)
            draw_words(page, _cut(text["words"]), _cut(text[route]), reach, block)
    layer, size = Place.of(sweep.best).layer, sweep.directions
    note = (
        f"below each word: contribution to the score{model_of(sweep)}; solid blue: raises, dashed orange: lowers; "
        f"Z: size {size}, layer {layer}"
    )
    page.text(0, 72 * figure.get_figheight() - 2.5, note)
    photo(figure, picture_path(sweep.folder, sweep.examples[texts[0]["pair"]]), 0, LINE + 2, IMAGE)
    figure.alt = _alt(texts, model_of(sweep), layer, size)
    return figure


def model_of(sweep: SweepRun) -> str:
    """Return a phrase that names the model of the examples if the sweep trained models; else an empty string."""
    return " of the fine-tuned model" if sweep.shows_tuned else ""


def examples_by_kind(sweep: SweepRun) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    """Return the positive and the negative texts of all examples at the chosen cell.

    Raises:
        MissingRun: the sweep has no examples.
    """
    texts = sweep.shown(Place.of(sweep.best))["examples"]
    if not texts or not sweep.examples:
        raise MissingRun("needs a sweep that keeps examples; run the sweep again, in another folder")
    return texts[: len(texts) // 2], texts[len(texts) // 2 :]


def _cut(values: list[Any]) -> list[Any]:
    return values[:WORDS]


def _alt(texts: tuple[Mapping[str, Any], ...], model: str, layer: int, size: int) -> str:
    parts, sums = [], []
    for text in texts:
        total, through = (value_text(float(np.nansum(text[route]))) for route in ("full", "through"))
        sums.append(f"{total} to the score of the {text['kind']} (through Z: {through})")
        for route, name in ROUTES.items():
            words = ", ".join(f"{word} {value_text(v)}" for word, v in zip(text["words"], text[route], strict=True))
            parts.append(f"{titled(text['kind'])}, {name}: {words}.")
    kinds = " and ".join(text["kind"] for text in texts)
    return (
        f"All words together add {', and '.join(sums)}. Contributions of the words of two texts of an image, {kinds}, "
        f"to the score (a cosine){model}: the full contribution, its part through a subspace Z of size {size} at layer "
        f"{layer}, and its part around Z at the layer. The remaining part bypasses the site. {' '.join(parts)}"
    )
