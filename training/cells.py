"""Objectives `edit`, `iit-das` and `iit-das-calibrated` of a sweep.

A model is trained at every cell. Its learned preference, the evidence for Z, and its lost abilities are measured.
`interp.sweep.objectives` imports this module by name.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from interp.attribution.baselines import content_baselines
from interp.attribution.result import Attributions
from interp.attribution.second_baseline import CHECKED
from interp.attribution.statistics import measure_attributions
from interp.cli import IMPLIED, LOADED, SETTING, shared_options
from interp.cli.progress import Bar
from interp.clip.edits.edit import Edit
from interp.clip.image_features import EmbeddedPairs
from interp.clip.loading import with_adapter
from interp.clip.model import Clip
from interp.data.transfer import default_sets, load_transfer
from interp.edits.edited_runs import edited_part
from interp.evidence.measurement import Evidence, MeasurementSettings, measure_subspace
from interp.evidence.traits import traits_of
from interp.evidence.words_alone import words_alone
from interp.measures import ALIGNED, CONTENT_ROUTES, EDIT, Key, passes
from interp.measures.attributions import is_word_count
from interp.runs.chosen_cell import EditControls
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.stats import Estimate, clustered_share, preference
from interp.subspaces.losses import Objective
from interp.subspaces.methods import find_methods
from interp.subspaces.pairs import PairsAtSite, pairs_at
from interp.subspaces.rotation import Rotation, principal_angles
from interp.subspaces.search import SearchConfig
from interp.sweep.chosen_cell import LEAST, other_seeds
from interp.sweep.config import DEFAULT_LIMIT, SweepConfig
from interp.sweep.work import Parts, TrainedResult, Work
from training.config import FinetuneConfig, preset
from training.edit_run import best_edit
from training.evaluation.abilities import ACCURACY, RETRIEVAL, AbilityTests, Able, ability_tests
from training.evaluation.tasks.norms import word_attributions
from training.evaluation.validation import measure_on_val
from training.finetune_run import tune
from training.launching import alone
from training.loop import ROTATION, total_steps

_EDIT_OBJECTIVE: Objective = "iit-das-calibrated"  # objective of the edits of a sweep
# measure of a cell -> kind of the abilities whose mean drop the measure is
_ABILITIES = {"transfer_drop": ACCURACY, "retrieval_drop": RETRIEVAL}


def settings(config: SweepConfig) -> dict[str, Any]:
    """Return the settings that only a sweep with fine-tuned cells has, for the manifest."""
    sets = {task.name: task.fingerprint for task in load_transfer(_transfer(config))}
    steps = {} if config.objective == EDIT else {"tune_steps": config.tune_steps}
    return {**steps, "preset": _tuning(config, config.objective).preset, "transfer": sets}


def plan(config: SweepConfig, objective: str, features: EmbeddedPairs) -> str:
    """Return a clause that names the training and the measures of a pass at each cell."""
    tuning = _tuning(config, objective)
    steps = total_steps(tuning, len(features.rows("train")))
    stop = "" if tuning.patience is None else "at most "
    how = (
        f"train an edit of the stream by {ALIGNED[tuning.objective]} ({steps} steps)"
        if objective == EDIT
        else f"fine-tune by {ALIGNED[objective]} (LoRA, {stop}{steps} steps)"
    )
    return (
        f"{how}, and measure preference, IIA, zero-shot transfer, retrieval and attributions of the "
        f"{'edited' if objective == EDIT else 'trained'} model"
    )


def prepare(config: SweepConfig, clip: Clip, features: EmbeddedPairs) -> dict[str, _TrainedCells]:
    """Embed the images that the cells need, measure the abilities of the base, and return the trainings by pass."""
    with Bar(desc="abilities of the base", unit="image") as bar:
        sets = load_transfer(_transfer(config))
        tests = ability_tests(clip, sets, config.data, features.split("test"), bar.update)
    _, loss = measure_on_val(clip, features.split("val"))
    base = tests.of(clip)
    return {name: _TrainedCells(_tuning(config, name), tests, base, loss.value) for name in passes(config.objective)}


def _tuning(config: SweepConfig, objective: str) -> FinetuneConfig:
    """Return the options of each cell's training: those of `training.finetune` on the toy, else of preset `paper`."""
    source: Literal["toy", "paper"] = "toy" if config.data == "toy" else "paper"
    given = (
        FinetuneConfig(preset=source, tuning="edit", objective=_EDIT_OBJECTIVE, retain=0.0)
        if objective == EDIT
        else FinetuneConfig(preset=source)
    )
    options = shared_options(config, FinetuneConfig, SETTING, LOADED, IMPLIED)
    options |= {"limit": config.limit or DEFAULT_LIMIT}  # the number of steps of a search does not apply
    steps = None if objective == EDIT else config.tune_steps
    options |= {"max_steps": steps, "objective": given.objective if objective == EDIT else objective}
    return replace(given, **{**preset(given), **options})


def _transfer(config: SweepConfig) -> str:
    return config.transfer or default_sets(config.data)


def _seconds(manifest: Mapping[str, Any]) -> float:
    """Return the duration of a training in seconds; if several commands continued it, that of the last one."""
    return float(manifest.get("seconds", math.nan))


def _both_attributions(
    work: Work, tuned: Clip, held_out: EmbeddedPairs, rotation: Rotation
) -> tuple[Attributions, Attributions]:
    """Return the attributions of a trained model from both baselines."""
    attributed, again = held_out.take(work.attributed), held_out.take(work.attributed[CHECKED])
    points = work.config.n_steps
    return (
        word_attributions(tuned, attributed, rotation, n_steps=points),
        word_attributions(tuned, again, rotation, content_baselines, n_steps=points, routes=CONTENT_ROUTES),
    )


@dataclass(frozen=True)
class _TrainedCells:
    """Trainings at the cells of a sweep in one pass, which can be sent to other processes.

    Attributes:
        tuning: options of the trainings, each of which has its own layer, size and seed.
        tests: tests of abilities.
        base: abilities of the base.
        base_loss: cross-entropy of the base's retrieval on val.
    """

    tuning: FinetuneConfig
    tests: AbilityTests
    base: Able
    base_loss: float

    @property
    def objective(self) -> str:
        """Name of the objective in a sweep."""
        return EDIT if self._edits else self.tuning.objective

    @property
    def _edits(self) -> bool:
        return self.tuning.tuning == "edit"

    def train(self, work: Work, place: Place, clip: Clip, parts: Parts | None = None) -> tuple[Clip, Rotation]:
        """Train a copy of the base, continue a training, or load a finished model."""
        out = self._tune(work, place, clip, parts)
        return self._model(clip, out), Rotation.load(out / ROTATION)

    def edit(self, work: Work, place: Place) -> tuple[Edit, Rotation]:
        """Return the edit that was trained at a cell, and Z."""
        out = self._folder(work, place)
        return Edit.load(out), Rotation.load(out / ROTATION)

    def edit_controls(
        self, work: Work, clip: Clip, place: Place, arbitrary: Parts, untrained: Parts
    ) -> EditControls | None:
        """Train the same edit on other pairs, and compare the directions that edits of other seeds read."""
        if not self._edits:
            return None
        held_out, read = work.features.split("test"), Edit.load(self._tune(work, place, clip)).reads
        others = {other.seed: Edit.load(self._tune(work, other, clip)).reads for other in other_seeds(place)}
        angles = {seed: principal_angles(read, basis).tolist() for seed, basis in others.items()}
        return EditControls(
            self._preference_after(arbitrary, place),
            self._preference_after(untrained, place),
            words_alone(work.features.split("train").texts, held_out.texts, held_out.groups),
            angles,
            max(basis.shape[1] for basis in (read, *others.values())) / len(read),
        )

    def _preference_after(self, parts: Parts, place: Place) -> Estimate:
        """Return the preference on test pairs after training an edit on other pairs; NaN if there are too few pairs."""
        if min(map(len, parts.values())) < LEAST:
            return Estimate(math.nan, 0)
        tuning = replace(self.tuning, layer=place.layer, size=place.size, seed=place.seed)
        part = edited_part(parts["test"], best_edit(tuning, parts).edit)
        negative, positive = part.clean.cpu().numpy().reshape(2, -1)
        return clustered_share(preference(positive, negative), np.array(part.pairs.clusters))

    def __call__(
        self,
        work: Work,
        place: Place,
        clip: Clip,
        parts: Parts | None = None,
        attributions: tuple[Attributions, Attributions] | None = None,
    ) -> TrainedResult:
        """Train a copy of the base, or continue a training, and measure the model on the test pairs."""
        out = self._tune(work, place, clip, parts)
        features, manifest = work.features.to(clip.device), RunFolder(out).manifest()
        own_parts: Parts = {}
        if self._edits and parts is not None:
            own_parts = {split: edited_part(part, Edit.load(out)) for split, part in parts.items()}
        tuned, rotation = self._model(clip, out), Rotation.load(out / ROTATION)
        words = attributions or _both_attributions(work, tuned, features.split("test"), rotation)
        result = self._measure(work, tuned, features, rotation, place, own_parts, words)
        costs = {
            Key("val_loss"): Estimate(manifest["result"]["val_loss"], len(features.rows("val"))),
            Key("seconds"): Estimate(_seconds(manifest), 1),
        }
        return replace(result, numbers={**costs, **result.numbers})

    def _model(self, clip: Clip, out: Path) -> Clip:
        """Return a trained model from its run folder."""
        return replace(Edit.load(out).apply(clip), name=str(out)) if self._edits else with_adapter(clip, out)

    def _folder(self, work: Work, place: Place) -> Path:
        folder = work.config.folder
        return place.edit_folder(folder) if self._edits else folder / "tuned" / place.name

    def _tune(self, work: Work, place: Place, clip: Clip, parts: Parts | None = None) -> Path:
        """Train the model of a cell if necessary, and return its run folder."""
        from accelerate import Accelerator

        device, out = work.config.device, self._folder(work, place)
        tuning = replace(self.tuning, layer=place.layer, size=place.size, seed=place.seed, out=str(out), resume=True)
        features = work.features.to(clip.device)
        model = clip if self._edits else replace(clip, model=copy.deepcopy(clip.model))
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)  # accelerate takes the current device
        with alone():  # a sweep is not part of a group of processes
            accelerator = Accelerator(cpu=device == "cpu", mixed_precision="no")
            tune(tuning, model, features, out, accelerator, parts=parts)
            accelerator.free_memory()
        return out

    def _measure(
        self,
        work: Work,
        tuned: Clip,
        features: EmbeddedPairs,
        rotation: Rotation,
        place: Place,
        parts: Parts,
        attributions: tuple[Attributions, Attributions],
    ) -> TrainedResult:
        able = self.tests.of(tuned)
        evidence = self._evidence(work.config, tuned, features, rotation, place, able, parts)
        on_val, loss = measure_on_val(tuned, features.split("val"))
        numbers = evidence.numbers | on_val
        numbers[Key("converged")] = Estimate(float(rotation.facts["converged"]), 1)
        numbers[Key("retrieval_rise_val")] = replace(loss, value=loss.value - self.base_loss)
        articles = features.split("test").take(work.attributed).groups
        of_words = measure_attributions(*attributions, work.norms, articles)
        numbers |= {key: number for key, number in of_words.items() if not is_word_count(key)}
        numbers |= {Key(name): self.tests.drop(kind, self.base, able) for name, kind in _ABILITIES.items()}
        return TrainedResult(numbers, attributions[0], evidence.outcomes)

    def _evidence(
        self,
        config: SweepConfig,
        tuned: Clip,
        features: EmbeddedPairs,
        rotation: Rotation,
        place: Place,
        able: Able,
        run_parts: Parts,
    ) -> Evidence:
        """Measure the trained rotation in the trained model, with controls without a search, and the cost of its swaps.

        Args:
            config: options of the sweep.
            tuned: trained model.
            features: all pairs.
            rotation: trained rotation.
            place: cell.
            able: abilities of the trained model.
            run_parts: pairs of the trained model at the site, for splits that have been run.
        """

        def at(split: str) -> PairsAtSite:
            return run_parts[split] if split in run_parts else pairs_at(tuned, features.split(split), rotation.site)

        search = SearchConfig(sources=self.tuning.sources, seed=place.seed)
        if config.controls == "none":
            return measure_subspace({"test": at("test")}, rotation, MeasurementSettings(search))
        parts = {split: at(split) for split in ("train", "test")}
        methods = [method for method in find_methods(config.compared)[1:] if not method.searched]
        traits = traits_of(features.split("test").texts)
        evidence = measure_subspace(parts, rotation, MeasurementSettings(search, methods), traits)
        lost = self.tests.swap_lost(tuned, able, parts["test"], rotation, place.seed)
        return replace(evidence, numbers=evidence.numbers | {Key("swap_transfer_lost"): lost})
