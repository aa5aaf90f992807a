"""`fig_method`: diagram of an interchange intervention, with the texts and scores of one example."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, Rectangle

from figures.fig_attributions import examples_by_kind, model_of
from figures.runs import Runs
from figures.style import FONT, GREY, PAGE, SIZE, photo, picture
from interp.drawing.colours import ORANGE, SKY, VERMILION
from interp.drawing.pictures import Picture, points, shortened, wrapped
from interp.measures.schema import written
from interp.runs.examples import picture_path
from interp.runs.place import Place

TALL = 182.0  # height of the figure; all lengths are in points
_SOURCE, _BASE, RIGHT = 66.0, 230.0, 316.0  # middles of both lanes, and left edge of the outcome
_WIDE, BLOCK, BAR = 120.0, 17.0, 15.0  # width of a lane; height of a box of blocks, and of a bar of the stream
Z, IMAGE = 34.0, 46.0  # widths of the subspace in a bar, and of the image
_ABOVE, _STREAM, _BELOW, TEXTS = 14.0, 60.0, 106.0, 142.0  # distances from the top: blocks, stream, blocks, texts


def draw(runs: Runs) -> Picture:
    """Draw a negative text that receives the Z of a positive text, at the cell that validation chooses.

    Raises:
        MissingRun: there is no sweep, or the sweep has no examples.
    """
    sweep = runs.sweep
    text, choice = _chosen_example(examples_by_kind(sweep)[1])
    positive, negative = sweep.contrast.kinds
    swap, layer, size = text["swap"], Place.of(sweep.best).layer, sweep.directions
    paired = sweep.manifest["settings"]["sources"] == "paired"
    origin = "of the same image" if paired else "of another image"
    figure = picture(TALL / 72)
    page = points(figure)
    base, source = sweep.examples[text["pair"]].negative, _joined(swap["source"])
    _lane(page, _SOURCE, f"source: {positive} {origin}", source, layer)
    _lane(page, _BASE, f"base: {negative}", base, layer)
    page.add_patch(_box(_BASE - _WIDE / 2, _ABOVE, _WIDE, BLOCK))
    page.text(_BASE, _ABOVE + BLOCK / 2 + 2.7, "the rest of the text tower", ha="center")
    page.add_patch(_arrow((_BASE, _STREAM), (_BASE, _ABOVE + BLOCK)))
    removed = (_SOURCE + _BASE - Z) / 2  # the base's value of Z, which the intervention removes
    _subspace(page, removed, _STREAM + 25, SKY)
    page.plot([removed - 3, removed + Z + 3], [_STREAM + 25 + BAR + 3, _STREAM + 22], color="black", linewidth=0.8)
    page.text(removed + Z / 2, _STREAM + 52, "Z of base", ha="center")
    page.add_patch(
        _arrow(
            (_SOURCE - _WIDE / 2 + Z / 2, _STREAM), (_BASE - _WIDE / 2 + Z / 2, _STREAM), curve=-0.22, color=VERMILION
        )
    )
    page.text((_SOURCE + _BASE - _WIDE + Z) / 2, _STREAM - 41, f"Z ({size} directions) takes", ha="center")
    page.text((_SOURCE + _BASE - _WIDE + Z) / 2, _STREAM - 31.4, "the source's value", ha="center")
    page.text(RIGHT, _STREAM + 6, "residual stream at the last")
    page.text(RIGHT, _STREAM + 15.6, f"token, layer {layer} (block {layer - 1})")
    photo(figure, picture_path(sweep.folder, sweep.examples[text["pair"]]), 72 * PAGE - IMAGE, 0, IMAGE)
    _outcome(page, swap)
    for number, line in enumerate(wrapped(choice, 72 * PAGE - RIGHT, SIZE, FONT, 4)):
        page.text(RIGHT, TEXTS + 8 + 9.6 * number, line)
    moved = swap["counterfactual"] - swap["base"]
    figure.alt = (
        f"An interchange intervention changes the score of a text with its image by {moved:+.3f}. The base "
        f"text is of the kind {negative}: {base}. The source text is of the kind {positive}, {origin}: {source}. Both "
        f"texts run through the text tower up to layer {layer}. There the subspace Z of {size} directions takes the "
        "value of the source, and the rest of the stream keeps the value of the base. The "
        f"remaining blocks{model_of(sweep)} change the score of the base with its image from "
        f"{swap['base']:.3f} to the counterfactual score {swap['counterfactual']:.3f}. {choice}"
    )
    return figure


def _chosen_example(examples: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], str]:
    """Return the first example with a higher score after its intervention, and a sentence on this choice.

    Without such an example, return the first, and a sentence that the score does not rise.
    """
    rises = [round(example["swap"]["counterfactual"] - example["swap"]["base"], 3) > 0 for example in examples]
    total = len(examples)
    if not any(rises):
        return examples[0], f"Example 1 of {total}. The intervention raises the score in none of these examples."
    number = rises.index(True)
    choice = (
        f"Example {number + 1} of {total}, the first in which the score rises. It rises in {sum(rises)} of {total}."
    )
    return examples[number], choice


def _joined(words: str) -> str:
    """Return a text from its words in lower case, without spaces before punctuation."""
    return re.sub(r" (?=[,.;:!?)])", "", words)


def _lane(page: Axes, x: float, title: str, text: str, layer: int) -> None:
    """Draw a text, the blocks that read the text, and the residual stream with Z."""
    lines = [shortened(title, _WIDE + 10, SIZE, FONT), *wrapped(text, _WIDE + 10, SIZE, FONT, 3)]
    for number, line in enumerate(lines):
        y = TEXTS + 8 + 9.6 * number
        page.text(x, y, line, ha="center", style="italic" if number == 0 else "normal")
    page.add_patch(_arrow((x, TEXTS), (x, _BELOW + BLOCK)))
    page.add_patch(_box(x - _WIDE / 2, _BELOW, _WIDE, BLOCK))
    page.text(x, _BELOW + BLOCK / 2 + 2.7, f"blocks up to layer {layer}", ha="center")
    page.add_patch(_arrow((x, _BELOW), (x, _STREAM + BAR)))
    page.add_patch(Rectangle((x - _WIDE / 2, _STREAM), _WIDE, BAR, facecolor="white", edgecolor="black", linewidth=0.8))
    _subspace(page, x - _WIDE / 2, _STREAM, ORANGE)
    page.text(x + Z / 2, _STREAM + BAR / 2 + 2.7, "the rest", ha="center")


def _subspace(page: Axes, x: float, y: float, colour: str) -> None:
    page.add_patch(Rectangle((x, y), Z, BAR, facecolor=colour, edgecolor="black", linewidth=0.8))
    page.text(x + Z / 2, y + BAR / 2 + 2.7, "Z", ha="center", style="italic")


def _outcome(page: Axes, swap: Mapping[str, Any]) -> None:
    """Draw the score of the base before and after the intervention."""
    page.add_patch(_arrow((_BASE + _WIDE / 2, _ABOVE + BLOCK / 2), (RIGHT, _ABOVE + BLOCK / 2)))
    page.text(RIGHT + 3, _ABOVE - 2, "score with image")
    page.text(RIGHT + 3, _ABOVE + 9, f"clean: {written(swap['base'], '.3f')}")
    page.text(RIGHT + 3, _ABOVE + 20, f"counterfactual: {written(swap['counterfactual'], '.3f')}", color=VERMILION)


def _box(x: float, y: float, width: float, height: float) -> FancyBboxPatch:
    return FancyBboxPatch(
        (x, y), width, height, boxstyle="round,pad=0,rounding_size=3", facecolor="0.93", edgecolor=GREY, linewidth=0.8
    )


def _arrow(
    start: tuple[float, float], end: tuple[float, float], *, curve: float = 0.0, color: str = "black"
) -> FancyArrowPatch:
    return FancyArrowPatch(
        start,
        end,
        arrowstyle="-|>",
        mutation_scale=7,
        linewidth=1.0 if not curve else 1.6,
        color=color,
        connectionstyle=f"arc3,rad={curve}",
        shrinkA=0,
        shrinkB=0,
    )
