"""Section of the page on the leading directions of Z in the chosen cell, with the words and the texts at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.report.page.texts import picture_of
from interp.report.sweep_run import SweepRun
from interp.runs.directions import PICTURES, Directions, End, EndText, EndWord, LeadingDirection


@dataclass(frozen=True)
class _TextShown:
    """Text at an end of a direction.

    Attributes:
        text: text and its values.
        picture: JPEG in base 64; None if it is missing.
        file: file of the picture.
        alt: alternative text of the picture.
    """

    text: EndText
    picture: str | None
    file: str
    alt: str


@dataclass(frozen=True)
class _EndShown:
    """End of a direction, with its name."""

    name: str
    words: Sequence[EndWord]
    texts: Sequence[_TextShown]


@dataclass(frozen=True)
class _DirectionShown:
    """Direction with both ends, the upper end first."""

    direction: LeadingDirection
    ends: Sequence[_EndShown]


def directions(sweep: SweepRun) -> list[_DirectionShown] | None:
    """Return the leading directions; None if the run folder holds none of the chosen cell."""
    kept = sweep.leading
    if kept is None:
        return None
    names = ("Upper", "Lower")
    return [
        _DirectionShown(leading, [_end(sweep, kept, *end) for end in zip(names, leading.ends, strict=True)])
        for leading in kept.leading
    ]


def _end(sweep: SweepRun, kept: Directions, name: str, end: End) -> _EndShown:
    texts = []
    for text in end.texts:
        example = kept.shown[text.pair]
        texts.append(_TextShown(text, picture_of(sweep, example, PICTURES), example.image, example.positive))
    return _EndShown(name, end.words, texts)
