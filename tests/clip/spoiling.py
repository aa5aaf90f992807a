"""Helpers that damage models and runs, and that check the error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from tests.wording import raises
from training.config import FinetuneConfig
from training.trainable_weights import prepare, save_settings, save_weights

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
DEEP = "[" * 100_000 + "]" * 100_000


def adapter(base: Clip, name: str, folder: Path) -> Path:
    """Write the folder of a fine-tuning without training."""
    clip = replace(base, model=load_clip(base.name).model)
    config = FinetuneConfig(model=name, lora_rank=2)
    prepare(clip, config)
    folder.mkdir()
    save_settings(clip, config, folder)
    save_weights(clip, "lora", folder)
    return folder


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | values))


def weights(folder: Path, changed: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    content = load_file(folder / WEIGHTS)
    changed(content)
    save_file(content, folder / WEIGHTS, metadata={"format": "pt"})


def refused(name: Path | str, *values: object, snapshot: bool = True, **options: Any) -> str:
    with raises(ModelError, *values, snapshot=snapshot) as caught:
        load_clip(str(name), **options)
    assert len(str(caught.value)) <= 1000
    return str(caught.value)


def sharded(model: Path, place: str) -> None:
    """Move all weights into one file of another name, and write an index for it."""
    keys = load_file(model / WEIGHTS)
    (model / WEIGHTS).rename(model / "shard.safetensors")
    change(model / INDEX, metadata={}, weight_map=dict.fromkeys(keys, place))


class Opened:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)
