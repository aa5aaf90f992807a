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
        None, "folder or hub id of the tokenizer, for a model without a tokenizer", loads="toy"
    )
    trust_run: bool = option(
        False,
        "also load what the files of a run refer to outside its folder: a base model, a tokenizer or data",
        role=WORK,
    )


@dataclass(frozen=True)
class DeviceOptions:
    """The device."""

    device: str = option("cpu", "device in the notation of torch: cpu, cuda, cuda:1")


@dataclass(frozen=True)
class EngineOptions:
    """Execution."""

    engine: str = option(
        "local",
        "run on processes of this machine, or on a Ray cluster (extra ray)",
        choices=("local", "ray"),
        role=WORK,
    )
    address: str | None = option(
        None,
        "address of the Ray cluster, as ray start prints it, or auto; by default a cluster is started on this machine",
        role=WORK,
    )
    gpus_per_cell: float | None = option(
        None,
        "number of GPUs, or share of one GPU, that a Ray cluster assigns to each cell or run; "
        "by default 1, or none if the device is the CPU",
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
        "text that supplies Z: a text of the right kind from another image, or the other text of the same image",
        choices=("random", "paired"),
    )


PAPER_ATTRIBUTIONS = {"attributed": 100, "n_steps": 50}  # settings of Zur et al. 2024


_MOST_POINTS = 10_000  # points of a path integral; far fewer points already leave only rounding errors


@dataclass(frozen=True)
class AttributionOptions:
    """Attributions."""

    norms: str = option(
        "imageability,concreteness",
        "comma-separated word norms: names, or NAME=FILE.csv",
        metavar="NAMES",
        loads="[^=]*",
    )
    attributed: int = option(
        64, "number of test pairs whose two texts are attributed, drawn from pairs with rated words in both texts"
    )
    n_steps: int = option(
        20,
        "initial number of points of the path integral of attributions; texts whose sum "
        "is off by more than 1 % get more points, up to 16 times as many",
        most=_MOST_POINTS,
    )


@dataclass(frozen=True)
class TransferOptions:
    """Zero-shot classification."""

    transfer: str | None = option(
        None,
        "comma-separated classification sets: toy, cifar100, food101, imagenet, NAME=PATH, NAME=hub:owner/name; "
        "by default toy for the toy's data, cifar100,food101,imagenet for Concadia, and none for other data",
        metavar="LIST",
        loads="toy",
    )
