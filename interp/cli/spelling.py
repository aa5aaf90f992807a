"""Spelling of commands in the output of a command, which follows the command name that the user typed. No torch."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MODULE = re.compile(r"python -m ([\w.]+)")
_names: Mapping[str, str] = {}  # module -> command, if the user typed the name of a command


def spell_as(names: Mapping[str, str]) -> None:
    """Spell commands by these names from now on.

    Args:
        names: module -> command that the user types instead of ``python -m`` and the module. An empty mapping restores
            the spelling by modules.
    """
    global _names
    _names = names


def spelled(text: str) -> str:
    """Return a text with commands spelled as the user types them.

    >>> spell_as({"interp.sweep": "clip-descriptions sweep"})
    >>> spelled("run python -m interp.sweep --merge, or python -m mkdocs")
    'run clip-descriptions sweep --merge, or python -m mkdocs'
    >>> spell_as({})
    """
    return _MODULE.sub(lambda match: _names.get(match[1], match[0]), text)
