"""Options of fine-tunings and evaluations, presets, and the bounds that they must satisfy. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from interp.cli import IMPLIED, WORK, DefaultName, check_bounds, flag, option
from interp.cli.options import (
    PAPER_ATTRIBUTIONS,
    AttributionOptions,
    DeviceOptions,
    ModelOptions,
    SourceOptions,
    TransferOptions,
)
from interp.data import DATA_HELP
from interp.data.options import DataOptions
from interp.errors import UserError
from training.trackers import TrackerOptions, check_trackers

_MOST_RANK = 4096  # largest rank of adapters
_MOST_ROWS, _MOST_SAMPLES = 1_000_000, 1_000_000_000  # most rows of an optimizer step, and of a training sample
_EDIT_STEPS = 80
_EDIT: dict[str, Any] = {"lr": 3e-2, "batch_size": 128, "look_every": 10}  # for an edit, on any data
_ROWS_OF_A_PAIR = 2  # rows of a batch or a sample


@dataclass(frozen=True)
class FinetuneConfig(SourceOptions, ModelOptions, DataOptions, TrackerOptions):
    """The fine-tuning."""

    objective: Literal["behavioral", "iit-das", "joint", "iit-das-calibrated"] = option(
        "iit-das", "objective of the training", choices=("behavioral", "iit-das", "joint", "iit-das-calibrated")
    )
    tuning: Literal["lora", "full", "edit"] = option(
        "lora",
        "LoRA adapters, all weights, or an edit of the stream at the site, which takes seconds and does not change the "
        "weights",
        choices=("lora", "full", "edit"),
    )
    preset: Literal["toy", "paper"] = option(
        "toy",
        "defaults of the options below: settings for the toy, which take minutes, or the authors' settings",
        choices=("toy", "paper"),
        role=IMPLIED,
    )
    model: str = option(
        DefaultName("toy"), "base model: 'toy', a local folder, a hub id, or a fine-tuned run", loads="toy"
    )
    layer: int = option(11, "layer of the site in the text tower, counted from 1")
    size: int = option(64, "number of directions of the subspace Z")
    rotation: str | None = option(
        None, "start from this rotation (.safetensors) instead of a random rotation", loads=""
    )
    joint_weight: float = option(0.5, "weight of IIT-DAS in the joint objective; the behavioral objective has the rest")
    calibration_weight: float = option(0.1, "weight of the terms of calibration in iit-das-calibrated")
    retain: float | None = option(
        None,
        "weight of a contrastive term over the batch for both kinds of text, which preserves retrieval; by default 0; "
        "for an edit, by default chosen on val",
    )
    tower: Literal["text", "vision", "both"] = option(
        "text",
        "tower to train; image features are computed once if only the text tower is trained",
        choices=("text", "vision", "both"),
    )
    lora_rank: int = option(16, "rank of the adapters; alpha equals the rank", most=_MOST_RANK)
    lora_targets: str = option("q_proj,k_proj,v_proj,out_proj", "comma-separated linear layers that get adapters")
    lr: float = option(
        6e-4, "learning rate of the model's weights (Adam); 1e-4 for all weights of the toy, 3e-2 for an edit"
    )
    rotation_lr: float = option(
        3e-2, "initial learning rate of the rotation (Adam), in whitened coordinates; it falls to 3 % of this rate"
    )
    batch_size: int = option(
        64,
        "rows of an optimizer step, over all processes; each pair gives two rows, which are interventions or texts",
        most=_MOST_ROWS,
    )
    epochs: int = option(3, "passes over the training sample")
    samples: int | None = option(
        None,
        "rows of the training sample, which is drawn once, pair by pair, with replacement (behavioral: without "
        "replacement); by default each pair is taken once",
        most=_MOST_SAMPLES,
    )
    val_samples: int = option(5000, "largest number of val pairs to measure on")
    look_every: int | None = option(
        None, "optimizer steps between two validations (looks at val); by default the steps of an epoch"
    )
    patience: int | None = option(
        3, "stop after this number of validations without a lower loss; the preset paper never stops early"
    )
    checkpoint_every: int = option(
        500, "steps between two checkpoints; each look at val also writes a checkpoint", role=IMPLIED
    )
    max_steps: int | None = option(
        None, "largest number of optimizer steps; by default the steps of --epochs, or 80 for an edit"
    )
    mixed_precision: Literal["no", "fp16", "bf16"] | None = option(
        None,
        "precision of the towers; the rotation stays float32; by default the configuration of accelerate",
        choices=("no", "fp16", "bf16"),
    )
    device: str | None = option(
        None, "device in the notation of torch: cpu, cuda, cuda:1; by default a GPU if there is one", role=IMPLIED
    )
    seed: int = option(0, "seed of adapters, rotation, order and sources", least=0)
    out: str | None = option(None, "run folder; by default runs/OBJECTIVE-TUNING-MODEL-seedSEED", role=WORK)
    resume: bool = option(False, "continue the run in the folder of --out", role=WORK)

    @property
    def calibrated(self) -> bool:
        """True if texts also get Z of their own kind, and a neutral Z."""
        return self.objective == "iit-das-calibrated"

    @property
    def weight(self) -> float:
        """Weight of the second part of the objective, which is added to the first part or mixed with it."""
        return self.calibration_weight if self.calibrated else self.joint_weight

    @property
    def steps_of_edit(self) -> int:
        """Number of steps of the training of an edit."""
        return self.max_steps or _EDIT_STEPS

    @property
    def retention(self) -> float:
        """Weight of the contrastive term; 0 leaves it out."""
        return self.retain or 0.0

    @property
    def pairs_per_step(self) -> int:
        """Number of pairs of an optimizer step: each pair gives two interventions, or two texts."""
        return self.batch_size // _ROWS_OF_A_PAIR

    @property
    def sampled_pairs(self) -> int | None:
        """Number of pairs of the training sample; None to take each pair once."""
        return None if self.samples is None else self.samples // _ROWS_OF_A_PAIR


def preset(given: FinetuneConfig) -> Mapping[str, Any]:
    """Return the defaults of a preset, which depend on objective and tuning.

    `paper` has the model, site, ranks, rates and numbers of samples of Zur et al. (2024), without an early stop. The
    authors train no edits, so an edit takes only the model, the data and the layer from the paper.
    """
    edit = given.tuning == "edit"
    if given.preset == "paper":
        behavioral = given.objective == "behavioral"
        lr = 5e-6 if behavioral and given.tuning == "full" else 1e-5
        return {
            "model": "openai/clip-vit-base-patch32",
            "data": "concadia:data/concadia",
            "layer": 11,
            "size": 256,
            "sources": "paired",
            "lora_rank": 128 if behavioral else 64,
            "lr": lr,
            "rotation_lr": lr,
            "batch_size": 12,
            "epochs": 10,
            "samples": 100_000,
            "patience": None,
        } | (_EDIT | {"size": 16, "samples": 8192} if edit else {})
    if edit:
        return _EDIT | {"size": 2, "layer": 10}
    return {"lr": 1e-4} if given.tuning == "full" else {}


def check(config: FinetuneConfig) -> None:
    """Raise `UserError` for values out of range."""
    check_bounds(config)
    for name in ("batch_size", "samples"):
        if (rows := getattr(config, name)) is not None and rows % _ROWS_OF_A_PAIR:
            raise UserError(f"{flag(name)} counts rows, two for each pair, so it must be even, not {rows}")
    for name in ("lr", "rotation_lr"):
        if not 0 < getattr(config, name) < float("inf"):
            raise UserError(f"{flag(name)} must be above 0, not {getattr(config, name)}")
    if not 0 <= config.joint_weight <= 1:
        raise UserError(f"--joint-weight must be from 0 to 1, not {config.joint_weight}")
    for name in ("calibration_weight", "retain"):
        if (weight := getattr(config, name)) is not None and not 0 <= weight < float("inf"):
            raise UserError(f"{flag(name)} must be 0 or more, not {weight}")
    if config.tuning == "edit" and config.tower != "text":
        raise UserError(f"--tuning edit changes only the text tower; leave out --tower {config.tower}")
    if config.tuning == "edit" and config.rotation is not None:
        raise UserError(
            "--rotation is the start of a search, and --tuning edit has no search; leave out one of the two options"
        )
    if config.objective == "behavioral" and config.rotation is not None:
        raise UserError("--rotation has no effect on the behavioral objective; leave it out")
    check_trackers(config.log_with)


@dataclass(frozen=True)
class AssessmentOptions(TransferOptions):
    """Transfer and ratings."""

    transfer_limit: int | None = option(None, "largest number of images of each classification set; by default all")
    blv: str | None = option(
        None,
        "folder with the ratings: a clone of their repository, or blv_ratings.csv and images/; none omits the ratings",
        loads="",
    )
    prefix: str = option("", "text to put before each rated text, such as 'A photo depicts ' in CLIPScore")

    @property
    def ratings(self) -> str | None:
        """Folder with the ratings; None if the ratings are omitted."""
        return None if self.blv == "none" else self.blv


@dataclass(frozen=True)
class EvaluateConfig(SourceOptions, AttributionOptions, AssessmentOptions, ModelOptions, DataOptions, DeviceOptions):
    """The evaluation."""

    preset: Literal["toy", "paper"] = option(
        "toy",
        "defaults of --attributed and --n-steps; paper: the authors' numbers",
        choices=("toy", "paper"),
        role=IMPLIED,
    )
    model: str = option(DefaultName("toy"), "'toy', a local folder, a hub id, or a fine-tuned run", loads="toy")
    tasks: str | None = option(
        None,
        "comma-separated tasks, listed above; by default all except dose, and blv only with --blv",
        metavar="LIST",
        role=IMPLIED,
    )
    data: str | None = option(  # type: ignore[assignment]  # the data of a run are not known yet
        None,
        f"pairs: {DATA_HELP}; by default the training data of the run, or toy; a list adds the task domains",
        loads="toy(:charts)?(, *toy(:charts)?)*",
    )
    sources: Literal["random", "paired"] | None = option(  # type: ignore[assignment]  # the sources of a run are not known yet
        None,
        "text that supplies Z: a text from another image, or the other text of the same image; by default as in the "
        "training of the rotation",
        choices=("random", "paired"),
    )
    splits: str = option("val,test", "comma-separated splits to report on")
    rotation: str | None = option(
        None, "subspace Z (.safetensors); by default the subspace in the run folder", loads=""
    )
    controls: Literal["all", "none"] = option(
        "all",
        "all: also test whether Z is calibrated, necessary, specific and better than other subspaces; none: IIA alone",
        choices=("all", "none"),
    )
    templates: str | None = option(
        None,
        "text file with one prompt per line, {} for the class; the embeddings of several prompts are averaged",
        loads="",
    )
    scores: str | None = option(
        None, "evaluate the scores in this CSV file instead of a model (preference, blv)", loads=""
    )
    against: str | None = option(
        None,
        "another model, or a CSV file of scores, to compare with in blv; by default the base of a fine-tuned run",
        loads="",
    )
    seed: int = option(0, "seed of sources, retrieval sets and bootstraps", least=0)
    out: str | None = option(None, "output folder; by default RUN/evaluation or runs/evaluate-MODEL", role=WORK)
    compare: tuple[str, ...] | None = option(
        None, "print the tables of these runs or evaluations", metavar="RUN", many=True, role=WORK
    )
    paper: bool = option(False, "with --compare: also show published numbers", role=WORK)


def evaluation_preset(given: EvaluateConfig) -> Mapping[str, Any]:
    """Return the defaults of a preset of `training.evaluate`."""
    return PAPER_ATTRIBUTIONS if given.preset == "paper" else {}
