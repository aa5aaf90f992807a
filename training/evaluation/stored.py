"""Evaluations read from their folders. No torch."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interp.data.contrast import PAPER, Contrast
from interp.runs.files import StoreError, check_tree
from interp.runs.folder import RunFolder
from training.evaluation.numbers import Number
from training.evaluation.records import EvaluationManifest, ScoresOfPair, TaskFile, TaskSettings
from training.evaluation.tasks import TASKS

RowKey = tuple[str, str, str]  # task, of, measure


@dataclass(frozen=True)
class Evaluation:
    """Evaluated model, read from its folder.

    Attributes:
        about: name, label, base, group (identity that all seeds share) and seed.
        values: value of each measure.
        folder: folder of the evaluation.
        settings: task -> settings that determine its numbers, except for the model.
        words: route -> word type -> mean attribution; empty if norms were not evaluated.
        ratings: norm -> word type -> rating.
        shown: id and scores of both texts of the pairs that the folder keeps as examples.
        contrast: names of the two kinds of text.
        numbers: measures with intervals.
    """

    about: dict[str, Any]
    values: dict[RowKey, float]
    folder: RunFolder
    settings: Mapping[str, TaskSettings]
    words: Mapping[str, Mapping[str, float]]
    ratings: Mapping[str, Mapping[str, float]]
    shown: Sequence[ScoresOfPair]
    contrast: Contrast
    numbers: Sequence[Number]

    @property
    def given(self) -> bool:
        """True for given scores instead of a model."""
        return self.about["label"] != "base" and "objective" not in self.about


def read(path: Path) -> Evaluation:
    """Read an evaluation from its folder or from the folder of its run.

    Raises:
        StoreError: the evaluation is missing or damaged.
    """
    check_tree(path)  # names inside a run folder are not trusted
    inside = RunFolder(path / "evaluation")
    folder = inside if os.path.isfile(inside.manifest_path) else RunFolder(path)
    if folder.settings["kind"] != "evaluation":
        raise StoreError(f"'{path}' has not been evaluated; run: python -m training.evaluate --model {path}")
    manifest = folder.manifest_as(EvaluationManifest)
    cells = {task: cell for task in TASKS if (cell := folder.read(task, TaskFile)) is not None}
    tasks = manifest.get("tasks")
    if tasks is None or not set(tasks) <= set(cells):
        raise StoreError(f"the evaluation in '{folder.path}' lacks files of tasks in its tables; evaluate again")
    numbers = [Number(**row) for task in tasks for row in cells[task]["rows"]]
    values = {(number.task, number.of, number.measure): number.value for number in numbers}
    settings = {task: cell["settings"] for task, cell in cells.items()}
    details = {task: cell["details"] for task, cell in cells.items()}
    norms = details.get("norms", {})
    shown = [settings[task] for task in tasks]  # other tasks may have another contrast
    kinds = next((group["contrast"] for group in shown if "contrast" in group), PAPER.kinds)
    examples = details.get("preference", {}).get("examples", [])
    words, ratings = norms.get("words", {}), norms.get("ratings", {})
    return Evaluation(
        {**manifest["about"]}, values, folder, settings, words, ratings, examples, Contrast(*kinds), numbers
    )
