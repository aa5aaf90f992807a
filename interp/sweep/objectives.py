"""Registry of the objectives of a sweep: searches on the frozen model, and a module that trains at each cell."""

from __future__ import annotations

import importlib
from types import ModuleType

from interp.errors import UserError
from interp.measures import TRAINED
from interp.sweep.config import FROZEN


def find_objective(name: str) -> ModuleType | None:
    """Return the module that trains by an objective; None for a search on the frozen model alone.

    The module is imported by name, since `training` depends on this package.

    Raises:
        UserError: the objective does not exist.
    """
    if name in FROZEN:
        return None
    if name not in TRAINED:
        raise UserError(f"there is no objective '{name}'; choose one of {', '.join((*FROZEN, *TRAINED))}")
    return importlib.import_module("training.cells")
