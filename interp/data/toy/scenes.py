"""Contents of the pictures of the toy world, and their division between splits.

A scene has an object (shape, colour, size, arrangement, on a plain or striped background) at a place (the two tones of
the picture) during an event (the colour of the border) in a town (the flag along the top).

Splits are divided by *combination*: the five attributes of an object, or an event in a town, that occur together in one
split never occur together in another split.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from interp.data.toy import words
from interp.data.toy.splits import belongs, divided, in_groups

VALUES: dict[str, words.Table] = {
    "shape": words.SHAPES,
    "colour": words.COLOURS,
    "size": words.SIZES,
    "arrangement": words.ARRANGEMENTS,
    "background": words.BACKGROUNDS,
    "place": words.PLACES,
    "event": words.EVENTS,
    "flag": words.FLAGS,
}
OBJECT_FIELDS = ("shape", "colour", "size", "arrangement", "background")
ARTICLE_FIELDS = ("event", "flag")
_PAIRED = ("row", "stack")  # arrangements of two objects


@dataclass(frozen=True)
class Scene:
    """Content of one picture; each field holds a key of the table of the same name in `VALUES`."""

    shape: str
    colour: str
    size: str
    arrangement: str
    background: str
    place: str
    event: str
    flag: str

    @property
    def paired(self) -> bool:
        """True if the object is shown twice."""
        return self.arrangement in _PAIRED

    @property
    def era(self) -> str:
        """Era of the object, a key of `words.ERAS`."""
        return words.era(self.shape)


@cache
def combinations(split: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Return the combinations of the named attributes that belong to a split: 70 % train, 15 % val, 15 % test."""
    return divided(split, tuple(tuple(VALUES[name]) for name in names))


def sample_scene(split: str, rng: np.random.Generator, *, event: str | None = None, flag: str | None = None) -> Scene:
    """Draw a scene from the combinations of a split; `event` and `flag` can be given."""
    objects, articles = combinations(split, OBJECT_FIELDS), combinations(split, ARTICLE_FIELDS)
    chosen, place = objects[int(rng.integers(len(objects)))], list(words.PLACES)[int(rng.integers(len(words.PLACES)))]
    if event is None or flag is None:
        event, flag = articles[int(rng.integers(len(articles)))]
    shape, colour, size, arrangement, background = chosen
    return Scene(shape, colour, size, arrangement, background, place, event, flag)


def sample_scenes(split: str, n: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `n` scenes from the combinations of a split (``train``, ``val`` or ``test``), with replacement."""
    return [sample_scene(split, rng) for _ in range(n)]


def alike_scenes(split: str, n: int, alike: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `n` scenes in groups of `alike`; each differs from the first of its group in at most two attributes.

    One attribute of the object and one other attribute are drawn again. A new value that does not belong to the split
    is rejected, so some scenes do not differ (14 % in training). Any word may be the only one that tells two scenes of
    a group apart, so a model that learns from these batches must respect every word.
    """

    def vary(first: Scene) -> Scene:
        scene = _varied(first, OBJECT_FIELDS[int(rng.integers(len(OBJECT_FIELDS)))], split, rng)
        return _varied(scene, ("place", "event", "flag")[int(rng.integers(3))], split, rng)

    return in_groups(n, alike, lambda: sample_scene(split, rng), vary)


def _varied(scene: Scene, name: str, split: str, rng: np.random.Generator) -> Scene:
    """Return the scene with another value of one attribute (one band of the flag), if the split has the combination."""
    if name == "flag":
        bands, band = scene.flag.split(), int(rng.integers(3))
        bands[band] = list(words.COLOURS)[int(rng.integers(len(words.COLOURS)))]
        other = replace(scene, flag=" ".join(bands))
    else:
        values = list(VALUES[name])
        other = replace(scene, **{name: values[int(rng.integers(len(values)))]})
    return other if belongs(other, split, combinations, OBJECT_FIELDS, ARTICLE_FIELDS) else scene
