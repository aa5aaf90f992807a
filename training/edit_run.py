"""Training of an edit in a run folder, shared by `training.finetune --tuning edit` and a sweep's edited cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from interp.clip.edits.edit import FILE
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS, Contrast
from interp.edits.edited_runs import edited_part
from interp.edits.train import RETAIN, EditConfig, TrainedEdit, chosen, train_edits
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text
from interp.subspaces.outcomes import align
from interp.subspaces.pairs import PairsAtSite, pairs_at
from training.batches import generator
from training.config import FinetuneConfig
from training.loop import HISTORY, ROTATION

EDIT_FILES = (FILE, str(Path(FILE).with_suffix(".json")))


def pairs_to_edit_on(
    config: FinetuneConfig, clip: Clip, features: EmbeddedPairs, clean_parts: Mapping[str, PairsAtSite] | None = None
) -> dict[str, PairsAtSite]:
    """Return the train and val pairs of an edit, at its site; a random choice if the options ask for fewer pairs.

    Args:
        config: options of the training.
        clip: base model.
        features: all pairs.
        clean_parts: all pairs of both splits at the site, if they have been run; else the drawn pairs are run.
    """
    site, parts = Site("text", config.layer), {}
    for split, most in (("train", config.sampled_pairs), ("val", config.val_samples)):
        part = features.split(split)
        rows = torch.arange(len(part))
        if most is not None and most < len(part):
            rows = torch.randperm(len(part), generator=generator(config.seed, 6))[:most].sort().values
        if clean_parts is None:
            parts[split] = pairs_at(clip, part.take(rows.tolist()), site)
        else:
            clean = clean_parts[split]
            parts[split] = clean if len(rows) == len(part) else PairsAtSite(clean.pairs.take(rows), site)
    return parts


def best_edit(
    config: FinetuneConfig, parts: Mapping[str, PairsAtSite], on_step: Callable[[], object] = lambda: None
) -> TrainedEdit:
    """Train an edit with each weight of retention, and return the edit that val chooses.

    Args:
        config: options of the training.
        parts: pairs of train and val at the site.
        on_step: callback after each step.
    """
    settings = EditConfig(
        objective=config.objective,
        weight=None if config.objective == "behavioral" else config.weight,
        sources=config.sources,
        lr=config.lr,
        batch_size=config.pairs_per_step,
        max_steps=config.steps_of_edit,
        look_every=config.look_every or EditConfig.look_every,
        seed=config.seed,
    )
    weights = RETAIN if config.retain is None else (config.retain,)
    return chosen(
        train_edits(parts["train"], parts["val"], [config.size], retain=weights, config=settings, on_step=on_step)
    )


def train_in_folder(
    config: FinetuneConfig,
    clip: Clip,
    parts: Mapping[str, PairsAtSite],
    contrast: Contrast,
    folder: Path,
    on_step: Callable[[int, float], None] = lambda *_: None,
) -> dict[str, Any]:
    """Train an edit, and write the edit, its Z and its looks at val to a folder.

    Args:
        config: options of the training.
        clip: base model.
        parts: pairs of train and val at the site.
        contrast: the two kinds of text.
        folder: run folder.
        on_step: callback with the number of steps taken and NaN.

    Returns:
        Result for the manifest, in the form of a fine-tuning, with the weight of retention that val has chosen.
    """
    steps = iter(range(1, config.steps_of_edit + 1))
    best = best_edit(config, parts, lambda: on_step(next(steps), float("nan")))
    result = {"steps": config.steps_of_edit, "kept_step": best.look.step, "retain": best.edit.facts["retain"]}
    result |= {"val_loss": best.look.loss, "preference": best.look.preference} | _iia(
        best, parts["val"], config, contrast
    )
    best.rotation.with_facts({**best.rotation.facts, **result}).save(folder / ROTATION)
    looks = pd.DataFrame([asdict(look) for look in best.history]).rename(columns={"loss": "val_loss"})
    write_atomic(folder / HISTORY, csv_text(looks))
    replace(best.edit, base=config.model, base_fingerprint=clip.fingerprint).save(folder)
    return result


def _iia(best: TrainedEdit, val: PairsAtSite, config: FinetuneConfig, contrast: Contrast) -> dict[str, float]:
    outcomes = align(edited_part(val, best.edit), best.rotation, sources=config.sources, seed=config.seed)
    return {f"iia_{contrast.short(direction)}": outcomes.iia(direction) for direction in DIRECTIONS}
