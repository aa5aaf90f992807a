"""Fine-tuning of a base into a run folder, shared by `training.finetune` and the sweep's ablation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from interp.cli import settings_of
from interp.clip.adapters import ADAPTER_WEIGHTS
from interp.clip.image_features import EmbeddedPairs
from interp.clip.model import Clip
from interp.clip.sites import Site, SiteMismatch
from interp.clip.tensors import Float, Tensor
from interp.clip.trust import name_for
from interp.data.pairs import digest
from interp.errors import UserError
from interp.runs.content import to_json
from interp.runs.environment import now
from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, open_run, update_manifest
from interp.runs.versions import VERSIONS
from interp.runs.weights import WeightsChanged, check_run_weights, checksums
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.convergence import MOST_PAIRS
from interp.subspaces.pairs import PairsAtSite, whiten
from interp.subspaces.rotation import Rotation, random_basis
from training.batches import Examples, examples, generator
from training.config import FinetuneConfig
from training.edit_run import EDIT_FILES, pairs_to_edit_on, train_in_folder
from training.loop import CHECKPOINT, ROTATION, Task, train
from training.trainable_weights import FULL_WEIGHTS, prepare, save_settings

if TYPE_CHECKING:
    from accelerate import Accelerator

WEIGHTS = (ADAPTER_WEIGHTS, FULL_WEIGHTS, ROTATION, *EDIT_FILES)  # files of weights; each run writes some of them


def check_site(config: FinetuneConfig, clip: Clip) -> None:
    """Raise `UserError` unless the model has the site and room for the subspace, if the objective has a subspace."""
    if config.objective == "behavioral" and config.tuning != "edit":
        return
    Site("text", config.layer).check(clip)
    width = clip.width("text")
    if config.size > width:
        raise UserError(f"size {config.size} does not fit: the text tower of {clip.name} has width {width}")


def _check_batches(config: FinetuneConfig, pairs: int, processes: int) -> None:
    """Raise `UserError` unless each step has a pair for each process, and sources.

    Sources of a text's own kind are always random.

    Args:
        config: options of the training.
        pairs: number of pairs to train on.
        processes: number of processes.
    """
    step = min(config.pairs_per_step, pairs, config.sampled_pairs or pairs)
    drawn = config.calibrated or (config.objective != "behavioral" and config.sources == "random")
    if config.tuning == "edit" and processes > 1:
        raise UserError("an edit is trained in one process; start the command without accelerate launch")
    if step < processes:
        raise UserError(
            f"a step has {step} of {pairs} pairs, too few for {processes} processes; choose a larger batch size"
        )
    if drawn and step < 2:
        other = "" if config.calibrated else ", or paired sources"
        raise UserError(f"a step has {step} of {pairs} pairs, but needs 2 or more{other}; choose a larger batch size")


def first_rotation(config: FinetuneConfig, clip: Clip) -> Float[Tensor, "d k"] | None:
    """Return the start of the search for the rotation, random or given by the options; None if there is no search.

    Raises:
        UserError: the given rotation cannot be read, or belongs to another width, site or size.
    """
    if config.objective == "behavioral" or config.tuning == "edit":
        return None
    width, site = clip.width("text"), Site("text", config.layer)
    if config.rotation is None:
        return random_basis(width, config.size, generator(config.seed, 2)).contiguous()
    given = Rotation.load(config.rotation)
    if given.width != width:
        raise SiteMismatch(
            f"the rotation '{config.rotation}' has width {given.width}, but the text tower of {clip.name} has width "
            f"{width}"
        )
    if (given.site, given.size) != (site, config.size):
        raise SiteMismatch(
            f"the rotation '{config.rotation}' has size {given.size} at {given.site}, but the options ask for size "
            f"{config.size} at {site}; give the rotation's --layer and --size"
        )
    return given.basis.float().contiguous()


def tune(
    config: FinetuneConfig,
    clip: Clip,
    features: EmbeddedPairs,
    out: Path,
    accelerator: Accelerator,
    *,
    on_step: Callable[[int, float], None] = lambda *_: None,
    parts: Mapping[str, PairsAtSite] | None = None,
    **facts: Any,
) -> dict[str, Any]:
    """Fine-tune a model and write the best weights to a run folder, or continue the run in the folder.

    Args:
        config: options of the training.
        clip: base model; it is changed, except by an edit.
        features: pairs of all splits, with their images.
        out: run folder.
        accelerator: accelerator of this process.
        on_step: callback with the number of steps taken and the loss.
        parts: train and val pairs at the site, if they have been run; for an edit.
        facts: facts for the manifest.

    Returns:
        Result in the manifest: steps taken, the step that was kept, and its measures on `val`.

    Raises:
        UserError: the folder holds another run, or a run that is not resumed; or the loss is not a number.
    """
    folder, main = RunFolder(out), accelerator.is_main_process
    start = first_rotation(config, clip)
    _check_batches(config, len(features.rows("train")), accelerator.num_processes)
    if config.tuning != "edit":
        prepare(clip, config)
    if main:
        if folder.manifest_path.is_file() and not config.resume:
            raise UserError(f"'{out}' already holds a run; resume it, or choose another folder")
        settings = _settings(config, clip, features, start)
        settings |= {"mixed_precision": accelerator.mixed_precision}
        named = {"base": name_for(out, config.model), "tokenizer": config.tokenizer and name_for(out, config.tokenizer)}
        facts |= {"processes": accelerator.num_processes, "arguments": asdict(config), "named": named}
        opened: AbstractContextManager[RunFolder] = open_run(out, settings, **facts)
    else:
        opened = nullcontext(folder)
    with opened:
        if main:
            _forget_damaged(folder)
        accelerator.wait_for_everyone()  # the other processes read the manifest too
        if (stored := folder.manifest().get("result")) is not None:
            return stored
        started = time.perf_counter()
        if config.tuning == "edit":
            drawn = pairs_to_edit_on(config, clip, features, parts)
            result = train_in_folder(config, clip, drawn, features.contrast, out, on_step)
        else:
            result = _fit(config, clip, features, out, accelerator, start, on_step)
        if main:
            seconds, weights = round(time.perf_counter() - started, 1), checksums(out, WEIGHTS)
            update_manifest(folder, result=result, weights=weights, finished=now(), seconds=seconds)
            (out / CHECKPOINT).unlink(missing_ok=True)
        return result


def _fit(
    config: FinetuneConfig,
    clip: Clip,
    features: EmbeddedPairs,
    out: Path,
    accelerator: Accelerator,
    start: Tensor | None,
    on_step: Callable[[int, float], None],
) -> dict[str, Any]:
    """Train the weights of a model, and write the best ones to a folder; return the result for its manifest."""
    frozen = config.tower == "text"
    train_set = examples(clip, features, "train", frozen=frozen)
    val_set = examples(clip, features, "val", frozen=frozen, most=config.val_samples)
    if accelerator.is_main_process:
        save_settings(clip, config, out)
    task = Task(clip, train_set, val_set, *_whitened_start(start, clip, train_set, config), config, out)
    progress = train(task, accelerator, resume=config.resume, on_step=on_step)
    kept = next(look for look in progress.history if look["step"] == progress.best_step)
    return {"steps": progress.step, "kept_step": progress.best_step, **kept}


def _whitened_start(
    start: Tensor | None, clip: Clip, train_set: Examples, config: FinetuneConfig
) -> tuple[Tensor | None, Tensor | None]:
    """Return the start of the search in whitened coordinates, and the coordinates, which come from the base's streams.

    A random start is returned unchanged. A given start keeps its span.
    """
    if start is None:
        return None, None
    site = Site("text", config.layer)
    rows = torch.randperm(len(train_set), generator=generator(config.seed, 5))[:MOST_PAIRS]
    texts = train_set.tokens.take(torch.cat([rows, rows + len(train_set)]))
    whitening = whiten(clean_texts(clip, texts, [site]).stream(site).float())
    if config.rotation is None:
        return start, whitening
    return torch.linalg.qr(torch.linalg.solve(whitening.cpu(), start))[0].contiguous(), whitening


def _forget_damaged(folder: RunFolder) -> None:
    """Mark a finished run as unfinished if its weights are missing or changed."""
    try:
        check_run_weights(folder.path)
    except WeightsChanged as error:
        print(f"note: {error.fault}; the model is trained again")
        gone = ("result", "weights", "finished", "seconds")
        left = {name: value for name, value in folder.manifest().items() if name not in gone}
        write_atomic(folder.manifest_path, to_json(left))


def _settings(config: FinetuneConfig, clip: Clip, features: EmbeddedPairs, start: Tensor | None) -> dict[str, Any]:
    """Return all settings that the weights depend on."""
    retain = config.retain if config.tuning == "edit" else config.retention
    chosen = settings_of(config) | {"retain": retain}
    if not config.calibrated:
        del chosen["calibration_weight"]
    rotation = None if start is None else digest([start.double().numpy().tobytes().hex()])
    return {
        "kind": "finetune",
        "version": VERSIONS["finetune"],
        "base": clip.fingerprint,
        "data": features.data.fingerprint,
        "contrast": list(features.contrast.kinds),
        "rotation": rotation,
        **chosen,
    }
