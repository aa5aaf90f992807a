"""The sweep's objectives `iit-das` and `iit-das-calibrated`: fine-tune at every cell, and measure what that gives and
what abilities it costs. `interp.sweep.objectives` imports this module by name.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from tqdm import tqdm

from interp.attribution.baselines import content_baselines
from interp.attribution.checked import CHECKED
from interp.attribution.measures import measure_attributions
from interp.cli import IMPLIED, LOADED, SETTING, shared_options
from interp.clip.image_features import EmbeddedPairs
from interp.clip.loading import with_adapter
from interp.clip.model import Clip
from interp.data.transfer import default_sets, load_transfer
from interp.evidence.measuring import Evidence, How, measure_subspace
from interp.evidence.traits import traits_of
from interp.measures import ALIGNED, CONTENT_ROUTES, Key
from interp.measures.attributions import is_word_count
from interp.runs.place import Place
from interp.stats import Estimate
from interp.subspaces.methods import find_methods
from interp.subspaces.pairs import pairs_at
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig
from interp.sweep.config import DEFAULT_LIMIT, SweepConfig
from interp.sweep.work import Trained, Work
from training.config import FinetuneConfig, preset
from training.evaluation.abilities import ACCURACY, RETRIEVAL, AbilityTests, Able, ability_tests
from training.evaluation.choosing import measure_on_val
from training.evaluation.tasks.norms import word_attributions
from training.loop import ROTATION, total_steps
from training.tune import tune

if TYPE_CHECKING:
    pass

# measure of a cell -> the kind of ability whose drop it is the mean of
_ABILITIES = {"transfer_drop": ACCURACY, "retrieval_drop": RETRIEVAL}


def settings(config: SweepConfig) -> dict[str, Any]:
    """Return what the measures of fine-tuned cells depend on besides the settings of every sweep, for the manifest."""
    sets = {task.name: task.fingerprint for task in load_transfer(_transfer(config))}
    return {"tune_steps": config.tune_steps, "preset": _tuning(config).preset, "transfer": sets}


def plan(config: SweepConfig, features: EmbeddedPairs) -> str:
    """Return what is done at each cell besides the search, in words that follow "and then"."""
    steps = total_steps(_tuning(config), len(features.rows("train")))
    stop = "" if _tuning(config).patience is None else "at most "
    return (
        f"fine-tune by {ALIGNED[config.objective]} (LoRA, {stop}{steps} steps), and measure preference, IIA, zero-shot "
        "transfer, retrieval and attributions of the trained model"
    )


def prepare(config: SweepConfig, clip: Clip, features: EmbeddedPairs) -> _FineTunedCells:
    """Embed all images that the cells need, and measure what the base can do."""
    with tqdm(desc="abilities of the base", unit="image", leave=False, disable=None) as bar:
        sets = load_transfer(_transfer(config))
        tests = ability_tests(clip, sets, config.data, features.split("test"), bar.update)
    _, loss = measure_on_val(clip, features.split("val"))
    return _FineTunedCells(_tuning(config), tests, tests.of(clip), loss.value)


def _tuning(config: SweepConfig) -> FinetuneConfig:
    """Return how each cell is fine-tuned: as `training.finetune` does on the toy, else by its preset `paper`."""
    given = FinetuneConfig(preset="toy" if config.data == "toy" else "paper")
    own = shared_options(config, FinetuneConfig, SETTING, LOADED, IMPLIED)
    own |= {"limit": config.limit or DEFAULT_LIMIT, "max_steps": config.tune_steps}
    return replace(given, **{**preset(given), **own})


def _transfer(config: SweepConfig) -> str:
    return config.transfer or default_sets(config.data)


@dataclass(frozen=True)
class _FineTunedCells:
    """Fine-tunings at the cells of a sweep; can be sent to other processes.

    Attributes:
        tuning: options of the fine-tunings, each of which has its own layer, size and seed.
        tests: tests of abilities.
        base: abilities of the base.
        base_loss: cross-entropy of the base's retrieval on val.
    """

    tuning: FinetuneConfig
    tests: AbilityTests
    base: Able
    base_loss: float

    def train(self, work: Work, place: Place, clip: Clip) -> tuple[Clip, Rotation]:
        """Fine-tune a copy of the base, or go on, or load what is there."""
        out = self._tune(work, place, clip)[0]
        return with_adapter(clip, out), Rotation.load(out / ROTATION)

    def __call__(self, work: Work, place: Place, clip: Clip) -> Trained:
        """Fine-tune a copy of the base, or go on, and measure on the test pairs."""
        out, loss = self._tune(work, place, clip)
        features = work.features.to(clip.device)
        found = self._found(work, with_adapter(clip, out), features, Rotation.load(out / ROTATION), place)
        val_loss = Estimate(loss, len(features.rows("val")))
        return replace(found, numbers={Key("val_loss"): val_loss, **found.numbers})

    def _tune(self, work: Work, place: Place, clip: Clip) -> tuple[Path, float]:
        """Return the run folder of the fine-tuned model, and its lowest loss on val."""
        from accelerate import Accelerator

        device, out = work.config.device, work.config.folder / "tuned" / place.name
        tuning = replace(self.tuning, layer=place.layer, size=place.size, seed=place.seed, out=str(out), resume=True)
        features, own = work.features.to(clip.device), replace(clip, model=copy.deepcopy(clip.model))
        if device.startswith("cuda:"):
            torch.cuda.set_device(device)  # accelerate takes the current one
        accelerator = Accelerator(cpu=device == "cpu")
        result = tune(tuning, own, features, out, accelerator)
        accelerator.free_memory()
        return out, result["val_loss"]

    def _found(self, work: Work, tuned: Clip, features: EmbeddedPairs, rotation: Rotation, place: Place) -> Trained:
        test = features.split("test")
        able = self.tests.of(tuned)
        found = self._evidence(work.config, tuned, features, rotation, place, able)
        on_val, loss = measure_on_val(tuned, features.split("val"))
        numbers = found.numbers | on_val
        numbers[Key("converged")] = Estimate(float(rotation.facts["converged"]), 1)
        numbers[Key("retrieval_rise_val")] = replace(loss, value=loss.value - self.base_loss)
        attributed, points = test.take(work.attributed), work.config.n_steps
        again = test.take(work.attributed[CHECKED]), rotation, content_baselines
        words = word_attributions(tuned, attributed, rotation, n_steps=points)
        from_content = word_attributions(tuned, *again, n_steps=points, routes=CONTENT_ROUTES)
        of_words = measure_attributions(words, from_content, work.norms, attributed.groups)
        numbers |= {key: number for key, number in of_words.items() if not is_word_count(key)}
        numbers |= {Key(name): self.tests.drop(kind, self.base, able) for name, kind in _ABILITIES.items()}
        return Trained(numbers, words, found.outcomes)

    def _evidence(
        self, config: SweepConfig, tuned: Clip, features: EmbeddedPairs, rotation: Rotation, place: Place, able: Able
    ) -> Evidence:
        """Measure the trained rotation in the trained model, next to the controls that take no search, and the loss of
        abilities by its swaps."""
        search = SearchConfig(sources=self.tuning.sources, seed=place.seed)
        if config.controls == "none":
            parts = {"test": pairs_at(tuned, features.split("test"), rotation.site)}
            return measure_subspace(parts, rotation, How(search))
        parts = {split: pairs_at(tuned, features.split(split), rotation.site) for split in ("train", "test")}
        methods = [method for method in find_methods(config.compared)[1:] if not method.searched]
        traits = traits_of(features.split("test").texts)
        found = measure_subspace(parts, rotation, How(search, methods), traits)
        lost = self.tests.swap_lost(tuned, able, parts["test"], rotation, place.seed)
        return replace(found, numbers=found.numbers | {Key("swap_transfer_lost"): lost})
