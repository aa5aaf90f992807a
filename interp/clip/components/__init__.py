"""Components of a block that can be a site: each is one file in this folder and one line in the registry."""

from __future__ import annotations

from interp.clip.components import attn, block, mlp
from interp.clip.components.component import Component

COMPONENTS: dict[str, Component] = {module.COMPONENT.name: module.COMPONENT for module in (block, attn, mlp)}


def find_component(name: str) -> Component:
    """Return the component with this name; raise `KeyError` if it does not exist."""
    return COMPONENTS[name]
