"""Evaluation of a model: load the model and the data of all tasks, and prepare the tasks."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from interp.check.certificate import certified_pairs
from interp.cli import slug
from interp.cli.progress import Bar
from interp.clip.devices import check_device
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.sites import SiteMismatch
from interp.clip.trust import check_trust
from interp.data import data_sets, load_pairs
from interp.data.pairs import DataError, PairSet, without_intervals
from interp.errors import UserError, quoted
from interp.runs.examples import EXAMPLES
from interp.runs.folder import check_folder
from interp.runs.versions import VERSIONS
from interp.subspaces.kinds import load_subspace
from interp.subspaces.pairs import Sources
from interp.subspaces.subspace import Subspace
from training.config import EvaluateConfig
from training.evaluation.aligned_subspace import AlignedSubspace
from training.evaluation.evaluated_model import EvaluatedModel, evaluated_model
from training.evaluation.jobs import Plan
from training.evaluation.loaded_model import EvaluatedPairs, LoadedModel
from training.evaluation.tasks import find_task
from training.evaluation.tasks.task import Task
from training.loop import ROTATION

LEAST = 2  # number of pairs that sources of the same kind need
# Number of train pairs that determine the gap, drawn at random; with more, held-out pairs would limit the precision.
REFERENCE = 2048


def of_model(config: EvaluateConfig, tasks: Sequence[str]) -> Plan:
    """Load the model and all data that the tasks need.

    Raises:
        UserError: something is missing or does not fit; nothing has been written then.
    """
    given, who = config, evaluated_model(config.model)
    if config.data is not None:
        config = replace(config, data=data_sets(config.data)[0])
    kinds, _, limit = _pair_options(config, who)
    given = replace(given, kinds=kinds, limit=limit)
    default = f"{config.model}/evaluation" if who.is_run else f"runs/evaluate-{slug(config.model)}"
    out = Path(config.out or default)
    check_device(config.device)
    check_folder(out)
    data = config.data or str(who.arguments.get("data", "toy"))
    if config.data is None:
        _check_place(config.model, data)
        check_trust(config.model, "data", data, trust=config.trust_run)
    chosen = {name: find_task(name) for name in tasks}
    loaded = {name: task.load(given, data) for name, task in chosen.items() if not task.downloads}
    every = _pairs(config, who, data) if any(task.on_pairs for task in chosen.values()) else None
    pairs = None if every is None else _pairs_of_splits(config, every)
    on = LoadedModel(
        config,
        who,
        load_clip(config.model, tokenizer=config.tokenizer, device=config.device, trust=config.trust_run),
    )
    subspace = _subspace(config, on.clip, who)
    loaded |= {name: task.load(given, data) for name, task in chosen.items() if task.downloads}
    notes, facts = [*on.clip.notes], dict[str, Any]()
    if every is not None and pairs is not None:
        on, notes, facts = _on_pairs(on, data, every, pairs, subspace, chosen.values())
    settings = {"kind": "evaluation", "version": VERSIONS["evaluation"], "model": on.clip.fingerprint}
    jobs = tuple(task.job(on, loaded[name]) for name, task in chosen.items())
    return Plan(out, settings, who.about(on.clip.fingerprint), jobs, tuple(notes), **facts)


def _check_place(run: str, data: str) -> None:
    """Raise `UserError` if a run names its data by a relative path that does not exist."""
    path = re.sub(r"^(csv|concadia):", "", data)
    if path != data and not os.path.isabs(path) and not os.path.lexists(path):
        raise UserError(f"the data of '{run}', {quoted(data)}, do not exist here; name the data with --data")


def _on_pairs(
    on: LoadedModel, data: str, every: PairSet, pairs: PairSet, subspace: Subspace | None, tasks: Iterable[Task]
) -> tuple[EvaluatedPairs, list[str], dict[str, Any]]:
    """Embed the images of the evaluated pairs.

    Returns:
        The model with the pairs, notes, and facts for the plan.
    """
    config, clip, measured = on.config, on.clip, any(task.evidence for task in tasks)
    sources = _sources(config, on.who, subspace)
    with Bar(total=len(pairs), desc="images", unit="image") as bar:
        features = image_features(clip, pairs, skip_bad=config.skip_bad_images, on_image=bar.update)
    if subspace is not None and measured:
        _check_sources(sources, features)
    if subspace is not None:
        features = features.tokenized(clip)
    aligned = None if subspace is None else AlignedSubspace(subspace, sources, config.seed)
    model = EvaluatedPairs(config, on.who, clip, data, features, aligned)
    notes = [*clip.notes]
    if measured and aligned is not None:
        reference, problems = _reference(model, every)
        model = replace(model, aligned=replace(aligned, reference=reference))
        notes += problems
    held_out = [features.pairs[row] for row in model.held_out]
    splits = dict.fromkeys(pair.split for pair in held_out)
    few = [note for split in splits for note in without_intervals(features.pairs, split)]
    facts: dict[str, Any] = {"contrast": pairs.contrast, "shown": (features.data, tuple(held_out[:EXAMPLES]))}
    if subspace is not None:
        facts["certified"] = certified_pairs(clip, features, [subspace.site.layer])
    return model, [*notes, *pairs.notes, *features.notes, *few], facts


def _pairs(config: EvaluateConfig, who: EvaluatedModel, data: str) -> PairSet:
    """Return the pairs of the data, with the splits of the run's training."""
    kinds, split, limit = _pair_options(config, who)
    return load_pairs(data, kinds=kinds, split=split, limit=limit)


def _pair_options(config: EvaluateConfig, who: EvaluatedModel) -> tuple[str | None, str | None, int | None]:
    """Return kinds, split and limit from the options, or else from the arguments of a run on the same data."""
    arguments = who.arguments if config.data in (None, who.arguments.get("data")) else {}
    kinds, split, limit = (
        arguments.get(name) if (given := getattr(config, name)) is None else given
        for name in ("kinds", "split", "limit")
    )
    return kinds, split, limit


def _pairs_of_splits(config: EvaluateConfig, pairs: PairSet) -> PairSet:
    """Return the pairs of the splits that the options name."""
    chosen = [name.strip() for name in config.splits.split(",")]
    for name in chosen:
        pairs.split(name)  # raises if there are none
    return replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split in chosen))


def _reference(on: EvaluatedPairs, every: PairSet) -> tuple[EmbeddedPairs | None, list[str]]:
    """Return the train pairs that the evidence refers to, with their images, and notes.

    If there are more than `REFERENCE` train pairs, this number is drawn at random with the seed, in the order of the
    data.
    """
    if on.config.controls == "none" or on.aligned is None:
        return None, []
    train = [pair for pair in every.pairs if pair.split == "train"]
    # Files are often in the order of articles, and the first articles need not resemble the others.
    drawn = np.random.default_rng(on.config.seed).permutation(len(train))[:REFERENCE]
    train = [train[i] for i in sorted(drawn.tolist())]
    if min(len(train), len(on.held_out)) < LEAST:
        return None, [f"only IIA is measured: other evidence needs {LEAST} train pairs and {LEAST} held-out pairs"]
    features = image_features(on.clip, replace(every, pairs=tuple(train)), skip_bad=on.config.skip_bad_images)
    return features, list(features.notes)


def _sources(config: EvaluateConfig, who: EvaluatedModel, subspace: Subspace | None) -> Sources:
    """Return the sources of the options, or else the sources in the training of the subspace or of its run."""
    if config.sources is not None:
        return config.sources
    trained: Mapping[str, Any] = who.settings if subspace is None or config.rotation is None else subspace.facts
    return "paired" if trained.get("sources") == "paired" else "random"


def _check_sources(sources: Sources, features: EmbeddedPairs) -> None:
    counts = Counter(pair.split for pair in features.pairs)
    if sources == "random" and (few := [name for name, count in counts.items() if count < 2]):
        raise DataError(f"{few[0]} has 1 pair, but random sources need 2; raise --limit, or choose --sources paired")


def _subspace(config: EvaluateConfig, clip: Clip, who: EvaluatedModel) -> Subspace | None:
    """Return the subspace of the options, or else of the run folder; raise `SiteMismatch` if it does not fit."""
    stored = Path(config.model) / ROTATION
    path = Path(config.rotation) if config.rotation else stored if who.is_run and stored.is_file() else None
    if path is None:
        return None
    subspace = load_subspace(path)
    site = subspace.site
    site.check(clip)
    if site.tower != "text" or subspace.width != clip.width("text"):
        raise SiteMismatch(
            f"the rotation '{path}' has width {subspace.width} in the {site.tower} tower, "
            f"but the text tower of {clip.name} has width {clip.width('text')}"
        )
    return subspace
