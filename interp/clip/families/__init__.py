"""Families of dual encoders: each is one file in this folder and one line in the registry."""

from __future__ import annotations

from torch import nn

from interp.clip.errors import ModelError
from interp.clip.families import clip
from interp.clip.families.family import Family

# Name of a model class -> its family.
FAMILIES: dict[str, Family] = {module.FAMILY.model: module.FAMILY for module in (clip,)}


def family_of(model: nn.Module) -> Family:
    """Return the family of a model.

    Raises:
        ModelError: neither the class of the model nor a class that it extends belongs to a known family.
    """
    for each in type(model).__mro__:
        if each.__name__ in FAMILIES:
            return FAMILIES[each.__name__]
    names = ", ".join(family.name for family in FAMILIES.values())
    raise ModelError(f"the model is a {type(model).__name__}; known families: {names}")
