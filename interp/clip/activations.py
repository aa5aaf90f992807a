"""Notes on activations that do not fit a model's name. A wrong activation shifts all numbers without any other sign."""

from __future__ import annotations

import re
from typing import Any

# Patterns in the names of checkpoints that were trained with each activation (https://github.com/mlfoundations/open_clip#quickgelu).
NAMES = {
    "quick_gelu": re.compile(r"quickgelu|openai|metaclip|dfn", re.IGNORECASE),
    "gelu": re.compile(r"laion|datacomp|commonpool", re.IGNORECASE),
}
_TITLES = {"quick_gelu": "QuickGELU", "gelu": "GELU"}


def activation_notes(name: str, config: Any) -> list[str]:
    """Return sentences on towers whose activation differs from the activation that the model's name suggests.

    Args:
        config: a `CLIPConfig`.
    """
    hint = next(((activation, match[0]) for activation, names in NAMES.items() if (match := names.search(name))), None)
    if hint is None:
        return []
    expected, word = hint
    return [
        f"the name '{name}' contains '{word}', and models of that name use {_TITLES[expected]}, but the {tower} tower "
        f"uses {_TITLES.get(given, given)}: if the name is right, set hidden_act to {expected} in config.json, since "
        "all numbers are slightly wrong"
        for tower in ("text", "vision")
        if (given := getattr(config, f"{tower}_config").hidden_act) != expected
    ]
