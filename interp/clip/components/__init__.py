"""Components of a block at which there can be a site: each is a file of this folder, and a line in the registry."""

from __future__ import annotations

from interp.clip.components import attn, block, mlp
from interp.clip.components.component import Component

COMPONENTS: dict[str, Component] = {module.COMPONENT.name: module.COMPONENT for module in (block, attn, mlp)}


def find_component(name: str) -> Component:
    """Return the component of a name; raise `KeyError` if there is no such component."""
    return COMPONENTS[name]
