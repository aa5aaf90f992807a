"""Worlds of the pre-training of the toy CLIP: scenes and charts, with one interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.data.toy import pairs as toy
from interp.data.toy import scenes
from interp.data.toy.charts import charts
from interp.data.toy.charts.pictures import render_chart
from interp.data.toy.charts.texts import chart_prompts, write_chart, write_chart_pair
from interp.data.toy.charts.words import COUNTRIES
from interp.data.toy.pictures import render
from interp.data.toy.texts import write, write_pair


@dataclass(frozen=True)
class World:
    """World: functions that draw, write and render its content.

    Attributes:
        name: name in the report, and prefix of the keys of its measures.
        sample: (split, n, rng) -> contents.
        alike: (split, n, group size, rng) -> contents in groups that differ in two attributes.
        write: function that returns one text of a kind, such as `interp.data.toy.texts.write`.
        write_pair: (content, rng) -> description and caption.
        render: (content, rng) -> pixels from 0 to 255, shape (64, 64, 3).
        seen: attribute -> its values, for attributes that the image tower learns to name.
        value: (content, attribute) -> value.
        prompts: attribute -> prompts of its values; zero-shot naming of these attributes is measured.
    """

    name: str
    sample: Callable[[str, int, np.random.Generator], list[Any]]
    alike: Callable[[str, int, int, np.random.Generator], list[Any]]
    write: Callable[..., Any]
    write_pair: Callable[[Any, np.random.Generator], tuple[Any, Any]]
    render: Callable[[Any, np.random.Generator], np.ndarray]
    seen: Mapping[str, tuple[str, ...]]
    value: Callable[[Any, str], str]
    prompts: Mapping[str, Mapping[str, tuple[str, ...]]]

    def pixels(self, contents: Sequence[Any], rng: np.random.Generator) -> Tensor:
        """Return pictures in the form of the image processor: float32, (n, 3, 64, 64), -1 to 1."""
        stacked = np.stack([self.render(content, rng) for content in contents])
        return torch.from_numpy(stacked).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)

    def labels(self, contents: Sequence[Any]) -> Tensor:
        """Return the attributes of pictures, as indices of their values: int64, (n, attributes of `seen`)."""
        return torch.tensor(
            [[values.index(self.value(content, name)) for name, values in self.seen.items()] for content in contents]
        )


_BANDS = ("first band", "second band", "third band")  # attributes of a town's flag, each of which is learnt separately


def _scene_value(scene: scenes.Scene, name: str) -> str:
    return scene.flag.split()[_BANDS.index(name)] if name in _BANDS else str(getattr(scene, name))


_colours = tuple(scenes.VALUES["colour"])
SCENES = World(
    name="scenes",
    sample=scenes.sample_scenes,
    alike=scenes.alike_scenes,
    write=write,
    write_pair=write_pair,
    render=render,
    seen={name: tuple(values) for name, values in scenes.VALUES.items() if name != "flag"}
    | dict.fromkeys(_BANDS, _colours),
    value=_scene_value,
    prompts={name: toy.prompts(name) for name in ("shape", "colour", "arrangement", "place", "event")},
)
CHARTS = World(
    name="charts",
    sample=charts.sample_charts,
    alike=charts.alike_charts,
    write=write_chart,
    write_pair=write_chart_pair,
    render=render_chart,
    seen={name: values for name, values in charts.VALUES.items() if name != "colours"}
    | dict.fromkeys(("first", "second"), tuple(COUNTRIES)),
    value=getattr,
    prompts={name: chart_prompts(name) for name in ("marks", "measure", "event")},
)
WORLDS = (SCENES, CHARTS)
