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
        "iit-das", "what is trained for", choices=("behavioral", "iit-das", "joint", "iit-das-calibrated")
    )
    tuning: Literal["lora", "full", "edit"] = option(
        "lora",
        "LoRA adapters, all weights, or an edit of the stream at the site, which leaves the weights as they are and "
        "takes seconds",
        choices=("lora", "full", "edit"),
    )
    preset: Literal["toy", "paper"] = option(
        "toy",
        "defaults of the options below: minutes on the toy, or the authors' settings",
        choices=("toy", "paper"),
        role=IMPLIED,
    )
    model: str = option(
        DefaultName("toy"), "the base: 'toy', a local folder, a hub id, or a fine-tuned run", loads="toy"
    )
    layer: int = option(11, "of the site in the text tower, counted from 1")
    size: int = option(64, "directions of the subspace Z")
    rotation: str | None = option(None, "start from this rotation (.safetensors) instead of a random one", loads="")
    joint_weight: float = option(0.5, "of IIT-DAS in the joint objective; the rest is behavioral")
    calibration_weight: float = option(0.1, "of the terms of calibration in iit-das-calibrated")
    retain: float | None = option(
        None,
        "weight of a contrastive term over the batch for both kinds of text, which keeps retrieval; by default 0, and "
        "for an edit chosen on val",
    )
    tower: Literal["text", "vision", "both"] = option(
        "text",
        "what is trained; image features are computed once if it is the text tower alone",
        choices=("text", "vision", "both"),
    )
    lora_rank: int = option(16, "rank of the adapters; alpha is the same", most=_MOST_RANK)
    lora_targets: str = option("q_proj,k_proj,v_proj,out_proj", "linear layers that get adapters")
    lr: float = option(
        6e-4, "learning rate of the model's weights (Adam); 1e-4 for all weights of the toy, 3e-2 for an edit"
    )
    rotation_lr: float = option(
        3e-2, "first learning rate of the rotation (Adam), which falls to 3 % of it; in whitened coordinates"
    )
    batch_size: int = option(
        64,
        "rows of an optimizer step, over all processes: interventions, or texts; each pair gives two",
        most=_MOST_ROWS,
    )
    epochs: int = option(3, "passes over the training sample")
    samples: int | None = option(
        None,
        "rows of the training sample, drawn once, pair by pair: with replacement, for the behavioral objective "
        "without; by default those of each pair once",
        most=_MOST_SAMPLES,
    )
    val_samples: int = option(5000, "most pairs of val that are looked at")
    look_every: int | None = option(None, "steps between two looks at val; by default an epoch")
    patience: int | None = option(3, "looks at val without a lower loss, then stop; the preset paper never does")
    checkpoint_every: int = option(500, "steps between two checkpoints, besides one at each look", role=IMPLIED)
    max_steps: int | None = option(None, "most optimizer steps")
    mixed_precision: Literal["no", "fp16", "bf16"] | None = option(
        None,
        "arithmetic of the towers; the rotation stays float32; by default as accelerate is configured",
        choices=("no", "fp16", "bf16"),
    )
    device: str | None = option(
        None, "as torch names it: cpu, cuda, cuda:1; by default a GPU if there is one", role=IMPLIED
    )
    seed: int = option(0, "of adapters, rotation, order and sources", least=0)
    out: str | None = option(None, "run folder; by default runs/OBJECTIVE-TUNING-MODEL-seedSEED", role=WORK)
    resume: bool = option(False, "go on with the run that is in the folder", role=WORK)

    @property
    def calibrated(self) -> bool:
        """True if texts also get Z of their own kind, and a neutral Z."""
        return self.objective == "iit-das-calibrated"

    @property
    def weight(self) -> float:
        """Weight of the part that the objective adds to its first part, or mixes with it."""
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

    `paper` has the model, site, ranks, rates and numbers of samples of Zur et al. (2024), and takes all its steps. The
    authors train no edits, so an edit takes only the model, the data and the layer from there.
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
        raise UserError(f"--tuning edit changes the text tower alone; leave out --tower {config.tower}")
    if config.tuning == "edit" and config.rotation is not None:
        raise UserError("--rotation is where a search begins, and --tuning edit has none; leave one of them out")
    if config.objective == "behavioral" and config.rotation is not None:
        raise UserError("--rotation is of no use to the behavioral objective; leave it out")
    check_trackers(config.log_with)


@dataclass(frozen=True)
class AssessmentOptions(TransferOptions):
    """The assessment."""

    transfer_limit: int | None = option(None, "most images of each classification set; by default all")
    blv: str | None = option(
        None,
        "folder with the ratings: a clone of their repository, or blv_ratings.csv and images/; none leaves them out",
        loads="",
    )
    prefix: str = option("", "put before each rated text, as CLIPScore does with 'A photo depicts '")

    @property
    def ratings(self) -> str | None:
        """Folder with the ratings; None if they are left out."""
        return None if self.blv == "none" else self.blv


@dataclass(frozen=True)
class EvaluateConfig(SourceOptions, AttributionOptions, AssessmentOptions, ModelOptions, DataOptions, DeviceOptions):
    """The evaluation."""

    preset: Literal["toy", "paper"] = option(
        "toy", "defaults of --attributed and --n-steps; paper: the authors'", choices=("toy", "paper"), role=IMPLIED
    )
    model: str = option(DefaultName("toy"), "'toy', a local folder, a hub id, or a fine-tuned run", loads="toy")
    tasks: str | None = option(
        None, "a list of the tasks above; by default all but dose, blv only with --blv", metavar="LIST", role=IMPLIED
    )
    data: str | None = option(  # type: ignore[assignment]  # what the run was trained on is not known yet
        None,
        f"which pairs: {DATA_HELP}; by default what the run was trained on, or toy; a list adds the task domains",
        loads="toy(:charts)?(, *toy(:charts)?)*",
    )
    sources: Literal["random", "paired"] | None = option(  # type: ignore[assignment]  # nor what it was trained with
        None,
        "text that Z is taken from, of another image or of the same one; by default as the rotation was trained",
        choices=("random", "paired"),
    )
    splits: str = option("val,test", "splits to report on")
    rotation: str | None = option(
        None, "subspace Z (.safetensors); by default the one beside the run's weights", loads=""
    )
    controls: Literal["all", "none"] = option(
        "all",
        "whether Z is calibrated, necessary, specific and more than other subspaces; none: IIA alone",
        choices=("all", "none"),
    )
    templates: str | None = option(
        None, "text file with prompts, one a line, {} for the class; several are ensembled", loads=""
    )
    scores: str | None = option(None, "evaluate the scores in this CSV instead of a model (preference, blv)", loads="")
    against: str | None = option(
        None,
        "another model or CSV of scores, for the difference in blv; by default the base of a fine-tuned run",
        loads="",
    )
    seed: int = option(0, "of sources, retrieval sets and bootstraps", least=0)
    out: str | None = option(None, "output folder; by default RUN/evaluation or runs/evaluate-MODEL", role=WORK)
    compare: tuple[str, ...] | None = option(
        None, "print the tables of these runs or evaluations", metavar="RUN", many=True, role=WORK
    )
    paper: bool = option(False, "with --compare: put published numbers next to those of the runs", role=WORK)


def evaluation_preset(given: EvaluateConfig) -> Mapping[str, Any]:
    """Return the defaults of a preset of `training.evaluate`."""
    return PAPER_ATTRIBUTIONS if given.preset == "paper" else {}
