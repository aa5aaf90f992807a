"""Which parts of a CLIP can be trained, by the names that transformers gives them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from interp.clip.model import Clip, Tower

_PARTS: dict[Tower, tuple[str, str]] = {
    "text": ("text_model", "text_projection"),
    "vision": ("vision_model", "visual_projection"),
}


def tower_parts(clip: Clip, tower: Tower) -> list[nn.Module]:
    """A tower and its projection into the space that texts and images share."""
    return [clip.model.get_submodule(part) for part in _PARTS[tower]]


def linear_layers(clip: Clip, tower: Tower) -> list[str]:
    """Names of the linear layers of a tower's blocks, such as ``q_proj``."""
    modules = clip.model.get_submodule(f"{tower}_model.encoder.layers.0").named_modules()
    return [name.rpartition(".")[2] for name, module in modules if isinstance(module, nn.Linear)]


def layers_pattern(towers: Sequence[str], names: Sequence[str]) -> str:
    """A regular expression, as peft takes it, for these linear layers in all blocks of these towers."""
    return rf"({'|'.join(towers)})_model\.encoder\.layers\.\d+\.\w+\.({'|'.join(names)})"


def is_layers_pattern(pattern: str) -> bool:
    """Whether `layers_pattern` gives such a text, for any names."""
    found = re.fullmatch(r"\((text|vision|text\|vision)\)_.*\(([\w|]+)\)", pattern)
    return found is not None and pattern == layers_pattern(found[1].split("|"), found[2].split("|"))
