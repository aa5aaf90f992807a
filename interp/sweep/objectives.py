"""Objectives of a sweep that train a model at each cell, and what is found of that model."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from interp.errors import UserError
from interp.measures import ALIGNED, Numbers
from interp.sweep.config import FROZEN

if TYPE_CHECKING:
    from interp.attribution.result import Attributions
    from interp.clip.model import Clip
    from interp.runs.place import Place
    from interp.subspaces.outcomes import Outcomes
    from interp.subspaces.subspace import Subspace


@dataclass(frozen=True, eq=False)
class Trained:
    """Findings on the model that was trained at a cell.

    Attributes:
        numbers: measures of the model, as those of a frozen one.
        attributions: of the texts of the attributed pairs, by route; positive ones first.
        outcomes: of the interventions on the test pairs.
    """

    numbers: Numbers
    attributions: Attributions
    outcomes: Outcomes


@runtime_checkable
class TrainedCells(Protocol):
    """Trainings at the cells of a sweep; can be sent to other processes. The base `clip` stays as it is."""

    def train(self, place: Place, clip: Clip) -> tuple[Clip, Subspace]:
        """Train at a cell, or go on, or load what is there; return the model, and the subspace trained with it."""
        ...

    def __call__(self, place: Place, clip: Clip) -> Trained:
        """Train at a cell, and measure."""
        ...


def find_objective(name: str) -> ModuleType | None:
    """Return the module that trains by an objective; None for a search on the frozen model alone.

    The module is imported by name, since `training` stands on this package.

    Raises:
        UserError: there is no objective of that name.
    """
    if name in FROZEN:
        return None
    if name not in ALIGNED:
        raise UserError(f"there is no objective '{name}'; known: {', '.join((*FROZEN, *ALIGNED))}")
    return importlib.import_module("training.ablation")
