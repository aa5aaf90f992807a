"""Trainable parts of a model, by their names in the model."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from interp.clip.families import FAMILIES
from interp.clip.families.family import Family, Tower
from interp.clip.model import Clip

_TOWERS: tuple[tuple[Tower, ...], ...] = (("text",), ("vision",), ("text", "vision"))


def tower_parts(clip: Clip, tower: Tower) -> tuple[nn.Module, nn.Module]:
    """Return a tower, and its projection into the space that texts and images share."""
    return clip.family.whole(clip.model, tower)


def linear_layers(clip: Clip, tower: Tower) -> list[str]:
    """Return the names of the linear layers of a tower's blocks, such as ``q_proj``."""
    modules = clip.family.blocks(clip.model, tower)[0].named_modules()
    return [name.rpartition(".")[2] for name, module in modules if isinstance(module, nn.Linear)]


def layers_pattern(family: Family, towers: Sequence[Tower], names: Sequence[str]) -> str:
    """Return peft's regular expression for linear layers of these names in all blocks of these towers."""
    blocks = "|".join(re.escape(family.towers[tower].blocks) for tower in towers)
    return rf"({blocks})\.\d+\.\w+\.({'|'.join(names)})"


def is_layers_pattern(pattern: str) -> bool:
    """Return whether an expression is a result of `layers_pattern` for any family, towers and names."""
    match = re.search(r"\(([\w|]+)\)$", pattern)
    return match is not None and any(
        pattern == layers_pattern(family, towers, match[1].split("|"))
        for family in FAMILIES.values()
        for towers in _TOWERS
    )
