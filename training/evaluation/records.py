"""What the files of an evaluation hold, as they are read. No torch."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field
from typing_extensions import TypedDict

from interp.runs.content import Real, Whole
from interp.runs.examples import renamed


class Row(TypedDict):
    """A number with its interval."""

    task: str
    of: str
    measure: str
    value: Real
    low: Real
    high: Real
    n: Whole


class ScoresOfPair(TypedDict):
    """The scores of the two texts of a pair."""

    id: str
    positive: Real
    negative: Real


class Details(TypedDict, total=False):
    """What a task keeps besides its numbers: scores of examples, word attributions by route, ratings by norm."""

    examples: list[Annotated[ScoresOfPair, BeforeValidator(renamed)]]
    words: dict[str, dict[str, Real]]
    ratings: dict[str, dict[str, Real]]


class TaskSettings(TypedDict, total=False):
    """What the numbers of a task depend on."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    contrast: Annotated[list[str], Field(min_length=2, max_length=2)]


class TaskFile(TypedDict):
    """A task."""

    settings: NotRequired[TaskSettings]
    rows: NotRequired[list[Row]]
    notes: NotRequired[list[str]]
    details: NotRequired[Details]


class About(TypedDict):
    """Who was evaluated, for tables that compare; more of a fine-tuned model."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    name: str
    label: str
    base: str | None
    group: str
    seed: Whole


class TuningSettings(TypedDict):
    """What a fine-tuned run was made with; more in the manifest."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    kind: Literal["finetune"]
    base: str
    seed: Whole
    objective: Literal["behavioral", "iit-das", "joint", "iit-das-calibrated"]
    tuning: Literal["lora", "full"]
    layer: Whole
    size: Whole
    sources: Literal["random", "paired"]
    contrast: NotRequired[tuple[str, str]]


class TuningArguments(TypedDict):
    """The options of a fine-tuning that its evaluation takes over."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]

    model: str
    data: str
    tokenizer: NotRequired[str | None]
    kinds: NotRequired[str | None]
    split: NotRequired[str | None]
    limit: NotRequired[Whole | None]


class NamedModels(TypedDict):
    """What a fine-tuning was made from, as its folder knows it (`interp.clip.trust.name_for`)."""

    base: str
    tokenizer: str | None


class TuningManifest(TypedDict):
    """What the manifest of a fine-tuning says."""

    settings: TuningSettings
    arguments: TuningArguments
    named: NotRequired[NamedModels]
    result: NotRequired[dict[str, Real]]


class EvaluationManifest(TypedDict):
    """What the manifest of an evaluation says; `tasks` are those that its tables hold."""

    about: About
    tasks: NotRequired[list[str]]
    finished: NotRequired[str]
