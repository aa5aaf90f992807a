"""State of a training run in one safetensors file: trained weights, Adam's moments, and progress."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from interp.clip.tensors import bytes_of
from interp.errors import UserError
from interp.runs.content import parse
from interp.runs.files import StoreError, check_file, write_atomic
from interp.runs.folder import RunFolder


class CheckpointError(UserError):
    """Error for a file that is not a checkpoint of this run."""


@dataclass
class Progress:
    """Progress of a run.

    Attributes:
        step: optimizer steps taken.
        best, best_step: lowest loss on `val`, and its step.
        since: number of looks at `val` since the lowest loss.
        summed: sum of the training losses since the last look.
        history: one entry for each look.
        scaler: state of the gradient scaler of half precision.
    """

    step: int = 0
    best: float = float("inf")
    best_step: int = 0
    since: int = 0
    summed: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    scaler: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write the state atomically."""
    from safetensors.torch import save

    flat: dict[str, torch.Tensor] = {}
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            state = {"value": parameter.detach(), **optimizer.state.get(parameter, {})}
            flat |= {f"{key}.{name}": torch.as_tensor(value).cpu().contiguous() for key, value in state.items()}
    about = {
        "progress": json.dumps(asdict(progress)),
        "checksum": _checksum(flat),
        "run": RunFolder(path.parent).fingerprint,
    }
    write_atomic(path, save(flat, metadata=about))


def load_checkpoint(path: Path, learner: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Restore the saved state of learner and optimizer.

    Raises:
        CheckpointError: the file is damaged or belongs to another run.
    """
    from safetensors import safe_open

    again = "remove the run folder and start again"
    try:
        check_file(path)
        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            about: dict[str, str] = file.metadata() or {}
        progress = parse(about.get("progress", "").encode(), Progress, path, again)
        if about.get("checksum") != _checksum(flat):
            raise CheckpointError(f"'{path}' was changed after it was written; {again}")
        if about.get("run") != RunFolder(path.parent).fingerprint:
            raise CheckpointError(f"'{path}' belongs to another run; {again}")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"cannot continue from '{path}': {error}; {again}") from error
    except StoreError as error:
        raise CheckpointError(str(error)) from error
    try:
        parameters = {name: p for name, p in learner.named_parameters() if p.requires_grad}
        states: dict[str, dict[str, torch.Tensor]] = {name: {} for name in parameters}
        for key, value in flat.items():
            kind, _, name = key.partition(".")
            states[name][kind] = value
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(states[name].pop("value"))
                optimizer.state[parameter] = {key: value.to(parameter.device) for key, value in states[name].items()}
    except (KeyError, RuntimeError) as error:  # missing or foreign weights, other shapes
        raise CheckpointError(f"the weights in '{path}' do not fit this model; {again}") from error
    return progress


def _checksum(flat: Mapping[str, torch.Tensor]) -> str:
    """Return the SHA-256 of tensors and their names."""
    checksum = hashlib.sha256()
    for name, tensor in sorted(flat.items()):
        checksum.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        checksum.update(bytes_of(tensor))
    return checksum.hexdigest()
