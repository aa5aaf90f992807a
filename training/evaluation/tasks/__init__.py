"""Tasks of an evaluation, by name. A task is a file in this folder with a `TASK`, and a line here. No torch."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.data.contrast import Contrast
    from interp.measures.schema import Unit
    from training.evaluation.tasks.task import Task

TASKS = {  # name of the task and of its module -> measures
    "preference": """preference accuracy on held-out pairs, by split and by which text is longer; for a model with a
    rotation also interchange intervention accuracy, the evidence that supports it, and a verdict""",
    "transfer": """zero-shot classification, and retrieval among 64 pairs; with a rotation also the accuracy that
    classification loses if its prompts get Z of other texts""",
    "blv": "correlation of scores with ratings by blind and low-vision readers, also given text length",
    "norms": "correlation of word attributions with imageability and concreteness",
    "dose": """preference, gap, retrieval, zero-shot accuracy and, with --blv, agreement with readers, while the
    deviation of Z from the middle between the kinds is multiplied by 0 to 4; only if --tasks names dose""",
    "domains": """preference on each further data set of --data, the loss of preference against the first data set, and
    the preference by words alone (longer texts, concreteness, naive Bayes of the first and of each data set); also
    retrieval and measures of Z""",
}
ON_REQUEST = ("dose",)  # tasks that run only if they are named
ON_SEVERAL = "domains"  # task that runs if several data sets are named


def find_task(name: str) -> Task:
    """Return the task with a name."""
    task: Task = importlib.import_module(f"{__name__}.{name}").TASK
    return task


def units_of(names: Iterable[str], contrast: Contrast) -> dict[str, Mapping[str, Unit]]:
    """Return the units of the measures of tasks, by task and measure."""
    return {name: find_task(name).units(contrast) for name in set(names)}
