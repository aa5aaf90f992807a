"""Fine-tune at every cell of a sweep: preference, IIA of the trained alignment, and what of the abilities is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from interp.clip.image_features import ImageFeatures, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.data import load_pairs
from interp.data.contrast import DIRECTIONS
from interp.data.norms import Norm
from interp.data.transfer import load_transfer
from interp.interventions.rotation import Rotation
from interp.runs.place import Place
from training.config import FinetuneConfig
from training.evaluation import tasks
from training.evaluation.measures import Measure
from training.loop import ROTATION
from training.run import tune

# measure of a cell -> the measures of `training.evaluation.tasks` whose drop it is the mean of
ABILITIES = {
    "tuned_transfer_drop": ("accuracy",),
    "tuned_retrieval_drop": ("retrieval",),
}


@dataclass(frozen=True)
class Ablation:
    """Measures of a fine-tuned cell, by its place in the grid; can be sent to other processes.

    Attributes:
        config: of the fine-tunings, each of which has its own layer, size and seed.
        device: as torch names it, of the measures.
        transfer: classification sets.
        norms: that attributions are compared with.
        attributed, n_steps: test pairs and points of their path integral.
        base: what the base can do: (data set or retrieval, measure) -> share.
        folder: of the sweep; runs are kept in `tuned/` there.
    """

    config: FinetuneConfig
    device: str
    transfer: str
    norms: tuple[Norm, ...]
    attributed: int
    n_steps: int
    base: Mapping[tuple[str, str], float]
    folder: Path

    def __call__(self, key: Place) -> dict[str, Any]:
        """Fine-tune, or go on, and measure on the test pairs."""
        from accelerate import Accelerator

        out = self.folder / "tuned" / key.name
        config = replace(self.config, layer=key.layer, size=key.size, seed=key.seed, out=str(out), resume=True)
        pairs, clip = load_pairs(config.data, split=config.split, limit=config.limit), self._load(config.model)
        features = image_features(clip, pairs, skip_bad=config.skip_bad_images)
        if self.device.startswith("cuda:"):
            torch.cuda.set_device(self.device)  # accelerate takes the current one
        accelerator = Accelerator(cpu=self.device == "cpu")
        result = tune(config, clip, pairs, features, out, accelerator)
        accelerator.free_memory()
        tuned = self._load(str(out))
        rotation = Rotation.load(out / ROTATION)
        test = held_out(features)
        few = slice(0, self.attributed)
        rows, _ = tasks.concadia(tuned, test, rotation, config.sources, key.seed)
        rows += tasks.norms(tuned, test.pairs[few], test.embeddings[few], rotation, self.norms, n_steps=self.n_steps)[0]
        able = abilities(tuned, self.transfer, config.data, features)
        drops = {
            name: fmean(
                self.base[of, measure] - share
                for (of, measure), share in able.items()
                if measure.split(" ")[0] in measures
            )
            for name, measures in ABILITIES.items()
        }
        flat = _flat(rows)
        both = fmean(flat[f"tuned_iia_{test.contrast.short(direction)}"] for direction in DIRECTIONS)
        return {"tuned_val_loss": result["val_loss"], **flat, "tuned_iia": both, **drops}

    def _load(self, name: str) -> Clip:
        return load_clip(name, tokenizer=self.config.tokenizer, device=self.device)


def held_out(features: ImageFeatures) -> ImageFeatures:
    """The test pairs."""
    rows = [i for i, pair in enumerate(features.pairs) if pair.split == "test"]
    return replace(
        features,
        pairs=tuple(features.pairs[i] for i in rows),
        embeddings=features.embeddings[torch.tensor(rows)],
    )


def abilities(
    clip: Clip, transfer: str, data: str, features: ImageFeatures, on_image: Callable[[], object] = lambda: None
) -> dict[tuple[str, str], float]:
    """Accuracy on each classification set, and retrieval among test pairs: (set, measure) -> share."""
    held = held_out(features)
    classified, _ = tasks.transfer(clip, load_transfer(transfer), on_image)
    retrieved, _ = tasks.retrievals(clip, data, held.pairs, held.embeddings, held.contrast, seed=0)
    known = {measure for measures in ABILITIES.values() for measure in measures}
    return {(row.of, row.measure): row.value for row in classified + retrieved if row.measure.split(" ")[0] in known}


def _flat(rows: list[Measure]) -> dict[str, Any]:
    """The measures that a sweep's table shows, by its names."""
    out: dict[str, Any] = {}
    for row in rows:
        words = row.measure.split(" ")
        if row.measure == "preference":
            name = "preference"
        elif words[0] in ("iia", "shift") and len(words) == 2:
            name = f"{words[0]}_{words[1]}"
        elif words[0] == "pearson":
            name = f"r_{row.of}_{words[1]}"
        else:
            continue
        out |= {f"tuned_{name}": row.value, f"tuned_{name}_low": row.low, f"tuned_{name}_high": row.high}
    return out
