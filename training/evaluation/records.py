"""Types of the files of an evaluation. No torch."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict

from interp.runs.content import Real, Whole


class Row(TypedDict):
    """Number with its interval."""

    task: str
    of: str
    measure: str
    value: Real
    low: Real
    high: Real
    n: Whole


class ScoresOfPair(TypedDict):
    """Scores of the two texts of a pair."""

    id: str
    positive: Real
    negative: Real


class _Details(TypedDict, total=False):
    """Details that some tasks keep: scores of examples, word attributions by route, and ratings by norm."""

    examples: list[ScoresOfPair]
    words: dict[str, dict[str, Real]]
    ratings: dict[str, dict[str, Real]]


class TaskSettings(TypedDict, total=False):
    """Settings that determine the numbers of a task; a task on rated texts has no contrast."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    contrast: Annotated[list[str], Field(min_length=2, max_length=2)]


class TaskFile(TypedDict):
    """File of a task."""

    settings: TaskSettings
    rows: list[Row]
    notes: list[str]
    details: _Details


class _ModelFacts(TypedDict):
    """Facts about the evaluated model, for tables of several models; a fine-tuned model has more."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    label: str
    base: str | None
    group: str
    seed: Whole


class _TuningSettings(TypedDict):
    """Settings of a fine-tuning that its card and its evaluation state; the manifest has more.

    Attributes:
        calibration_weight: weight of the calibration; absent if the objective has no such terms.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    kind: Literal["finetune"]
    base: str
    seed: Whole
    objective: Literal["behavioral", "iit-das", "joint", "iit-das-calibrated"]
    tuning: Literal["lora", "full", "edit"]
    layer: Whole
    size: Whole
    sources: Literal["random", "paired"]
    contrast: tuple[str, str]
    tower: str
    lr: Real
    rotation_lr: Real
    batch_size: Whole
    epochs: Whole
    lora_rank: Whole
    lora_targets: str
    joint_weight: Real
    retain: Real
    calibration_weight: NotRequired[Real]


class _TuningArguments(TypedDict):
    """Options of a fine-tuning that its evaluation uses."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    model: str
    data: str
    kinds: str | None
    split: str | None
    limit: Whole | None


class NamedModels(TypedDict):
    """Names of the base and the tokenizer of a fine-tuning in its folder (`interp.clip.trust.name_for`)."""

    base: str
    tokenizer: str | None


class TuningManifest(TypedDict):
    """Manifest of a fine-tuning; an unfinished fine-tuning has no result."""

    settings: _TuningSettings
    arguments: _TuningArguments
    named: NamedModels
    result: NotRequired[dict[str, Real]]
    seconds: NotRequired[Real]


class EvaluationManifest(TypedDict):
    """Manifest of an evaluation; an unfinished evaluation has no `tasks`, the names of the tasks in its tables."""

    about: _ModelFacts
    tasks: NotRequired[list[str]]
    finished: NotRequired[str]
