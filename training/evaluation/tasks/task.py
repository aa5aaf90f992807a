"""Interface of a task of an evaluation. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interp.data.contrast import Contrast
from interp.measures.schema import Unit
from training.config import EvaluateConfig
from training.evaluation.numbers import Number


@dataclass(frozen=True)
class TaskResult:
    """Numbers of a task, notes for the user, and further results to keep (JSON)."""

    rows: Sequence[Number]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Task that is ready: settings that determine its numbers, and a function that computes the numbers."""

    name: str
    settings: dict[str, Any]
    compute: Callable[[], TaskResult]


@dataclass(frozen=True)
class Task:
    """Task of an evaluation.

    Attributes:
        job: function that returns a job from an `EvaluatedPairs`, or from a `LoadedModel` if the task is not on pairs,
            and from the return value of `load`.
        units: function that returns the unit of each measure by name.
        load: function that returns further data of the task, from options and the name of the data; raises `UserError`
            if the data cannot be read.
        on_pairs: True if the task needs pairs of the two kinds of text.
        evidence: True if the task needs train pairs to measure a subspace.
        downloads: True if `load` may take long. It is then called after the model has been loaded, else before.
    """

    job: Callable[[Any, Any], Job]
    units: Callable[[Contrast], Mapping[str, Unit]]
    load: Callable[[EvaluateConfig, str], Any] = lambda _config, _data: None
    on_pairs: bool = True
    evidence: bool = False
    downloads: bool = False
