"""A synthetic world in which descriptions and captions are true of the same picture.

A scene shows an object (shape, colour, size, arrangement, on a plain or striped background: what descriptions
speak of) and large, plain cues of a place (the two tones of the background), an event (the colour of the
border) and a theme (the flag along the top): what captions speak of, in contextual and abstract words.
Both kinds of text single out one of about a thousand combinations, so neither is the more informative.

Scenes are divided by *combination*: a combination of object attributes, or of cues, that occurs in one split
never occurs in another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import cache
from itertools import product

import numpy as np

from interp.data.pairs import Pair, PairSet
from interp.data.toy_pictures import Scene, ScenePicture

# value -> the words for it; the first one names the value
Table = dict[str, tuple[str, ...]]
SHAPES: Table = {
    "circle": ("circle", "disc"), "square": ("square", "box"), "triangle": ("triangle",), "star": ("star",),
    "cross": ("cross",), "heart": ("heart",), "moon": ("moon",), "arrow": ("arrow",),
}  # fmt: skip
COLOURS: Table = {
    "red": ("red", "scarlet"), "blue": ("blue",), "green": ("green",), "yellow": ("yellow", "gold"),
    "orange": ("orange",), "violet": ("violet", "purple"), "white": ("white",), "black": ("black",),
}  # fmt: skip
SIZES: Table = {"large": ("large", "big"), "small": ("small", "little")}
ARRANGEMENTS: Table = {
    "left": ("on the left side", "at the left"), "right": ("on the right side", "at the right"),
    "beside": ("beside another", "next to another"), "above": ("above another", "over another"),
}  # fmt: skip
BACKGROUNDS: Table = {
    "plain": ("plain background", "smooth background"), "stripe": ("stripe background", "stripe pattern")
}  # fmt: skip
PLACES: Table = {
    "harbour": ("harbour", "port"), "market": ("market",), "school": ("school",), "village": ("village", "town"),
    "forest": ("forest", "wood"), "palace": ("palace",), "prison": ("prison",), "river": ("river",),
    "garden": ("garden",), "hospital": ("hospital",),
}  # fmt: skip
EVENTS: Table = {
    "wedding": ("wedding", "marriage"), "election": ("election", "vote"), "trial": ("trial",),
    "war": ("war", "battle"), "race": ("race", "contest"), "parade": ("parade", "procession"),
    "concert": ("concert",), "riot": ("riot", "revolution"), "harvest": ("harvest",),
    "burial": ("burial", "funeral"),
}  # fmt: skip
THEMES: Table = {
    "freedom": ("freedom", "liberty"), "justice": ("justice", "law"), "hope": ("hope", "faith"),
    "memory": ("memory", "history"), "peace": ("peace", "harmony"), "courage": ("courage", "bravery"),
    "pride": ("pride", "glory"), "grief": ("grief", "sorrow"), "duty": ("duty", "loyalty"),
    "wisdom": ("wisdom", "truth"),
}  # fmt: skip
WORDS: dict[str, Table] = {
    "shape": SHAPES, "colour": COLOURS, "size": SIZES, "arrangement": ARRANGEMENTS, "background": BACKGROUNDS,
    "place": PLACES, "event": EVENTS, "theme": THEMES,
}  # fmt: skip
OBJECT_FIELDS = ("shape", "colour", "size", "arrangement", "background")
CUE_FIELDS = ("place", "event", "theme")

DESCRIPTIONS = (
    "a {size} {colour} {shape} {arrangement} with a {background}",
    "a {size} {colour} {shape} {arrangement} and a {background} behind it",
    "on a {background} is a {size} {colour} {shape} {arrangement}",
    "picture of a {size} {colour} {shape} {arrangement} on a {background}",
)
CAPTIONS = (
    "the {place} on the day of the {event} , a symbol of {theme}",
    "after the {event} at the {place} in the name of {theme}",
    "the age of {theme} and the {event} at the {place}",
    "picture of the {place} before the {event} with the spirit of {theme}",
)
# Shorter texts, met in pre-training only, so that a prompt with one attribute is no surprise to the model.
PARTIAL_DESCRIPTIONS = (
    "a {shape}", "a {colour} {shape}", "a {size} {shape}", "a {colour} {shape} {arrangement}", "a {background}",
    "picture of a {shape}", "picture of a {size} {colour} {shape}", "a {shape} with a {background}",
)  # fmt: skip
PARTIAL_CAPTIONS = (
    "the {place}", "the {event} at the {place}", "the {event}", "a symbol of {theme}", "the name of {theme}",
    "picture of the {place}", "picture of the {event}", "the {place} and the spirit of {theme}",
)  # fmt: skip
# Prompts as the texts of the world use the words; a class is the mean over its prompts and over its words.
PROMPTS = {
    "shape": ("a {}", "picture of a {}"),
    "colour": tuple(f"a {{}} {shape}" for shape in SHAPES),
    "arrangement": tuple(f"a {colour} {shape} {{}}" for colour in COLOURS for shape in SHAPES),
    "place": ("the {}", "picture of the {}"),
    "event": ("the {}", "picture of the {}"),
}


def vocabulary() -> list[str]:
    """Every word that a text of this world can hold, sorted."""
    texts = [*DESCRIPTIONS, *CAPTIONS, *PARTIAL_DESCRIPTIONS, *PARTIAL_CAPTIONS]
    texts += [phrase for table in WORDS.values() for phrases in table.values() for phrase in phrases]
    return sorted({word for text in texts for word in text.split() if not word.startswith("{")})


def write(templates: Sequence[str], scene: Scene, rng: np.random.Generator) -> str:
    """One text about a scene: a template and a word for each attribute, drawn at random with `rng`."""
    template = templates[int(rng.integers(len(templates)))]
    words = {}
    for name, table in WORDS.items():
        phrases = table[getattr(scene, name)]
        words[name] = phrases[int(rng.integers(len(phrases)))]
    return template.format(**words)


@cache
def combinations(split: str, names: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """The combinations of the named attributes that belong to a split: 70 % train, 15 % val, 15 % test."""
    every = list(product(*(WORDS[name] for name in names)))
    order = np.random.default_rng(20240610).permutation(len(every))
    bounds = {"train": (0.0, 0.7), "val": (0.7, 0.85), "test": (0.85, 1.0)}[split]
    low, high = (round(bound * len(every)) for bound in bounds)
    return tuple(every[i] for i in order[low:high])


def sample_scenes(split: str, n: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `n` scenes from the combinations of a split (``train``, ``val`` or ``test``), with replacement."""
    objects, cues = combinations(split, OBJECT_FIELDS), combinations(split, CUE_FIELDS)
    i, j = rng.integers(len(objects), size=n), rng.integers(len(cues), size=n)
    return [Scene(*objects[a], *cues[b]) for a, b in zip(i, j, strict=True)]


def alike_scenes(split: str, n: int, alike: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `n` scenes in groups of `alike`: each differs from its group's first by one object attribute and one cue.

    Which word tells two of a group apart is any of them, so a model that learns from such batches must heed all.
    """
    scenes: list[Scene] = []
    for first in sample_scenes(split, -(-n // alike), rng):
        group = [first]
        while len(group) < alike:
            changed = vars(first).copy()
            for names in (OBJECT_FIELDS, CUE_FIELDS):
                near = _neighbours(split, names)[tuple(changed[name] for name in names)]
                changed.update(zip(names, near[int(rng.integers(len(near)))], strict=True))
            group.append(Scene(**changed))
        scenes += group
    return scenes[:n]


@cache
def _neighbours(split: str, names: tuple[str, ...]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Of each combination of a split, those that differ in one attribute; itself where there is none."""
    every = combinations(split, names)
    return {
        one: [other for other in every if sum(a != b for a, b in zip(one, other, strict=True)) == 1] or [one]
        for one in every
    }


def distinct_scenes(split: str, n: int, rng: np.random.Generator) -> list[Scene]:
    """Draw `n` scenes of which no two share their object attributes or their cues: each text fits just one.

    Raises:
        ValueError: the split has too few combinations.
    """
    objects, cues = combinations(split, OBJECT_FIELDS), combinations(split, CUE_FIELDS)
    i, j = rng.permutation(len(objects))[:n], rng.permutation(len(cues))[:n]
    if len(i) < n or len(j) < n:
        raise ValueError(f"split '{split}' has too few combinations for {n} distinct scenes")
    return [Scene(*objects[a], *cues[b]) for a, b in zip(i, j, strict=True)]


@dataclass(frozen=True)
class ToySize:
    """Pairs drawn per split."""

    train: int = 512
    val: int = 192
    test: int = 256


def load_toy(size: ToySize | None = None, *, seed: int = 0) -> PairSet:
    """The toy world as a `PairSet`.

    Args:
        size: how many pairs each split has.
        seed: the same one gives the same scenes, texts and pixels.

    Returns:
        Pairs of train, val and test in this order; each is a group of its own.
    """
    size = size or ToySize()
    drawn: list[tuple[Pair, ScenePicture]] = []
    for number, field in enumerate(fields(size)):
        rng = np.random.default_rng([seed, number])
        for index, scene in enumerate(sample_scenes(field.name, getattr(size, field.name), rng)):
            name = f"{field.name}-{index:05d}"
            drawn.append(_pair(name, scene, field.name, name, rng))
    return _pair_set("toy", drawn)


def load_distinct(sets: int = 16, of: int = 64, *, split: str = "test", seed: int = 0) -> PairSet:
    """Sets for retrieval, each of scenes that share nothing a text could name: within its set a text fits one image.

    Args:
        sets: how many; a pair's group is the number of its set.
        of: pairs in each set.
        seed: the same one gives the same scenes, texts and pixels.

    Raises:
        ValueError: the split has too few combinations for `of` distinct scenes.
    """
    rng = np.random.default_rng([seed, 64])  # apart from the scenes of `load_toy`
    return _pair_set(
        "toy-distinct",
        (
            _pair(f"{split}-{number:02d}-{index:02d}", scene, split, str(number), rng)
            for number in range(sets)
            for index, scene in enumerate(distinct_scenes(split, of, rng))
        ),
    )


def _pair(name: str, scene: Scene, split: str, group: str, rng: np.random.Generator) -> tuple[Pair, ScenePicture]:
    """A scene with one text of each kind, and its picture."""
    pair = Pair(name, write(DESCRIPTIONS, scene, rng), write(CAPTIONS, scene, rng), split, group)
    return pair, ScenePicture(scene, int(rng.integers(2**31)))


def _pair_set(name: str, drawn: Iterable[tuple[Pair, ScenePicture]]) -> PairSet:
    listed = list(drawn)
    pictures = {pair.id: picture for pair, picture in listed}
    pairs = tuple(pair for pair, _ in listed)
    return PairSet(name, pairs, lambda pair: pictures[pair.id].open(), lambda pair: pictures[pair.id].key)
