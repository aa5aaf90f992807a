from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from interp.runs.folder import open_run
from tests.run_folders import versioned
from tests.wording import raises
from training.checkpoint import CheckpointError, Progress, load_checkpoint, save_checkpoint

PROGRESS = Progress(3, 0.5, 2, 1, 0.25, [{"step": 0, "train_loss": float("nan"), "val_loss": 0.5}])


def learner() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return module, optimizer


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    with open_run(tmp_path / "run", {**versioned("finetune"), "seed": 0}):
        pass
    path = tmp_path / "run" / "checkpoint.safetensors"
    save_checkpoint(path, *learner(), PROGRESS)
    return path


def refused(path: Path, *values: object) -> None:
    module, optimizer = learner()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with raises(CheckpointError, path, *values):
        load_checkpoint(path, module, optimizer)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_what_is_saved_is_brought_back(kept: Path):
    module, optimizer = learner()
    wanted = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        module.weight.zero_()
    progress = load_checkpoint(kept, module, optimizer)
    assert (progress.step, progress.best, progress.history[0]["val_loss"]) == (3, 0.5, 0.5)
    assert all(torch.equal(value, wanted[name]) for name, value in module.state_dict().items())


def test_what_was_changed_or_is_of_another_run_is_refused(kept: Path, tmp_path: Path):
    whole = kept.read_bytes()
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    kept.write_bytes(flipped)
    refused(kept)
    with open_run(tmp_path / "other", {**versioned("finetune"), "seed": 1}):
        pass
    other = tmp_path / "other" / kept.name
    other.write_bytes(whole)
    refused(other)
    kept.write_bytes(whole)
    with safe_open(kept, framework="pt") as file:
        about = file.metadata()
    save_file(load_file(kept), kept, metadata=about | {"progress": json.dumps({"step": "x"})})
    refused(kept, '["step"]', '"x"')
    kept.write_bytes(whole[:-8])
    refused(kept)
    kept.unlink()
    os.mkfifo(kept)
    refused(kept)
