"""The interface of a task of an evaluation. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from interp.data.contrast import Contrast
from interp.measures.schema import Unit
from training.config import EvaluateConfig
from training.evaluation.measures import Number


@dataclass(frozen=True)
class TaskResult:
    """Numbers of a task, sentences the user should read, and what else is worth keeping (JSON)."""

    rows: Sequence[Number]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A task that is ready: settings that its numbers depend on, and how to compute them."""

    name: str
    settings: dict[str, Any]
    compute: Callable[[], TaskResult]


@dataclass(frozen=True)
class Task:
    """A task of an evaluation.

    Attributes:
        job: from an `EvaluatedPairs`, or an `Evaluated` if the task is not on pairs, and what `load` returned, to a job
            that is ready.
        units: names of its measures -> their units.
        load: from options and the name of the data to data of the task alone; raises `UserError` if they cannot be
            read.
        on_pairs: whether the task takes pairs of the two kinds of text.
        evidence: whether the task takes train pairs to measure a subspace with.
        downloads: whether `load` may take long; it is called when the model has been loaded then, else before.
    """

    job: Callable[[Any, Any], Job]
    units: Callable[[Contrast], Mapping[str, Unit]]
    load: Callable[[EvaluateConfig, str], Any] = lambda _config, _data: None
    on_pairs: bool = True
    evidence: bool = False
    downloads: bool = False
