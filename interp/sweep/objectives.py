"""What a sweep can do at each cell besides the search, such as fine-tune a model there.

Such objectives are found by name among the entry points of installed packages (group `clip_descriptions.objectives`),
so that this package needs none that stands on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from interp.errors import UserError
from interp.sweep.config import FROZEN, SweepConfig

if TYPE_CHECKING:
    from interp.attribution.result import Attributions
    from interp.clip.image_features import EmbeddedPairs
    from interp.clip.model import Clip
    from interp.data.norms import Norm
    from interp.runs.place import Place
    from interp.subspaces.outcomes import Outcomes
    from interp.subspaces.rotation import Rotation

GROUP = "clip_descriptions.objectives"


@dataclass(frozen=True, eq=False)
class Trained:
    """What is found of the model that was trained at a cell.

    Attributes:
        measures: key -> value, for each key of the schema that the objective adds.
        attributions: of the texts of the attributed pairs, by route; positive ones first.
        outcomes: of the interventions on the test pairs.
    """

    measures: Mapping[str, Any]
    attributions: Attributions
    outcomes: Outcomes


@runtime_checkable
class TrainedCells(Protocol):
    """What is found at each cell besides the search; can be sent to other processes."""

    def train(self, place: Place, clip: Clip) -> tuple[Clip, Rotation]:
        """Train at a cell, or go on, or load what is there: the model, and the rotation trained with it.

        Args:
            clip: the base, which must stay as it is.
        """
        ...

    def __call__(self, place: Place, clip: Clip) -> Trained:
        """Train at a cell, and measure; `clip` is the base."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What an entry point names: a module, or anything else that has these functions."""

    def settings(self, config: SweepConfig) -> dict[str, Any]:
        """Whatever the measures depend on besides the settings of every sweep; JSON, kept in the manifest."""
        ...

    def plan(self, config: SweepConfig, features: EmbeddedPairs) -> str:
        """What is done at each cell besides the search, in words that follow "and then"."""
        ...

    def prepare(
        self, config: SweepConfig, clip: Clip, features: EmbeddedPairs, norms: Sequence[Norm], attributed: Sequence[int]
    ) -> TrainedCells:
        """Compute what all cells share; `attributed` are the test pairs whose texts are attributed, by number."""
        ...


def find_objective(name: str) -> Objective | None:
    """The objective of that name; None for a search on the frozen model alone.

    Raises:
        UserError: no installed package offers one of that name.
    """
    if name in FROZEN:
        return None
    known = {point.name: point for point in entry_points(group=GROUP)}
    if name not in known:
        raise UserError(
            f"there is no objective '{name}'; known: {', '.join((*FROZEN, *known))}"
            + ("" if known else "; others come with the package when it is installed: pip install -e .")
        )
    found: Objective = known[name].load()
    return found
