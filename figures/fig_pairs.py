"""`fig_pairs`: images with both their texts, and their scores by models before and after fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes

from figures.runs import MissingRun, Runs
from figures.style import FONT, GREY, NEGATIVE, PAGE, POSITIVE, SIZE, photo, picture
from interp.data.contrast import Contrast
from interp.drawing.pictures import Picture, at, points, shortened, titled, told_apart, value_text, width_of, wrapped
from interp.runs.examples import Example, picture_path, read_examples
from interp.runs.folder import RunFolder
from training.evaluation.stored import Evaluation

PAIRS, LINES = 4, 3  # number of shown pairs, and of lines of each text
LINE, GAP, HEAD, FOOT = 9.6, 9.0, 17.0, 16.0  # points: a line of text, between pairs, above and below all
IMAGE, TEXT, NAME, _DIFFERENCE = 58.0, 142.0, 130.0, 28.0  # points: widths


@dataclass(frozen=True)
class _Scored:
    """Pair with the scores of its texts: label of a model -> positive and negative text, as means over seeds."""

    example: Example
    folder: RunFolder
    scores: dict[str, tuple[float, float]]


def draw(runs: Runs) -> Picture:
    """Draw a row for each pair, with the scores of both texts for each model.

    Raises:
        Missing: there is no base, no fine-tuned model, or their folders have no common examples.
    """
    pairs, contrast = scored(runs)[:PAIRS], next(iter(runs.models.values()))[0].contrast
    models = told_apart(list(pairs[0].scores), NAME, SIZE, FONT)
    names = max(width_of(name, SIZE, FONT) for name in models.values()) + 6
    wide = TEXT - max(0.0, names - 86)  # long names take their room from the texts
    plot_left = IMAGE + 10 + wide + 12 + names
    plot = 72 * PAGE - plot_left - _DIFFERENCE - 6
    texts = [[wrapped(text, wide - 10, SIZE, FONT, LINES) for text in _texts(pair)] for pair in pairs]
    heights = [max(IMAGE, LINE * (len(one) + len(other)) + 3, LINE * len(models) + 4) for one, other in texts]
    figure = picture((HEAD + sum(heights) + GAP * len(pairs) + FOOT) / 72)
    values = [score for pair in pairs for both in pair.scores.values() for score in both]
    room = 0.06 * (max(values) - min(values) or 1.0)
    page = points(figure)
    x = IMAGE + 13
    for look, kind in zip((POSITIVE, NEGATIVE), contrast.kinds, strict=True):
        shown = shortened(kind, wide / 2 - 12, SIZE, FONT)
        page.plot(x, 5.5, markersize=5, linestyle="", **look)
        page.text(x + 7, 8, shown, style="italic")
        x += max(60.0, width_of(shown, SIZE, FONT) + 16)
    page.text(plot_left - 6, 8, "model", style="italic", ha="right")
    page.text(plot_left + plot + _DIFFERENCE + 4, 8, "difference", style="italic", ha="right")
    top = HEAD
    for number, (pair, both, height) in enumerate(zip(pairs, texts, heights, strict=True)):
        photo(figure, picture_path(pair.folder, pair.example), 0, top, IMAGE)
        y = top
        for look, lines in zip((POSITIVE, NEGATIVE), both, strict=True):
            page.plot(IMAGE + 13, y + 5, markersize=5, linestyle="", **look)
            for text in lines:
                page.text(IMAGE + 20, y + 7.5, text)
                y += LINE
            y += 3
        axes = at(figure, plot_left, top, plot, height)
        _scores(axes, pair, last=number + 1 == len(pairs))
        axes.set_xlim(min(values) - room, max(values) + room)
        for i, (name, (positive, negative)) in enumerate(pair.scores.items()):
            y = top + height * (i + 0.5) / len(models) + 2.7
            page.text(plot_left - 6, y, models[name], ha="right")
            page.text(plot_left + plot + _DIFFERENCE + 4, y, value_text(positive - negative), ha="right")
        top += height + GAP
    figure.alt = _alt(pairs, contrast)
    return figure


def scored(runs: Runs) -> list[_Scored]:
    """Return the example pairs that all models were evaluated on.

    Raises:
        Missing: see `draw`.
    """
    models = {label: members for label, members in runs.models.items() if any(member.shown for member in members)}
    first = next(iter(runs.models.values()))[0]
    if first.about["label"] != "base" or len(runs.models) < 2:
        raise MissingRun("needs the evaluation of the base and of a model that was fine-tuned from it")
    kept = {example.id: example for example in read_examples(first.folder)}
    tables = [
        {one["id"] for one in member.shown if not math.isnan(one["positive"] + one["negative"])}
        for members in models.values()
        for member in members
    ]
    common = [name for name in kept if tables and all(name in table for table in tables)]
    if not common or len(models) < 2 or first.about["label"] not in models:
        raise MissingRun("needs evaluations that keep examples of the same pairs; evaluate the models again")
    return [_Scored(kept[name], first.folder, _means(name, models)) for name in common]


def _means(name: str, models: dict[str, list[Evaluation]]) -> dict[str, tuple[float, float]]:
    out = {}
    for label, members in models.items():
        found = [one for member in members for one in member.shown if one["id"] == name]
        out[label] = (fmean(one["positive"] for one in found), fmean(one["negative"] for one in found))
    return out


def _texts(pair: _Scored) -> tuple[str, str]:
    return pair.example.positive, pair.example.negative


def _scores(axes: Axes, pair: _Scored, *, last: bool) -> None:
    """Draw a line for each model, from the negative text's score to the positive one's."""
    models = pair.scores.values()
    for i, (positive, negative) in enumerate(models):
        axes.plot([negative, positive], [i, i], color=GREY, linewidth=1.0, zorder=1)
        axes.plot([negative], [i], linestyle="", zorder=2, **NEGATIVE)
        axes.plot([positive], [i], linestyle="", zorder=3, **POSITIVE)
    axes.set_ylim(len(models) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", linewidth=0.4, color="0.85")
    axes.set_axisbelow(True)
    if last:
        axes.set_xlabel("score (cosine), mean over seeds")
    else:
        axes.tick_params(labelbottom=False)


def _alt(pairs: Sequence[_Scored], contrast: Contrast) -> str:
    one, other = contrast.kinds
    parts = []
    for number, pair in enumerate(pairs, start=1):
        scores = "; ".join(
            f"{name}: {one} {positive:.3f}, {other} {negative:.3f}"
            for name, (positive, negative) in pair.scores.items()
        )
        texts = zip(contrast.kinds, _texts(pair), strict=True)
        said = " ".join(f"{titled(kind)}: {text}." for kind, text in texts)
        parts.append(f"Pair {number}. {said} Scores by {scores}.")
    return (
        f"The first {len(pairs)} held-out pairs: an image, its {one} and {other}, and the score of both with the image "
        f"by each model, before (base) and after fine-tuning. {' '.join(parts)}"
    )
