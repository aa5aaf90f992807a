"""`fig_pairs`: images with their two texts, and the scores by models before and after fine-tuning."""

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

PAIRS, LINES = 4, 3  # maximum numbers of pairs, and of lines of each text
LINE, GAP, HEAD, FOOT = (
    9.6,
    9.0,
    17.0,
    16.0,
)  # points: line of text, space between pairs, space above and below all pairs
IMAGE, TEXT, NAME, _DIFFERENCE = 58.0, 142.0, 130.0, 28.0  # points: widths


@dataclass(frozen=True)
class _Scored:
    """Pair with the scores of its texts: label of a model -> scores of positive and negative text, means over seeds."""

    example: Example
    folder: RunFolder
    scores: dict[str, tuple[float, float]]


def draw(runs: Runs) -> Picture:
    """Draw a row for each pair, with the scores of both texts for each model.

    Raises:
        MissingRun: there is no base, no fine-tuned model, or their folders have no common examples.
    """
    pairs, contrast = scored(runs)[:PAIRS], next(iter(runs.models.values()))[0].contrast
    models = told_apart(list(pairs[0].scores), NAME, SIZE, FONT)
    names = max(width_of(name, SIZE, FONT) for name in models.values()) + 6
    wide = TEXT - max(0.0, names - 86)  # long names take space from the texts
    plot_left = IMAGE + 10 + wide + 12 + names
    plot = 72 * PAGE - plot_left - _DIFFERENCE - 6
    texts = [[wrapped(text, wide - 10, SIZE, FONT, LINES) for text in _texts(pair)] for pair in pairs]
    heights = [max(IMAGE, LINE * (len(first) + len(second)) + 3, LINE * len(models) + 4) for first, second in texts]
    figure = picture((HEAD + sum(heights) + GAP * len(pairs) + FOOT) / 72)
    values = [score for pair in pairs for both in pair.scores.values() for score in both]
    room = 0.06 * (max(values) - min(values) or 1.0)
    page = points(figure)
    x = IMAGE + 13
    room_for_kind = (plot_left - 6 - width_of("model", SIZE, FONT) - x) / 2 - 20
    for look, kind in zip((POSITIVE, NEGATIVE), contrast.kinds, strict=True):
        shown = shortened(kind, room_for_kind, SIZE, FONT)
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
    """Return the example pairs that all models share.

    Raises:
        MissingRun: see `draw`.
    """
    models = {label: members for label, members in runs.models.items() if any(member.shown for member in members)}
    first = next(iter(runs.models.values()))[0]
    if first.about["label"] != "base" or len(runs.models) < 2:
        raise MissingRun("needs evaluations of the base and of a model fine-tuned from it")
    kept = {example.id: example for example in read_examples(first.folder)}
    tables = [
        {pair["id"] for pair in member.shown if not math.isnan(pair["positive"] + pair["negative"])}
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
        pairs = [pair for member in members for pair in member.shown if pair["id"] == name]
        out[label] = (fmean(pair["positive"] for pair in pairs), fmean(pair["negative"] for pair in pairs))
    return out


def _texts(pair: _Scored) -> tuple[str, str]:
    return pair.example.positive, pair.example.negative


def _scores(axes: Axes, pair: _Scored, *, last: bool) -> None:
    """Draw a line for each model, from the score of the negative text to the score of the positive text."""
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
    first, second = contrast.kinds
    parts = []
    for number, pair in enumerate(pairs, start=1):
        scores = "; ".join(
            f"{name}: {first} {positive:.3f}, {second} {negative:.3f}"
            for name, (positive, negative) in pair.scores.items()
        )
        texts = zip(contrast.kinds, _texts(pair), strict=True)
        both = " ".join(f"{titled(kind)}: {text}." for kind, text in texts)
        parts.append(f"Pair {number}. {both} Scores by {scores}.")
    means = {name: fmean(pair.scores[name][0] - pair.scores[name][1] for pair in pairs) for name in pairs[0].scores}
    most = max(means, key=lambda name: means[name])
    return (
        f"The mean difference of the scores of {first} and {second} is largest for {most}: {value_text(means[most])} "
        f"(base: {value_text(means['base'])}). The first {len(pairs)} held-out pairs: an image, its {first} and "
        f"{second}, and the scores of both texts with the image by each model, before (base) and after fine-tuning. "
        f"{' '.join(parts)}"
    )
