"""Work of a sweep: the object from which every process computes cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.tensors import Tensor
from interp.data.norms import Norm
from interp.measures import Numbers
from interp.subspaces.pairs import PairsAtSite
from interp.sweep.config import SweepConfig
from interp.sweep.sharing import Shard

if TYPE_CHECKING:
    from interp.attribution.result import Attributions
    from interp.clip.edits.edit import Edit
    from interp.clip.model import Clip
    from interp.runs.chosen_cell import EditControls
    from interp.runs.place import Place
    from interp.subspaces.outcomes import Outcomes
    from interp.subspaces.subspace import Subspace

CACHE = "cache"


def cache_name(part: Shard | None) -> str:
    """Return the name of the folder for data that cells share; each part of a sweep has a separate folder."""
    return CACHE if part is None else f"{CACHE}-{part.name}"


Parts = Mapping[str, PairsAtSite]  # split -> pairs


@dataclass(frozen=True, eq=False)
class TrainedResult:
    """Results of the model trained at a cell.

    Attributes:
        numbers: measures of the model, as for a frozen model.
        attributions: attributions of the texts of the attributed pairs, by route; positive texts first.
        outcomes: outcomes of the interventions on the test pairs.
    """

    numbers: Numbers
    attributions: Attributions
    outcomes: Outcomes


@runtime_checkable
class TrainedCells(Protocol):
    """Trainings at the cells of a sweep by one objective; they can be sent to other processes.

    The base model does not change.
    """

    @property
    def objective(self) -> str:
        """Name of the objective."""
        ...

    def train(self, work: Work, place: Place, clip: Clip, parts: Parts | None = None) -> tuple[Clip, Subspace]:
        """Train at a cell, continue a training, or load a finished model; return the model and its subspace.

        Args:
            work: work of the sweep.
            place: cell.
            clip: base model.
            parts: pairs of the base at the site; None if they have not been run.
        """
        ...

    def edit(self, work: Work, place: Place) -> tuple[Edit, Subspace]:
        """Return the edit trained at a cell, and Z; only for objectives that edit."""
        ...

    def edit_controls(
        self, work: Work, clip: Clip, place: Place, arbitrary: Parts, untrained: Parts
    ) -> EditControls | None:
        """Return the controls of the edit at a cell; None for objectives that fine-tune.

        Args:
            work: work of the sweep.
            clip: base model.
            place: cell.
            arbitrary: pairs of each split at the site of the base, with an arbitrary label.
            untrained: pairs of each split at the site, in a text tower with random weights.
        """
        ...

    def __call__(
        self,
        work: Work,
        place: Place,
        clip: Clip,
        parts: Parts | None = None,
        attributions: tuple[Attributions, Attributions] | None = None,
    ) -> TrainedResult:
        """Train at a cell and measure the model.

        Args:
            work: work of the sweep.
            place: cell.
            clip: base model.
            parts: pairs of the base at the site; None if they have not been run.
            attributions: attributions of the trained model from both baselines; None if they have not been computed.
        """
        ...


@dataclass(frozen=True, eq=False)
class Work:
    """Material of all cells except the model; it is small enough to be sent to each process.

    Attributes:
        config: options of the sweep.
        fingerprint: fingerprint of the model, which must not change while cells are computed.
        features: all pairs, with tokens and with image embeddings on the CPU.
        norms: norms whose correlation with attributions is measured.
        layers: layers of the cells, ascending.
        sizes: sizes of the whole sweep, ascending.
        attributed: numbers of the test pairs whose texts are attributed.
        folder: run folder.
        trained: trainings at the cells in this pass; None if the pass trains no models.
        searched: True if an earlier pass has searched all cells on the frozen model.
    """

    config: SweepConfig
    fingerprint: str
    features: EmbeddedPairs
    norms: tuple[Norm, ...]
    layers: tuple[int, ...]
    sizes: tuple[int, ...]
    attributed: tuple[int, ...]
    folder: Path
    trained: TrainedCells | None = None
    searched: bool = False

    @property
    def cache(self) -> Path:
        """Folder of data that the cells share during the computation."""
        return self.folder / cache_name(self.config.part)

    @property
    def attributed_texts(self) -> Tensor:
        """Rows of the attributed texts in the clean run: positive texts of test pairs, then negative texts."""
        pairs = torch.tensor(self.features.rows("test"))[list(self.attributed)]
        return torch.cat([pairs, pairs + len(self.features)])
