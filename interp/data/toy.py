"""A synthetic world in which descriptions and captions are true of the same picture.

A scene shows an object (shape, colour, size, arrangement, on a plain or striped background: what descriptions
speak of) and large, plain cues of a place (the two tones of the background), an event (the colour of the
border) and a theme (the flag along the top): what captions speak of, in contextual and abstract words.
Both kinds of text single out one of about a thousand combinations, so neither is the more informative.

Scenes are divided by *combination*: a combination of object attributes, or of cues, that occurs in one split
never occurs in another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from interp.data.pairs import Pair, PairSet, digest

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = 64  # pixels, both ways
BORDER = 5  # thickness of the border that shows the event
FLAG = 9  # height of the flag that shows the theme
HORIZON = 36  # first row of the lower tone of the place

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

COLOUR_RGB = {
    "red": (215, 35, 35), "blue": (35, 75, 215), "green": (20, 150, 55), "yellow": (250, 220, 25),
    "orange": (245, 135, 15), "violet": (145, 40, 185), "white": (250, 250, 250), "black": (15, 15, 15),
}  # fmt: skip
PLACE_RGB = {
    "harbour": ((170, 205, 235), (55, 95, 150)), "market": ((240, 220, 175), (190, 125, 85)),
    "school": ((205, 205, 210), (145, 155, 110)), "village": ((185, 220, 190), (130, 105, 75)),
    "forest": ((120, 165, 120), (55, 90, 60)), "palace": ((230, 200, 230), (150, 105, 150)),
    "prison": ((125, 125, 130), (65, 65, 75)), "river": ((225, 225, 165), (85, 155, 170)),
    "garden": ((200, 240, 150), (105, 160, 70)), "hospital": ((240, 240, 235), (160, 215, 220)),
}  # fmt: skip
EVENT_RGB = {
    "wedding": (255, 255, 255), "election": (40, 80, 220), "trial": (125, 75, 30), "war": (205, 25, 25),
    "race": (255, 225, 0), "parade": (255, 105, 190), "concert": (135, 30, 175), "riot": (255, 135, 0),
    "harvest": (25, 150, 45), "burial": (0, 0, 0),
}  # fmt: skip
_FLAG_RGB = ((200, 20, 40), (250, 250, 250), (20, 60, 170), (250, 205, 20), (10, 130, 70))
# Any two flags differ in at least two of their three bands.
THEME_RGB = {
    theme: tuple(_FLAG_RGB[i] for i in (a % 5, (a + b) % 5, (2 * a + b) % 5))
    for theme, (a, b) in zip(THEMES, ((a, b) for b in (1, 2) for a in range(5)), strict=True)
}
RADIUS = {"large": 11.0, "small": 7.0}
CENTRES = {
    "left": ((18, 36),), "right": ((46, 36),), "beside": ((18, 36), (46, 36)), "above": ((32, 25), (32, 48)),
}  # fmt: skip
JITTER = 1  # pixels by which an object may be off its place, both ways


@dataclass(frozen=True)
class Scene:
    """What a picture shows; every field holds a key of the table of the same name in `WORDS`."""

    shape: str
    colour: str
    size: str
    arrangement: str
    background: str
    place: str
    event: str
    theme: str


def vocabulary() -> list[str]:
    """Every word that a text of this world can hold, sorted."""
    texts = [*DESCRIPTIONS, *CAPTIONS, *PARTIAL_DESCRIPTIONS, *PARTIAL_CAPTIONS]
    texts += [phrase for table in WORDS.values() for phrases in table.values() for phrase in phrases]
    return sorted({word for text in texts for word in text.split() if not word.startswith("{")})


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Which points (in units of the radius, y downwards) lie inside the shape."""
    r, angle = np.hypot(x, y), np.arctan2(x, -y)
    match shape:
        case "circle":
            return r <= 1
        case "square":
            return np.maximum(abs(x), abs(y)) <= 0.85
        case "triangle":
            return (y <= 0.85) & (2 * abs(x) <= (y + 1.05) * 1.05)
        case "star":
            spoke = np.abs((angle * 5 / (2 * np.pi) + 0.5) % 1 - 0.5) * 2  # 0 on a spoke, 1 between two
            return r <= 1.15 - 0.75 * spoke
        case "cross":
            return (np.minimum(abs(x), abs(y)) <= 0.33) & (np.maximum(abs(x), abs(y)) <= 1)
        case "heart":
            return (x * x * 1.2 + (-y * 1.15 + 0.1 - 0.65 * np.sqrt(abs(x))) ** 2) <= 0.95
        case "moon":
            return (r <= 1) & (np.hypot(x - 0.55, y) > 0.85)
        case "arrow":
            return ((abs(y) <= 0.3) & (x >= -1) & (x <= 0.1)) | ((x >= 0) & (x <= 1) & (abs(y) <= 0.95 * (1 - x)))
    raise ValueError(f"unknown shape '{shape}'; known: {', '.join(SHAPES)}")


@lru_cache(maxsize=4096)
def _coverage(shape: str, size: str, cx: int, cy: int, grow: float) -> np.ndarray:
    """How much of each pixel the shape covers (64 x 64, 0 to 1), by 3 x 3 samples a pixel."""
    step = (np.arange(3 * SIZE) + 0.5) / 3
    radius = RADIUS[size]
    scale = radius + grow
    x, y = np.meshgrid((step - cx) / scale, (step - cy) / scale)
    inside = _inside(shape, x, y)
    return inside.reshape(SIZE, 3, SIZE, 3).mean(axis=(1, 3)).astype(np.float32)


@cache
def _stripes() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return ((x + y) // 4 % 2 == 0).astype(np.float32)


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Draw a scene: uint8, shape (64, 64, 3). `rng` moves the object by a pixel and shades the light."""
    top, bottom = PLACE_RGB[scene.place]
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:HORIZON], picture[HORIZON:] = top, bottom
    if scene.background == "stripe":
        picture *= 1 - 0.4 * _stripes()[..., None]
    dx, dy = rng.integers(-JITTER, JITTER + 1, size=2)
    outline = 255.0 if scene.colour == "black" else 20.0
    for x, y in CENTRES[scene.arrangement]:
        for grow, paint in ((1.5, (outline,) * 3), (0.0, COLOUR_RGB[scene.colour])):
            cover = _coverage(scene.shape, scene.size, x + int(dx), y + int(dy), grow)[..., None]
            picture += cover * (np.asarray(paint, np.float32) - picture)
    inner = SIZE - 2 * BORDER
    for band, paint in enumerate(THEME_RGB[scene.theme]):
        start = BORDER + band * inner // 3
        picture[BORDER : BORDER + FLAG, start : BORDER + (band + 1) * inner // 3] = paint
    for edge in (np.s_[:BORDER], np.s_[-BORDER:], np.s_[:, :BORDER], np.s_[:, -BORDER:]):
        picture[edge] = EVENT_RGB[scene.event]
    picture *= rng.uniform(0.92, 1.0)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def write(templates: Sequence[str], scene: Scene, rng: np.random.Generator) -> str:
    """One text about a scene: a template and a word for each attribute, drawn at random."""
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
    """Draw `n` scenes from the combinations of a split, with replacement."""
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
    """Draw `n` scenes of which no two share their object attributes or their cues: each text fits just one."""
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
    """The toy world as a `PairSet`; the same seed gives the same scenes, texts and pixels."""
    size = size or ToySize()
    pairs: list[Pair] = []
    scenes: dict[str, tuple[Scene, int]] = {}
    for number, field in enumerate(fields(size)):
        rng = np.random.default_rng([seed, number])
        for index, scene in enumerate(sample_scenes(field.name, getattr(size, field.name), rng)):
            name = f"{field.name}-{index:05d}"
            pairs.append(
                Pair(name, write(DESCRIPTIONS, scene, rng), write(CAPTIONS, scene, rng), field.name, group=name)
            )
            scenes[name] = (scene, int(rng.integers(2**31)))

    def open_image(pair: Pair) -> Image:
        from PIL import Image

        scene, noise = scenes[pair.id]
        return Image.fromarray(render(scene, np.random.default_rng(noise)))

    drawn = digest([open_image(pairs[0]).tobytes().hex()]) if pairs else ""  # changes if pictures are drawn otherwise
    return PairSet("toy", tuple(pairs), open_image, lambda pair: f"{drawn} {scenes[pair.id]}")
