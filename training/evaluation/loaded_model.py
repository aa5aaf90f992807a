"""Input of the tasks of an evaluation: a model, and pairs with their images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.data.pairs import SPLITS, digest
from interp.subspaces.subspace import Subspace
from training.config import EvaluateConfig
from training.evaluation.aligned_subspace import AlignedSubspace
from training.evaluation.evaluated_model import EvaluatedModel


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """Model that is evaluated.

    Attributes:
        config: options of the evaluation.
        who: name of the model, and its manifest if it is a fine-tuned run.
        clip: loaded model.
    """

    config: EvaluateConfig
    who: EvaluatedModel
    clip: Clip


@dataclass(frozen=True, eq=False)
class EvaluatedPairs(LoadedModel):
    """Model that is evaluated on pairs.

    Attributes:
        data: name of the data.
        features: pairs to evaluate on, with their images.
        aligned: subspace, if there is one.
    """

    data: str
    features: EmbeddedPairs
    aligned: AlignedSubspace | None

    @property
    def subspace(self) -> Subspace | None:
        """Subspace that is evaluated, if there is one."""
        return None if self.aligned is None else self.aligned.subspace

    @property
    def reference(self) -> EmbeddedPairs | None:
        """Train pairs that evidence refers to; None if no evidence is measured."""
        return None if self.aligned is None else self.aligned.reference

    @cached_property
    def held_out(self) -> list[int]:
        """Rows of the last split: test, if there is one."""
        pairs = self.features.pairs
        last = next(name for name in (*reversed(SPLITS), pairs[-1].split) if self.features.rows(name))
        return self.features.rows(last)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that every task on pairs depends on."""
        return {
            "data": self.features.data.fingerprint,
            "contrast": list(self.features.contrast.kinds),
            "pairs": len(self.features),
            "rotation": None if self.subspace is None else self.subspace.fingerprint,
            "seed": self.config.seed,
            "device": self.config.device,
        }

    @property
    def referred(self) -> dict[str, Any]:
        """Settings that only evidence depends on; empty if no evidence is measured."""
        return {} if self.reference is None else {"reference": digest(pair.id for pair in self.reference.pairs)}
