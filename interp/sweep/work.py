"""What the processes of a sweep need to know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from interp.clip.image_features import EmbeddedPairs
from interp.clip.tensors import Tensor
from interp.data.norms import Norm
from interp.sweep.config import SweepConfig
from interp.sweep.objectives import TrainedCells
from interp.sweep.sharing import Shard

CACHE = "cache"


def cache_name(part: Shard | None) -> str:
    """Of the folder in which cells share what is computed once for all of them; a part of a sweep has its own."""
    return CACHE if part is None else f"{CACHE}-{part.name}"


@dataclass(frozen=True, eq=False)
class Work:
    """What a process needs to know to compute cells; small enough to be sent to each, `trained` too.

    Attributes:
        fingerprint: of the model, which must not change while cells are computed.
        features: all pairs, with their images, on the CPU.
        layers: of the cells.
        sizes: of the whole sweep, ascending.
        attributed: the test pairs whose texts are attributed, by their number among these.
        folder: of the run.
        trained: what trains a model at each cell, if that is wanted.
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

    @property
    def cache(self) -> Path:
        """Where on disk lies what the cells share, while they are computed."""
        return self.folder / cache_name(self.config.part)

    @property
    def attributed_texts(self) -> Tensor:
        """Rows in the clean run of the texts that are attributed: of test pairs the positive texts, then the others."""
        pairs = torch.tensor(self.features.rows("test"))[list(self.attributed)]
        return torch.cat([pairs, pairs + len(self.features)])
