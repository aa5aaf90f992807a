"""What a fine-tuning refuses, in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file

from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.subspaces.rotation import Rotation
from tests.oracles.plain_forward import one_line
from tests.training.finetuning import run, weights
from training import loop

pytestmark = pytest.mark.slow


def test_weights_that_were_changed_are_not_loaded_and_trained_again(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    again = ["--model", model, "--out", str(out), "--max-steps", "12", "--look-every", "4", "--resume"]
    for name in ("adapter_model.safetensors", "rotation.safetensors"):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole[:-4] + b"\0\0\0\0")
        with pytest.raises(ModelError, match="was changed since the run left it: its checksum does not fit; bring"):
            load_clip(str(out), trust=True)
        (out / name).unlink()
        with pytest.raises(ModelError, match="is missing, which the run left"):
            load_clip(str(out), trust=True)
        assert run(*again) == 0
        assert "which the run left; the model is trained again" in capsys.readouterr().out
        assert load_file(out / name).keys() == load_file(done / name).keys()
        for key, value in load_file(out / name).items():
            assert torch.equal(value, load_file(done / name)[key])
        assert load_clip(str(out), trust=True).fingerprint == load_clip(str(done), trust=True).fingerprint


def test_a_loss_that_is_no_number_stops_and_keeps_what_was_good(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    good = loop._step

    def bad(task, learner, optimizer, accelerator, rows, step):
        if step == 5:
            with torch.no_grad():
                learner.free.fill_(float("nan"))
        return good(task, learner, optimizer, accelerator, rows, step)

    monkeypatch.setattr(loop, "_step", bad)
    assert run("--model", model, "--out", str(tmp_path / "run"), "--max-steps", "12", "--look-every", "4") == 2
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    best = history["step"][history["val_loss"].idxmin()]
    assert f"the loss is not a number at step 6; the best weights, of step {best}, are" in one_line(capsys)
    load_clip(str(tmp_path / "run"), trust=True)
    assert np.isfinite(Rotation.load(tmp_path / "run" / "rotation.safetensors").basis.numpy()).all()


def test_a_rate_that_is_too_high_ends_in_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--objective", "behavioral", "--tuning", "full", "--lr", "1e30", "--max-steps", "9"]
    assert run("--model", model, "--out", str(tmp_path / "run"), *arguments) == 2
    assert "not a number" in one_line(capsys)
    assert load_clip(str(tmp_path / "run"), trust=True).fingerprint == load_clip(model).fingerprint  # of step 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layer", "6"], "layer 6 does not exist: the text tower of"),
        (["--size", "25"], "size 25 does not fit"),
        (["--size", "0"], "--size must be at least 1"),
        (["--lr", "0"], "--lr must be above 0"),
        (["--lr", "nan"], "--lr: 'nan' is not a number that can be used"),
        (["--joint-weight", "1.5"], "--joint-weight must be from 0 to 1"),
        (["--calibration-weight", "-1"], "--calibration-weight must be 0 or more, not -1"),
        (["--calibration-weight", "nan"], "--calibration-weight: 'nan' is not a number that can be used"),
        (
            ["--objective", "iit-das-calibrated", "--sources", "paired", "--batch-size", "2"],
            "a step has 1 of 83 pairs; it needs 2 or more; choose a larger batch size",
        ),
        (["--batch-size", "2"], "a step has 1 of 83 pairs; it needs 2 or more, or paired sources"),
        (["--batch-size", "7"], "--batch-size counts rows, two for each pair, so it must be even, not 7"),
        (["--samples", "2"], "a step has 1 of 83 pairs"),
        (["--samples", "5"], "--samples counts rows"),
        (["--patience", "0"], "--patience must be at least 1"),
        (["--objective", "behavioral", "--rotation", "x.safetensors"], "--rotation is of no use"),
        (["--lora-targets", "q_proj,w_proj"], "no linear layer 'w_proj' for LoRA; known: "),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--data", "concadia:/nowhere"], "no folder '/nowhere'"),
        (["--rotation", "/nowhere.safetensors"], "cannot read a rotation"),
        (["--objective", "iit"], "invalid choice: 'iit'"),
        (["--epochs", "many"], "'many' is not a whole number"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    try:
        status = run("--model", model, "--out", str(tmp_path / "out"), *arguments)
    except SystemExit as stop:  # argparse
        status = int(str(stop.code))
    assert status == 2
    assert message in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_base_or_with_other_settings_is_not_gone_on_with(
    done: Path, model: str, capsys: pytest.CaptureFixture[str]
):
    before = weights(done)
    arguments = ["--out", str(done), "--max-steps", "12", "--look-every", "4", "--resume"]
    assert run(*arguments, "--model", "toy", "--layer", "4") == 2
    assert "holds a run with base = " in one_line(capsys)
    assert run(*arguments, "--model", model, "--lr", "0.5") == 2
    assert "holds a run with lr = 0.003, not 0.5" in one_line(capsys)
    with FileLock(done / ".lock"):
        assert run(*arguments, "--model", model) == 2
    assert "another process is at work" in one_line(capsys)
    assert weights(done) == before
