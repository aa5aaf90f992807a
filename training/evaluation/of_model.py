"""The evaluation of a model: the model and all data that the tasks need are loaded, and the tasks made ready."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from interp.attribution.drawing import attributed_pairs
from interp.check.certificate import certified_pairs
from interp.cli import slug
from interp.clip.devices import check_device
from interp.clip.errors import ModelError
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.sites import SiteMismatch
from interp.clip.trust import check_trust, name_in
from interp.data import load_pairs
from interp.data.blv import RatedTexts, load_blv
from interp.data.contrast import PAPER
from interp.data.norms import Norm, load_norms
from interp.data.pairs import SPLITS, DataError, PairSet, digest, without_intervals
from interp.data.transfer import LabelledImages, default_sets, load_transfer
from interp.runs.examples import EXAMPLES
from interp.runs.folder import check_folder
from interp.runs.versions import VERSIONS
from interp.subspaces.kinds import load_subspace
from interp.subspaces.pairs import Sources
from interp.subspaces.subspace import Subspace
from training.config import EvaluateConfig
from training.evaluation import tasks as measure
from training.evaluation.abilities import ACCURACY, ability_tests
from training.evaluation.aligned import SETS, Aligned
from training.evaluation.evaluated_model import EvaluatedModel, evaluated_model
from training.evaluation.jobs import Job, Plan, TaskResult
from training.evaluation.measures import measured
from training.evaluation.of_scores import text_scores
from training.loop import ROTATION

LEAST = 2  # pairs that sources of the own kind need
# Train pairs that tell what the gap is, drawn at random; more tell it no better than the held-out pairs are measured.
REFERENCE = 2048


@dataclass(frozen=True, eq=False)
class EvaluatedPairs:
    """What tasks on pairs are computed from.

    Attributes:
        data: by its name.
        pairs: those whose image could be read.
        features: the same, with their images.
        aligned: a subspace, if there is one.
    """

    config: EvaluateConfig
    clip: Clip
    data: str
    pairs: PairSet
    features: EmbeddedPairs
    aligned: Aligned | None

    @property
    def subspace(self) -> Subspace | None:
        """The subspace that is evaluated, if there is one."""
        return None if self.aligned is None else self.aligned.subspace

    @property
    def reference(self) -> EmbeddedPairs | None:
        """What evidence refers to, if it is wanted."""
        return None if self.aligned is None else self.aligned.reference

    @cached_property
    def held_out(self) -> list[int]:
        """The pairs of the split that is looked at last: test, if there is one."""
        pairs = self.features.pairs
        last = next(name for name in (*reversed(SPLITS), pairs[-1].split) if self.features.rows(name))
        return self.features.rows(last)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Settings that every task on pairs depends on."""
        return {
            "data": self.pairs.fingerprint,
            "contrast": list(self.pairs.contrast.kinds),
            "pairs": len(self.pairs),
            "rotation": None if self.subspace is None else self.subspace.fingerprint,
            "seed": self.config.seed,
            "device": self.config.device,
        }


def of_model(config: EvaluateConfig, tasks: Sequence[str]) -> Plan:
    """Load the model and all the data that the tasks need.

    Raises:
        UserError: something is missing or does not fit; nothing has been written then.
    """
    who = evaluated_model(config.model)
    beside = f"{config.model}/evaluation" if who.is_run else f"runs/evaluate-{slug(config.model)}"
    out = Path(config.out or beside)
    check_device(config.device)
    check_folder(out)
    data = config.data or str(who.arguments.get("data", "toy"))
    if config.data is None:
        check_trust(config.model, "data", data, trust=config.trust_run)
    known_norms = load_norms(config.norms) if "norms" in tasks else []
    rated = load_blv(config.blv) if "blv" in tasks and config.blv else None
    every = _pairs(config, who, data) if set(tasks) != {"blv"} else None
    pairs = None if every is None else _chosen(config, every)
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device, trust=config.trust_run)
    subspace = _subspace(config, clip, who)
    sources = _sources(config, who, subspace)
    classified = []
    if "transfer" in tasks:  # last, for these may be large downloads
        sets = config.transfer or default_sets(data)
        templates = Path(config.templates) if config.templates else None
        classified = load_transfer(sets, templates=templates, limit=config.transfer_limit, seed=config.seed)
    jobs, notes, shown, contrast, certified = {}, [*clip.notes], None, PAPER, dict[str, float]()
    if every is not None and pairs is not None:
        with tqdm(total=len(pairs), desc="images", unit="image", leave=False, disable=None) as bar:
            features = image_features(clip, pairs, skip_bad=config.skip_bad_images, on_image=bar.update)
        if subspace is not None and "concadia" in tasks:
            _check_sources(sources, features)
        if subspace is not None:
            certified = certified_pairs(clip, features, [subspace.site.layer])
        known = replace(pairs, pairs=features.pairs)
        aligned = None if subspace is None else Aligned(subspace, sources, config.seed)
        on = EvaluatedPairs(config, clip, data, known, features, aligned)
        if "concadia" in tasks or "transfer" in tasks:
            reference, said = _reference(on, every)
            on = on if aligned is None else replace(on, aligned=replace(aligned, reference=reference))
            notes += said
        ready = {
            "concadia": lambda: _concadia(on),
            "norms": lambda: _norms(on, known_norms),
            "transfer": lambda: _transfer(on, classified),
        }
        jobs = {task: prepare() for task, prepare in ready.items() if task in tasks}
        if "concadia" in tasks:
            shown = pairs, tuple(features.pairs[i] for i in on.held_out[:EXAMPLES])
        held_out = [features.pairs[row].split for row in on.held_out]
        few = [note for split in dict.fromkeys(held_out) for note in without_intervals(features.pairs, split)]
        notes += [*pairs.notes, *features.notes, *few]
        contrast = pairs.contrast
    if rated is not None:
        jobs["blv"] = _blv(config, clip, rated, who)
    settings = {"kind": "evaluation", "version": VERSIONS["evaluation"], "model": clip.fingerprint}
    ordered = tuple(jobs[task] for task in tasks)
    return Plan(out, settings, who.about(clip.fingerprint), ordered, tuple(notes), contrast, shown, certified)


def _pairs(config: EvaluateConfig, who: EvaluatedModel, data: str) -> PairSet:
    """The pairs of the data, in the splits that a run was made with."""
    own = who.arguments if config.data in (None, who.arguments.get("data")) else {}
    kinds, split, limit = (
        own.get(name) if (given := getattr(config, name)) is None else given for name in ("kinds", "split", "limit")
    )
    return load_pairs(data, kinds=kinds, split=split, limit=limit)


def _chosen(config: EvaluateConfig, pairs: PairSet) -> PairSet:
    """The pairs to evaluate on; those of a run are the ones that it was not trained on."""
    chosen = [name.strip() for name in config.splits.split(",")]
    for name in chosen:
        pairs.split(name)  # raises where there are none
    return replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split in chosen))


def _reference(on: EvaluatedPairs, every: PairSet) -> tuple[EmbeddedPairs | None, list[str]]:
    """Train pairs that the evidence refers to, with their images, and notes: of more than `REFERENCE` as many, drawn at
    random with the seed, in the order of the data."""
    if on.config.controls == "none" or on.aligned is None:
        return None, []
    train = [pair for pair in every.pairs if pair.split == "train"]
    # Files are often in the order of articles, whose first ones need not be like the others.
    drawn = np.random.default_rng(on.config.seed).permutation(len(train))[:REFERENCE]
    train = [train[i] for i in sorted(drawn.tolist())]
    if min(len(train), len(on.held_out)) < LEAST:
        return None, [f"beside IIA nothing is measured, which takes {LEAST} train pairs and as many that are held out"]
    features = image_features(on.clip, replace(every, pairs=tuple(train)), skip_bad=on.config.skip_bad_images)
    return features, list(features.notes)


def _sources(config: EvaluateConfig, who: EvaluatedModel, subspace: Subspace | None) -> Sources:
    """Return the sources asked for, or those that the subspace, or the run that holds it, was trained with."""
    if config.sources is not None:
        return config.sources
    trained: Mapping[str, Any] = who.settings if subspace is None or config.rotation is None else subspace.facts
    return "paired" if trained.get("sources") == "paired" else "random"


def _check_sources(sources: Sources, features: EmbeddedPairs) -> None:
    counts = Counter(pair.split for pair in features.pairs)
    if sources == "random" and (few := [name for name, count in counts.items() if count < 2]):
        raise DataError(f"{few[0]} has 1 pair, random sources need 2; raise --limit, or choose --sources paired")


def _concadia(on: EvaluatedPairs) -> Job:
    def compute() -> TaskResult:
        rows, both = measure.concadia(on.clip, on.features, on.aligned)
        shown = [
            {"id": on.features.pairs[i].id, "positive": float(both[0, i]), "negative": float(both[1, i])}
            for i in on.held_out[:EXAMPLES]
        ]
        return TaskResult(rows, details={"examples": shown})

    sources = None if on.aligned is None else on.aligned.sources
    return Job("concadia", {**on.settings, "sources": sources, "examples": EXAMPLES, **_referred(on)}, compute)


def _referred(on: EvaluatedPairs) -> dict[str, Any]:
    """What evidence depends on, where it is measured."""
    return {} if on.reference is None else {"reference": digest(pair.id for pair in on.reference.pairs)}


def _norms(on: EvaluatedPairs, chosen: Sequence[Norm]) -> Job:
    config = on.config

    def compute() -> TaskResult:
        held_out = on.features.take(on.held_out)
        drawn, notes = attributed_pairs(on.clip, held_out, chosen, config.attributed, config.seed)
        found, words = measure.norms(on.clip, held_out.take(drawn), on.subspace, chosen, n_steps=config.n_steps)
        known = words["full"]
        ratings = {norm.name: dict(zip(known, norm.of(known).tolist(), strict=True)) for norm in chosen}
        return TaskResult(found, notes, {"words": words, "ratings": ratings})

    numbers = {"attributed": config.attributed, "n_steps": config.n_steps}
    return Job("norms", {**on.settings, "norms": {norm.name: norm.fingerprint for norm in chosen}, **numbers}, compute)


def _transfer(on: EvaluatedPairs, classified: Sequence[LabelledImages]) -> Job:
    def compute() -> TaskResult:
        total = sum(map(len, classified))
        with tqdm(total=total, desc="transfer", unit="image", leave=False, disable=None) as bar:
            rows, hits, notes = measure.transfer(on.clip, classified, bar.update)
        held_out = on.features.take(on.held_out)
        found, said = measure.retrievals(on.clip, on.data, held_out, seed=on.config.seed)
        if on.aligned is not None and on.reference is not None:
            tests = ability_tests(on.clip, list(classified), on.data, held_out)
            part, able = on.aligned.part(on.clip, held_out), {(ACCURACY, name): of for name, of in hits.items()}
            lost = tests.swap_lost(on.clip, able, part, on.aligned.subspace, on.config.seed)
            found.append(measured("transfer", SETS, "swap transfer lost", lost))
        return TaskResult(rows + found, [*notes, *said])

    sets = {each.name: each.fingerprint for each in classified}
    return Job("transfer", {**on.settings, "sets": sets, **_referred(on)}, compute)


def _subspace(config: EvaluateConfig, clip: Clip, who: EvaluatedModel) -> Subspace | None:
    """Return the subspace that was named, or that lies next to the weights of a run; it must fit the model."""
    beside = Path(config.model) / ROTATION
    path = Path(config.rotation) if config.rotation else beside if who.is_run and beside.is_file() else None
    if path is None:
        return None
    subspace = load_subspace(path)
    site = subspace.site
    site.check(clip)
    if site.tower != "text" or subspace.width != clip.width("text"):
        raise SiteMismatch(
            f"the rotation '{path}' is for width {subspace.width} of the {site.tower} tower, "
            f"the text tower of {clip.name} has {clip.width('text')}"
        )
    return subspace


def _made_from(who: EvaluatedModel) -> tuple[str | None, str | None]:
    """Return the base of a run and the tokenizer that was named for it; None for what there is not."""
    if who.named is None:
        return None, None
    base, tokenizer = who.named["base"], who.named["tokenizer"]
    folder = Path(who.name)
    return name_in(folder, base), None if tokenizer is None else name_in(folder, tokenizer)


def _blv(config: EvaluateConfig, clip: Clip, rated: RatedTexts, who: EvaluatedModel) -> Job:
    base, tokenizer = _made_from(who)
    against = config.against or base
    known = text_scores(Path(against), rated) if against is not None and os.path.isfile(against) else None
    other = None
    if against is not None and known is None:
        own = config.against is None
        tokenizer = tokenizer if own else None
        for what, named in (("base", against), ("tokenizer", tokenizer)) if own else ():
            check_trust(config.model, what, named or "toy", trust=config.trust_run)
        other = load_clip(against, tokenizer=tokenizer, device=config.device, trust=config.trust_run)
        if own and other.fingerprint != who.settings["base"]:
            raise ModelError(
                f"'{config.model}' was fine-tuned from another base: '{against}' now has the fingerprint "
                f"{other.fingerprint}, it was {who.settings['base']}; bring back that model, or choose with --against"
            )
    name = None if against is None else digest(map(repr, known)) if known is not None else other and other.fingerprint

    def blv() -> TaskResult:
        rival = known if other is None else measure.rated_scores(other, rated, config.prefix)
        notes = [] if against is None else [f"'more than the other': than {against}"]
        return TaskResult(measure.blv(rated, measure.rated_scores(clip, rated, config.prefix), rival), notes)

    return Job("blv", {"ratings": rated.fingerprint, "prefix": config.prefix, "against": name}, blv)
