"""Task `transfer`: remaining abilities of a model, which are zero-shot classification and retrieval among pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from interp.cli.progress import Bar
from interp.clip.image_features import EmbeddedPairs, embed_cached
from interp.clip.model import Clip
from interp.data.contrast import Contrast
from interp.data.transfer import LabelledImages, default_sets, load_transfer
from interp.measures import Key
from interp.measures.schema import SHARE, Unit
from interp.stats import macro_f1, wilson
from training.config import EvaluateConfig
from training.evaluation.abilities import ACCURACY, ability_tests
from training.evaluation.aligned_subspace import SETS, evidence_units
from training.evaluation.loaded_model import EvaluatedPairs
from training.evaluation.numbers import Number, measured
from training.evaluation.retrieval import retrieved
from training.evaluation.tasks.task import Job, Task, TaskResult
from training.evaluation.zeroshot import zero_shot


def transfer(
    clip: Clip, tasks: Sequence[LabelledImages], on_image: Callable[[], object] = lambda: None
) -> tuple[list[Number], dict[str, np.ndarray], list[str]]:
    """Measure zero-shot accuracy and macro-F1 on each classification set.

    Returns:
        Measures; set -> hit of each image; and notes for the user.
    """
    rows, hits, notes = [], {}, []
    for task in tasks:
        guess, labels, problems = _classify(clip, task, on_image)
        hits[task.name] = guess == labels
        rows.append(measured("transfer", task.name, "accuracy", wilson(int(hits[task.name].sum()), len(labels))))
        rows.append(Number("transfer", task.name, "macro_f1", macro_f1(labels, guess, len(task.classes)), len(labels)))
        notes += [*task.notes, *problems]
    return rows, hits, notes


def _classify(
    clip: Clip, task: LabelledImages, on_image: Callable[[], object]
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    images, notes = embed_cached(clip, task.keys, task.open_image, on_image=on_image)
    return zero_shot(clip, task, images), np.array(task.labels), notes


def retrievals(clip: Clip, data: str, features: EmbeddedPairs, *, seed: int) -> tuple[list[Number], list[str]]:
    """Return `retrieved` as rows of an evaluation, and notes."""
    shares, notes = retrieved(clip, data, features, seed=seed)
    return [measured("transfer", "retrieval", f"retrieval {kind}", share) for kind, share in shares.items()], notes


def load_sets(config: EvaluateConfig, data: str) -> list[LabelledImages]:
    """Load the classification sets of the options, or the default sets for the data."""
    templates = Path(config.templates) if config.templates else None
    sets = config.transfer or default_sets(data)
    return load_transfer(sets, templates=templates, limit=config.transfer_limit, seed=config.seed)


def _job(on: EvaluatedPairs, sets: Sequence[LabelledImages]) -> Job:
    def compute() -> TaskResult:
        total = sum(map(len, sets))
        with Bar(total=total, desc="transfer", unit="image") as bar:
            rows, hits, notes = transfer(on.clip, sets, bar.update)
        held_out = on.features.take(on.held_out)
        retrieval_rows, more = retrievals(on.clip, on.data, held_out, seed=on.config.seed)
        if on.aligned is not None and on.reference is not None:
            tests = ability_tests(on.clip, list(sets), on.data, held_out)
            part, able = on.aligned.part(on.clip, held_out), {(ACCURACY, name): each for name, each in hits.items()}
            lost = tests.swap_lost(on.clip, able, part, on.aligned.subspace, on.config.seed)
            retrieval_rows.append(measured("transfer", SETS, Key("swap_transfer_lost").column(), lost))
        return TaskResult(rows + retrieval_rows, [*notes, *more])

    fingerprints = {each.name: each.fingerprint for each in sets}
    return Job("transfer", {**on.settings, "sets": fingerprints, **on.referred}, compute)


def _units(contrast: Contrast) -> Mapping[str, Unit]:
    shares = ("accuracy", "macro_f1", *(f"retrieval {kind}" for kind in contrast.kinds))
    return evidence_units(contrast) | dict.fromkeys(shares, SHARE)


TASK = Task(_job, _units, load_sets, evidence=True, downloads=True)
