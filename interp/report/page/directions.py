"""What Z says in the chosen cell: its leading directions, each with the words and the texts at both ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interp.report.page.texts import picture_of
from interp.report.sweep_run import SweepRun
from interp.runs.directions import PICTURES, Directions, End, EndText, EndWord, Leading


@dataclass(frozen=True)
class _TextShown:
    """A text at an end.

    Attributes:
        picture: JPEG in base 64; None, if it is missing.
        file: of the picture.
    """

    said: EndText
    picture: str | None
    file: str
    alt: str


@dataclass(frozen=True)
class _EndShown:
    """An end of a direction; `name` says which one."""

    name: str
    words: Sequence[EndWord]
    texts: Sequence[_TextShown]


@dataclass(frozen=True)
class _DirectionShown:
    """A direction with both ends, the upper one first."""

    of: Leading
    ends: Sequence[_EndShown]


def directions(sweep: SweepRun) -> list[_DirectionShown] | None:
    """The leading directions; None, if the run folder holds none of the chosen cell."""
    kept = sweep.leading
    if kept is None:
        return None
    return [
        _DirectionShown(one, [_end(sweep, kept, *end) for end in zip(("Upper", "Lower"), one.ends, strict=True)])
        for one in kept.leading
    ]


def _end(sweep: SweepRun, kept: Directions, name: str, end: End) -> _EndShown:
    texts = []
    for text in end.texts:
        example = kept.shown[text.pair]
        texts.append(_TextShown(text, picture_of(sweep, example, PICTURES), example.image, example.positive))
    return _EndShown(name, end.words, texts)
