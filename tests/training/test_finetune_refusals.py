"""One-line refusals of a fine-tuning."""

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
from tests.training.finetuning import run, weights
from tests.wording import raises, refused
from training import loop

pytestmark = pytest.mark.slow


def test_weights_that_were_changed_are_not_loaded_and_trained_again(done: Path, model: str, tmp_path: Path, capsys):
    out = Path(shutil.copytree(done, tmp_path / "run"))
    again = ["--model", model, "--out", str(out), "--max-steps", "12", "--look-every", "4", "--resume"]
    for name in ("adapter_model.safetensors", "rotation.safetensors"):
        whole = (out / name).read_bytes()
        (out / name).write_bytes(whole[:-4] + b"\0\0\0\0")
        with raises(ModelError, f"'{out / name}'"):
            load_clip(str(out), trust=True)
        (out / name).unlink()
        with raises(ModelError, f"'{out / name}'"):
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
    status = run("--model", model, "--out", str(tmp_path / "run"), "--max-steps", "12", "--look-every", "4")
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    best = history["step"][history["val_loss"].idxmin()]
    refused(status, capsys, 6, best, snapshot=False)  # the best step may depend on the processor
    load_clip(str(tmp_path / "run"), trust=True)
    assert np.isfinite(Rotation.load(tmp_path / "run" / "rotation.safetensors").basis.numpy()).all()


def test_a_rate_that_is_too_high_ends_in_one_line(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--objective", "behavioral", "--tuning", "full", "--lr", "1e30", "--max-steps", "9"]
    refused(run("--model", model, "--out", str(tmp_path / "run"), *arguments), capsys, 0)
    assert load_clip(str(tmp_path / "run"), trust=True).fingerprint == load_clip(model).fingerprint  # of step 0


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--layer", "6"], 6),
        (["--size", "25"], 25),
        (["--size", "0"], ("--size", 1)),
        (["--lr", "0"], ("--lr", 0)),
        (["--lr", "nan"], ("--lr", "'nan'")),
        (["--joint-weight", "1.5"], ("--joint-weight", 0, 1)),
        (["--calibration-weight", "-1"], ("--calibration-weight", 0, -1.0)),
        (["--calibration-weight", "nan"], ("--calibration-weight", "'nan'")),
        (
            ["--objective", "iit-das-calibrated", "--sources", "paired", "--batch-size", "2"],
            (1, 83, 2),
        ),
        (["--batch-size", "2"], (1, 83, 2)),
        (["--batch-size", "7"], ("--batch-size", 7)),
        (["--samples", "2"], (1, 83)),
        (["--samples", "5"], "--samples"),
        (["--patience", "0"], ("--patience", 1)),
        (["--objective", "behavioral", "--rotation", "x.safetensors"], "--rotation"),
        (["--lora-targets", "q_proj,w_proj"], "'w_proj'"),
        (["--model", "nowhere"], "'nowhere'"),
        (["--data", "concadia:/nowhere"], "'/nowhere'"),
        (["--rotation", "/nowhere.safetensors"], "'/nowhere.safetensors'"),
        (["--objective", "iit"], "'iit'"),
        (["--epochs", "many"], "'many'"),
        (["--retain", "-0.5"], ("--retain", 0, -0.5)),
        (["--retain", "inf"], ("--retain", "'inf'")),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], value: object
):
    try:
        status = run("--model", model, "--out", str(tmp_path / "out"), *arguments)
    except SystemExit as stop:  # argparse
        status = int(str(stop.code))
    refused(status, capsys, value)
    assert not (tmp_path / "out").exists()


def test_a_run_of_another_base_or_with_other_settings_is_not_gone_on_with(
    done: Path, model: str, capsys: pytest.CaptureFixture[str]
):
    before = weights(done)
    arguments = ["--out", str(done), "--max-steps", "12", "--look-every", "4", "--resume"]
    refused(run(*arguments, "--model", "toy", "--layer", "4"), capsys, f"'{done}'", "base")
    refused(run(*arguments, "--model", model, "--lr", "0.5"), capsys, "lr = 0.003", 0.5)
    with FileLock(done / ".lock"):
        refused(run(*arguments, "--model", model), capsys, f"'{done}'")
    assert weights(done) == before
