"""Drawing of scenes of the toy world; `interp.data.toy.scenes` describes their contents."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np

from interp.data.pairs import digest
from interp.data.toy.scenes import Scene

if TYPE_CHECKING:
    from PIL.Image import Image

SIZE = 64  # pixels, both ways
_BORDER = 5  # thickness of the border that shows the event
_FLAG = 9  # height of the flag that shows the town
_HORIZON = 36  # first row of the lower tone of the place

_COLOUR_RGB = {
    "red": (215, 35, 35),
    "blue": (35, 75, 215),
    "green": (20, 150, 55),
    "yellow": (250, 220, 25),
    "orange": (245, 135, 15),
    "violet": (145, 40, 185),
    "white": (250, 250, 250),
    "black": (15, 15, 15),
}
_PLACE_RGB = {
    "harbour": ((170, 205, 235), (55, 95, 150)),
    "market": ((240, 220, 175), (190, 125, 85)),
    "school": ((205, 205, 210), (145, 155, 110)),
    "village": ((185, 220, 190), (130, 105, 75)),
    "forest": ((120, 165, 120), (55, 90, 60)),
    "palace": ((230, 200, 230), (150, 105, 150)),
    "prison": ((125, 125, 130), (65, 65, 75)),
    "river": ((225, 225, 165), (85, 155, 170)),
    "garden": ((200, 240, 150), (105, 160, 70)),
    "hospital": ((240, 240, 235), (160, 215, 220)),
}
_EVENT_RGB = {
    "wedding": (255, 255, 255),
    "election": (40, 80, 220),
    "trial": (125, 75, 30),
    "war": (205, 25, 25),
    "race": (255, 225, 0),
    "parade": (255, 105, 190),
    "concert": (135, 30, 175),
    "riot": (255, 135, 0),
    "harvest": (25, 150, 45),
    "burial": (0, 0, 0),
}
_RADIUS = {"large": 10.0, "small": 6.5}
_CENTRES = {
    "upper": ((32, 27),),
    "lower": ((32, 47),),
    "row": ((18, 37), (46, 37)),
    "stack": ((32, 27), (32, 47)),
}
_JITTER = 1  # pixels by which an object may be off its place, in each direction


def _inside(shape: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return a mask of the points (in units of the radius, y downwards) that lie inside the shape."""
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
    raise ValueError(f"unknown shape '{shape}'")


@lru_cache(maxsize=4096)
def _coverage(shape: str, size: str, cx: int, cy: int, grow: float) -> np.ndarray:
    """Return the share of each pixel that the shape covers (64 x 64, 0 to 1), from 3 x 3 samples per pixel."""
    step = (np.arange(3 * SIZE) + 0.5) / 3
    radius = _RADIUS[size]
    scale = radius + grow
    x, y = np.meshgrid((step - cx) / scale, (step - cy) / scale)
    inside = _inside(shape, x, y)
    return inside.reshape(SIZE, 3, SIZE, 3).mean(axis=(1, 3)).astype(np.float32)


@cache
def _stripes() -> np.ndarray:
    y, x = np.mgrid[:SIZE, :SIZE]
    return ((x + y) // 4 % 2 == 0).astype(np.float32)


def render(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Draw a scene.

    Args:
        scene: content of the picture.
        rng: moves the object by at most `_JITTER` pixels in each direction, and dims the light by at most 8 %.

    Returns:
        Colours from 0 to 255, uint8, shape (64, 64, 3).
    """
    top, bottom = _PLACE_RGB[scene.place]
    picture = np.empty((SIZE, SIZE, 3), np.float32)
    picture[:_HORIZON], picture[_HORIZON:] = top, bottom
    if scene.background == "stripe":
        picture *= 1 - 0.4 * _stripes()[..., None]
    dx, dy = rng.integers(-_JITTER, _JITTER + 1, size=2)
    outline = 255.0 if scene.colour == "black" else 20.0
    for x, y in _CENTRES[scene.arrangement]:
        for grow, paint in ((1.5, (outline,) * 3), (0.0, _COLOUR_RGB[scene.colour])):
            cover = _coverage(scene.shape, scene.size, x + int(dx), y + int(dy), grow)[..., None]
            picture += cover * (np.asarray(paint, np.float32) - picture)
    inner = SIZE - 2 * _BORDER
    for band, colour in enumerate(scene.flag.split()):
        start = _BORDER + band * inner // 3
        picture[_BORDER : _BORDER + _FLAG, start : _BORDER + (band + 1) * inner // 3] = _COLOUR_RGB[colour]
    for edge in (np.s_[:_BORDER], np.s_[-_BORDER:], np.s_[:, :_BORDER], np.s_[:, -_BORDER:]):
        picture[edge] = _EVENT_RGB[scene.event]
    picture *= rng.uniform(0.92, 1.0)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class ScenePicture:
    """Drawing of a scene; `noise` is the seed of its jitter and its light."""

    scene: Scene
    noise: int

    def open(self) -> Image:
        """Return the picture as RGB, 64 x 64 pixels."""
        from PIL import Image

        return Image.fromarray(render(self.scene, np.random.default_rng(self.noise)))

    @property
    def key(self) -> str:
        """Key that changes with the scene, the noise, and the drawing code."""
        return f"{_drawn()} {self.scene} {self.noise}"


@cache
def _drawn() -> str:
    """Return a digest of one picture, which changes with the drawing code."""
    scene = Scene("star", "red", "large", "row", "stripe", "harbour", "wedding", "white blue red")
    return digest([render(scene, np.random.default_rng(0)).tobytes().hex()])
