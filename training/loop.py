"""Training loop: steps, looks at `val`, the best weights, checkpoints. It does not depend on the command line."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from interp.clip.model import Clip, unit_images
from interp.clip.sites import Site
from interp.data.contrast import DIRECTIONS, Contrast, Direction
from interp.errors import UserError
from interp.evidence.necessity import neutralize
from interp.runs.files import write_atomic
from interp.runs.spreadsheet import csv_text
from interp.stats import preference
from interp.subspaces.calibrated_loss import TERMS, SwappedLogits, rotation_loss
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.convergence import MOST_PAIRS, slopes
from interp.subspaces.losses import (
    behavioral_loss,
    calibrated_loss,
    counterfactual_loss,
    iit_das_loss,
    joint_loss,
)
from interp.subspaces.outcomes import align
from interp.subspaces.pairs import PairRun, PairsAtSite, draw_sources, push_all
from interp.subspaces.rotation import Rotation, orthonormal
from interp.subspaces.search import FLOOR, LEVEL
from interp.subspaces.shares import Share
from interp.subspaces.subspace import Subspace
from training.batches import Examples, Order, generator
from training.checkpoint import Progress, load_checkpoint, save_checkpoint
from training.config import FinetuneConfig
from training.losses import Learner
from training.retention import mean_retention
from training.trackers import start_trackers
from training.trainable_weights import save_weights

if TYPE_CHECKING:
    from accelerate import Accelerator

CHECKPOINT, ROTATION, HISTORY = "checkpoint.safetensors", "rotation.safetensors", "history.csv"


@dataclass(frozen=True, eq=False)
class Task:
    """Material of a run.

    Attributes:
        clip: model prepared by `training.trainable_weights.prepare`.
        train, val: pairs of both splits.
        free: start of the search for the rotation, in whitened coordinates; None for the behavioral objective.
        whitening: coordinates of the search (`interp.subspaces.pairs.whiten`), from the base's streams.
        config: options of the run.
        folder: run folder.
    """

    clip: Clip
    train: Examples
    val: Examples
    free: torch.Tensor | None
    whitening: torch.Tensor | None
    config: FinetuneConfig
    folder: Path


def total_steps(config: FinetuneConfig, pairs: int) -> int:
    """Return the optimizer steps of a whole run over the given number of training pairs."""
    if config.tuning == "edit":
        return config.steps_of_edit
    steps = config.epochs * Order.of(config, pairs).per_epoch
    return min(steps, config.max_steps or steps)


def train(
    task: Task, accelerator: Accelerator, *, resume: bool, on_step: Callable[[int, float], None] = lambda *_: None
) -> Progress:
    """Train until all steps are done, or until the loss on `val` has not fallen for `patience` looks.

    The best weights are then in the folder. Without a patience, all steps are done.

    Args:
        task: material of the run.
        accelerator: accelerator of this process.
        resume: True to continue from the folder's checkpoint, if it has one.
        on_step: callback with the number of steps taken and the loss.

    Raises:
        UserError: the loss is not a number; the best weights so far are kept.
    """
    config, clip, folder = task.config, task.clip, task.folder
    learner: Learner = Learner(
        clip, config.objective, Site("text", config.layer), task.free, config.weight, task.whitening, config.retention
    )
    weights = [p for name, p in learner.named_parameters() if p.requires_grad and name != "free"]
    groups = [{"params": weights, "lr": config.lr}]
    if learner.free is not None:
        groups.append({"params": [learner.free], "lr": config.rotation_lr})
    optimizer = torch.optim.Adam(groups, fused=True)  # without `fused`, each small weight takes many small operations
    shared, stepper = accelerator.prepare(learner, optimizer)
    progress = Progress()
    if resume and (folder / CHECKPOINT).is_file():
        progress = load_checkpoint(folder / CHECKPOINT, learner, optimizer)
        if accelerator.scaler is not None and progress.scaler:
            accelerator.scaler.load_state_dict(progress.scaler)
    start_trackers(accelerator, folder)
    order = Order.of(config, len(task.train))
    every, steps = config.look_every or order.per_epoch, total_steps(config, len(task.train))

    def keep(*, looked: bool) -> None:
        """Write a checkpoint, after a look at val if `looked` is True."""
        if looked:
            _look(task, learner, progress, accelerator, every)
        progress.scaler = accelerator.scaler.state_dict() if accelerator.scaler is not None else {}
        if accelerator.is_main_process:
            save_checkpoint(folder / CHECKPOINT, learner, optimizer, progress)
        accelerator.wait_for_everyone()

    if not progress.history:
        keep(looked=True)
    on_step(progress.step, math.nan)
    batches: list[torch.Tensor] = []
    while progress.step < steps and (config.patience is None or progress.since < config.patience):
        epoch, place = divmod(progress.step, order.per_epoch)
        if place == 0 or not batches:
            batches = order.epoch(epoch)
        if learner.free is not None and config.preset != "paper":  # the authors' rate is constant
            optimizer.param_groups[-1]["lr"] = config.rotation_lr * (1 - (1 - FLOOR) * progress.step / steps)
        loss = _step(task, shared, stepper, accelerator, batches[place], progress.step)
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is not a number at step {progress.step + 1}; '{folder}' keeps the best weights, of step "
                f"{progress.best_step}; start again with a lower learning rate, in another folder"
            )
        progress.step += 1
        progress.summed += loss
        accelerator.log({"loss/train": loss}, step=progress.step)
        on_step(progress.step, loss)
        look = progress.step % every == 0 or progress.step == steps
        if look or progress.step % config.checkpoint_every == 0:
            keep(looked=look)
    accelerator.end_training()
    return progress


def _step(
    task: Task,
    learner: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    rows: torch.Tensor,
    step: int,
) -> float:
    """Take one optimizer step, in which this process computes its share of the pairs, and return the mean loss.

    Random numbers are drawn for all pairs, so they do not depend on the number of processes.
    """
    share = Share.of(len(rows), accelerator.num_processes, accelerator.process_index)
    share_rows, device = rows[share.pairs], accelerator.device
    tokens = task.train.tokens.take(torch.cat([share_rows, share_rows + len(task.train)]))
    draw = generator(task.config.seed, 1, step, 0)
    groups = [task.train.pairs[i].group for i in rows.tolist()]
    sources = task.config.sources if task.free is not None else "paired"
    source = draw_sources(len(rows), sources, draw, groups).to(device)
    within = draw_sources(len(rows), "random", draw, groups).to(device) if task.config.calibrated else None
    texts = tokens.ids.to(device), tokens.eot.to(device)
    with accelerator.autocast():
        loss = learner(*texts, task.train.images(task.clip, share_rows), source, within, share)
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()
    return float(accelerator.reduce(loss.detach(), reduction="mean"))


def _look(task: Task, learner: Learner, progress: Progress, accelerator: Accelerator, every: int) -> None:
    """Measure on `val`, in one process for all, and keep the weights if their loss is the lowest so far."""
    from accelerate.utils import broadcast_object_list

    shared: list[dict[str, float]] = [{}]
    if accelerator.is_main_process:
        shared[0] = measure(learner, task.val, task.config)
    if accelerator.num_processes > 1:
        broadcast_object_list(shared)
    measures = shared[0]
    if not math.isfinite(measures["val_loss"]):
        raise UserError(
            f"the loss on val is not a number at step {progress.step}; start again with a lower learning rate"
        )
    steps = progress.step % every or every
    mean = progress.summed / steps if progress.step else math.nan
    progress.history.append({"step": progress.step, "train_loss": mean, **measures})
    progress.summed = 0.0
    accelerator.log({f"val/{name}": value for name, value in measures.items()}, step=progress.step)
    better = measures["val_loss"] < progress.best
    if better:
        progress.best, progress.best_step, progress.since = measures["val_loss"], progress.step, 0
    else:
        progress.since += 1
    if not accelerator.is_main_process:
        return
    if better:
        save_weights(task.clip, task.config.tuning, task.folder)
        if learner.free is not None:
            basis = orthonormal(learner.span().detach()).cpu()
            facts = {"method": task.config.objective, "step": progress.step, **measures, **_convergence(task, learner)}
            Rotation(basis, Site("text", task.config.layer), facts).save(task.folder / ROTATION)
    write_atomic(task.folder / HISTORY, csv_text(pd.DataFrame(progress.history)))


def _convergence(task: Task, learner: Learner) -> dict[str, Any]:
    """Return facts of the rotation about its convergence in the present model.

    Returns:
        ``gradient`` of the part of the objective that trains the rotation, as in a search
        (`interp.subspaces.convergence.slopes`), and ``converged``: True if the gradient is small enough.
    """
    config, clip, n = task.config, learner.clip, len(task.train)
    rows = torch.randperm(n, generator=generator(config.seed, 4))[:MOST_PAIRS]
    texts = task.train.tokens.take(torch.cat([rows, rows + n]))
    groups = tuple(task.train.pairs[i].group for i in rows.tolist())
    run = clean_texts(clip, texts, [learner.site])
    with torch.no_grad():
        images = task.train.images(clip, rows)
        embedded = images if images.ndim == 2 else unit_images(clip.model, images)
    part = PairsAtSite(PairRun(run, embedded, clip.logit_scale, groups), learner.site)
    loss = rotation_loss(config.weight, config.seed) if config.calibrated else iit_das_loss
    rotation = Rotation(orthonormal(learner.span().detach()), learner.site)
    (gradient,) = slopes(part, [rotation], config.sources, config.seed, loss)
    return {"gradient": gradient, "converged": gradient <= LEVEL}


@torch.inference_mode()
def measure(learner: Learner, val: Examples, config: FinetuneConfig) -> dict[str, float]:
    """Return the loss and its terms of calibration and retention, preference accuracy, and IIA in both directions."""
    clip, site = learner.clip, learner.site
    groups = tuple(pair.group for pair in val.pairs)
    pairs = PairRun(clean_texts(clip, val.tokens, [site]), val.all_embeddings(clip), clip.logit_scale, groups)
    part = PairsAtSite(pairs, site)
    out = _objective(learner, part, val.contrast, config)
    if not config.retention:
        return out
    retention = mean_retention(pairs.images, push_all(pairs.run, site, part.streams), clip.logit_scale)
    return out | {"val_loss": out["val_loss"] + config.retention * retention, "retention": retention}


def _objective(learner: Learner, part: PairsAtSite, contrast: Contrast, config: FinetuneConfig) -> dict[str, float]:
    """Return the measures without retention."""
    n, scale, site = len(part), part.pairs.logit_scale, part.site
    negative, positive = part.clean[:n], part.clean[n:]
    behavioral = behavioral_loss(positive * scale, negative * scale)
    out = {"preference": float(preference(positive.cpu(), negative.cpu()).mean())}
    if learner.free is None:
        return {"val_loss": float(behavioral), **out}
    subspace = Rotation(orthonormal(learner.span()), site)
    outcomes = align(part, subspace, sources=config.sources, seed=config.seed)
    base, changed = (_logits(table, scale) for table in (outcomes.base, outcomes.counterfactual))
    iit_das = counterfactual_loss(base, changed)
    loss, terms = iit_das, {}
    if config.objective == "joint":
        loss = joint_loss(behavioral.cpu(), iit_das, config.weight)
    if config.calibrated:
        terms = _calibration(part, subspace, changed, config)
        loss = calibrated_loss(behavioral.cpu(), iit_das, torch.stack(list(terms.values())).sum(), config.weight)
    iia = {f"iia_{contrast.short(direction)}": outcomes.iia(direction) for direction in DIRECTIONS}
    return {"val_loss": float(loss), **out, **iia, **{name: float(value) for name, value in terms.items()}}


def _calibration(
    part: PairsAtSite, subspace: Subspace, across: torch.Tensor, config: FinetuneConfig
) -> dict[str, torch.Tensor]:
    """Return the terms of `interp.subspaces.calibrated_loss` for all pairs; `across` has logits of both directions."""
    scale, draws = part.pairs.logit_scale, len(across) // (2 * len(part))
    within = align(part, subspace, sources="random", seed=config.seed, draws=draws, within=True)
    empty = neutralize(part, subspace, part.midpoint)
    left: dict[Direction, np.ndarray] = {"up": np.tile(empty.negative, draws), "down": np.tile(empty.positive, draws)}
    tables = _logits(within.base, scale), across, _logits(within.counterfactual, scale), _logits(left, scale)
    swapped = SwappedLogits(*tables)
    return {name: term(swapped) for name, term in TERMS.items()}


def _logits(scores: Mapping[Direction, np.ndarray], scale: float) -> torch.Tensor:
    """Return the logits of both directions, from scores by direction."""
    return torch.from_numpy(np.concatenate([scores[direction] for direction in DIRECTIONS])) * scale
