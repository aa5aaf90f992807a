"""Options that several commands share, declared once in groups that the commands' configurations inherit. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from interp.cli import WORK, DefaultName, option
from interp.cli.cluster import check_cluster


@dataclass(frozen=True)
class ModelOptions:
    """The model."""

    model: str = option(
        DefaultName("toy"),
        "'toy', a local folder, a fine-tuned run, a hub id (owner/name, owner/name@revision), or a checkpoint "
        "of open_clip, open_clip:ARCH/PATH.safetensors",
        loads="toy",
    )
    tokenizer: str | None = option(
        None, "where to take the tokenizer from, if the model has none of its own", loads="toy"
    )
    trust_run: bool = option(
        False,
        "load what the files of a run name besides: a base, a tokenizer or data that are not in its folder",
        role=WORK,
    )


@dataclass(frozen=True)
class DeviceOptions:
    """The device."""

    device: str = option("cpu", "as torch names it: cpu, cuda, cuda:1")


@dataclass(frozen=True)
class EngineOptions:
    """Place of the work."""

    engine: str = option(
        "local", "processes on this machine, or a Ray cluster (extra ray)", choices=("local", "ray"), role=WORK
    )
    address: str | None = option(
        None,
        "of the Ray cluster, as ray start says it, or auto; by default one is started on this machine",
        role=WORK,
    )
    gpus_per_cell: float | None = option(
        None,
        "GPUs, or the share of one, that a Ray cluster gives a cell (training.paper: a run); by default 1 where "
        "there is work for it",
        metavar="0.25",
        role=WORK,
    )

    def check_engine(self) -> None:
        """Raise `UserError` if the options contradict each other, or if Ray is requested but not installed."""
        check_cluster(self.address, self.gpus_per_cell, wanted=self.engine == "ray")


@dataclass(frozen=True)
class SourceOptions:
    """Interventions."""

    sources: Literal["random", "paired"] = option(
        "random",
        "text that Z is taken from: the right kind of text of another image, or the other text of the same image",
        choices=("random", "paired"),
    )


PAPER_ATTRIBUTIONS = {"attributed": 100, "n_steps": 50}  # settings of Zur et al. 2024


_MOST_POINTS = 10_000  # points of a path integral; far fewer points already leave only rounding errors


@dataclass(frozen=True)
class AttributionOptions:
    """Attributions."""

    norms: str = option(
        "imageability,concreteness", "word norms, a list: names, or NAME=FILE.csv", metavar="NAMES", loads="[^=]*"
    )
    attributed: int = option(64, "test pairs whose two texts are attributed, drawn from those with rated words in both")
    n_steps: int = option(
        20,
        "points of the path integral of attributions to begin with; texts whose sum "
        "misses by more than 1 % get more, up to 16 times as many",
        most=_MOST_POINTS,
    )


@dataclass(frozen=True)
class TransferOptions:
    """Abilities."""

    transfer: str | None = option(
        None,
        "classification sets, a list: toy, cifar100, food101, imagenet, NAME=PATH, NAME=hub:owner/name; "
        "by default toy for the toy's data, cifar100,food101,imagenet for Concadia, and none for other data",
        metavar="LIST",
        loads="toy",
    )
