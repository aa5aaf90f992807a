"""GELU or QuickGELU: the wrong activation makes all numbers of a checkpoint slightly wrong, without any other sign."""

from __future__ import annotations

import re
from typing import Any

# Names of checkpoints trained with each activation (https://github.com/mlfoundations/open_clip#quickgelu).
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
    found = next(((activation, match[0]) for activation, names in NAMES.items() if (match := names.search(name))), None)
    if found is None:
        return []
    expected, word = found
    return [
        f"'{name}' has '{word}' in its name, whose models compute {_TITLES[expected]}, but its {tower} tower is set to "
        f"{_TITLES.get(given, given)}: if the weights are of such a model, all numbers are off, and hidden_act is to "
        f"be {expected}"
        for tower in ("text", "vision")
        if (given := getattr(config, f"{tower}_config").hidden_act) != expected
    ]
