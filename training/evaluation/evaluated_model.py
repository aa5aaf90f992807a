"""Identity of an evaluated model: a base, or a run that fine-tuned one. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.data.pairs import digest
from interp.measures import ALIGNED
from interp.runs.folder import RunFolder
from interp.runs.weights import is_run
from training.evaluation.records import NamedModels, TuningManifest

_TUNINGS = {"lora": "LoRA", "full": "full", "edit": "edit"}
LABELS = {"behavioral": "behavioral", "joint": "joint", **ALIGNED}


@dataclass(frozen=True)
class EvaluatedModel:
    """Name of a model, and its manifest if it is a fine-tuned run.

    Attributes:
        name: name of the model.
        arguments, settings: arguments and settings of the fine-tuning; empty for a base.
        named: names of its base and tokenizer in its folder (`interp.clip.trust.name_in`).
    """

    name: str
    arguments: dict[str, Any]
    settings: dict[str, Any]
    named: NamedModels | None = None

    @property
    def is_run(self) -> bool:
        """True for a model that was fine-tuned by this package and has a manifest."""
        return bool(self.settings)

    def about(self, fingerprint: str) -> dict[str, Any]:
        """Return the facts that tables of several models need.

        Args:
            fingerprint: fingerprint of the model itself, which is its own base if it is not a run.
        """
        if not self.is_run:
            return {"name": self.name, "label": "base", "base": fingerprint, "group": fingerprint, "seed": 0}
        tuning = _TUNINGS[self.settings["tuning"]]
        alike = {key: value for key, value in self.settings.items() if key not in ("seed", "rotation")}
        return {
            "name": self.name,
            "label": f"{LABELS[self.settings['objective']]}, {tuning}",
            "base": self.settings["base"],
            "group": digest(f"{key}={value!r}" for key, value in sorted(alike.items())),
            "seed": self.settings["seed"],
            **{key: self.settings[key] for key in ("objective", "tuning", "layer", "size", "sources")},
            **({"retain": self.settings["retain"]} if "retain" in self.settings else {}),
        }


def evaluated_model(name: str) -> EvaluatedModel:
    """Return the identity of the model with a name.

    Raises:
        StoreError: a run's manifest is damaged, or of another version.
    """
    if name == "toy" or not is_run(Path(name)):
        return EvaluatedModel(name, {}, {})
    return tuned_model(RunFolder(Path(name)), name)


def tuned_model(folder: RunFolder, name: str) -> EvaluatedModel:
    """Read a fine-tuned run; raise `StoreError` if its manifest is damaged, or of another version."""
    manifest = folder.manifest_as(TuningManifest)
    return EvaluatedModel(name, {**manifest["arguments"]}, {**manifest["settings"]}, manifest["named"])
