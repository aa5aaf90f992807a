"""Objectives of a sweep by name: a search on the frozen model alone, or modules that train at each cell."""

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
        UserError: there is no objective of that name.
    """
    if name in FROZEN:
        return None
    if name not in TRAINED:
        raise UserError(f"there is no objective '{name}'; known: {', '.join((*FROZEN, *TRAINED))}")
    return importlib.import_module("training.cells")
