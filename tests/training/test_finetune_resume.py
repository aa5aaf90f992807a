"""Fine-tunings that were stopped, and are resumed, repeated or already finished."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.children import wait_for
from tests.training.finetuning import CALIBRATED, SMALL, command, run, weights
from tests.wording import exits, refused
from training import finetune, loop

pytestmark = pytest.mark.slow


def test_killed_and_resumed_is_as_if_never_killed(model: str, tmp_path: Path):
    """The final weights are equal bit for bit, in float32 on a CPU."""
    long = ["--model", model, "--max-steps", "150", "--epochs", "200", "--look-every", "50"]
    long += ["--checkpoint-every", "7", "--patience", "99"]
    assert run(*long, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "killed"
    code = (  # killed in the steps between two checkpoints
        "import os, signal, sys; from training import finetune, loop; good = loop._step\n"
        "def step(*given): given[-1] == 60 and os.kill(os.getpid(), signal.SIGKILL); return good(*given)\n"
        "loop._step = step; finetune.main(sys.argv[1:])"
    )
    killed = subprocess.run([sys.executable, "-c", code, *SMALL, *long, "--out", str(out)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (out / loop.CHECKPOINT).exists()
    assert "result" not in json.loads((out / "manifest.json").read_text())
    left = len(pd.read_csv(out / "history.csv"))
    assert run(*long, "--out", str(out), "--resume") == 0
    assert len(pd.read_csv(out / "history.csv")) > left
    assert weights(out) == weights(tmp_path / "whole")


def test_calibrated_runs_go_on_as_if_never_stopped(
    calibrated: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The run stops between a checkpoint and a look, so that sources of both kinds are drawn again."""
    arguments, good = ["--model", model, "--out", str(tmp_path / "run"), *CALIBRATED], loop._step

    def stopped(task, learner, optimizer, accelerator, rows, step):
        if step == 7:
            raise KeyboardInterrupt
        return good(task, learner, optimizer, accelerator, rows, step)

    monkeypatch.setattr(loop, "_step", stopped)
    assert run(*arguments) == 130
    monkeypatch.setattr(loop, "_step", good)
    assert run(*arguments, "--resume") == 0
    assert weights(tmp_path / "run") == weights(calibrated)
    assert run(*arguments[:2], *CALIBRATED, "--out", str(tmp_path / "other"), "--calibration-weight", "3") == 0
    assert weights(tmp_path / "other") != weights(calibrated)


@pytest.mark.usefixtures("stranger")
def test_a_run_is_trained_again_from_its_manifest(done: Path, model: str, tmp_path: Path, capsys):
    again = ["--config", str(done), "--out", str(tmp_path / "again")]
    with exits(capsys, "--model", f"'{model}'", "--trust-run"):
        finetune.main(again)
    assert finetune.main([*again, "--model", model]) == 0
    assert weights(tmp_path / "again") == weights(done)
    before = (done / "manifest.json").read_bytes()
    refused(finetune.main(["--config", str(done), "--model", model, "--out", str(done)]), capsys, f"'{done}'")
    assert (done / "manifest.json").read_bytes() == before


def test_a_finished_run_is_not_trained_again(done: Path, model: str, capsys: pytest.CaptureFixture[str]):
    before = weights(done)
    arguments = ["--model", model, "--out", str(done), "--max-steps", "12", "--look-every", "4"]
    refused(run(*arguments), capsys, f"'{done}'")
    assert run(*arguments, "--resume") == 0
    assert "kept the weights of step" in capsys.readouterr().out
    assert weights(done) == before


def test_a_checkpoint_that_is_cut_short_is_said(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--model", model, "--out", str(tmp_path / "run"), "--max-steps", "12", "--look-every", "4"]
    assert run(*arguments) == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    del manifest["result"]
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "run" / loop.CHECKPOINT).write_bytes(b"cut sho")
    capsys.readouterr()
    refused(run(*arguments, "--resume"), capsys, loop.CHECKPOINT)


def test_ctrl_c_says_how_to_go_on(model: str, tmp_path: Path):
    out = tmp_path / "run"
    long = command("--model", model, "--out", str(out), "--epochs", "5000", "--patience", "5000", "--look-every", "5")
    process = subprocess.Popen(long, stderr=subprocess.PIPE, text=True)
    wait_for((out / loop.CHECKPOINT).exists, 120, process=process)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "--resume" in error
    assert "Traceback" not in error


def test_curves_are_on_disk_when_a_run_is_killed_and_go_on(model: str, tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    arguments = ["--model", model, "--max-steps", "4", "--look-every", "2", "--out", str(tmp_path / "run")]
    code = (
        "import os, sys; from training import finetune, loop; good = loop._step\n"
        "loop._step = lambda *given: os._exit(9) if given[-1] == 3 else good(*given)\n"
        "finetune.main(sys.argv[1:])"
    )
    subprocess.run([sys.executable, "-c", code, *SMALL, *arguments], capture_output=True, check=False)
    assert run(*arguments, "--resume") == 0
    assert len(list((tmp_path / "run" / "logs").iterdir())) == 2
    curves = EventAccumulator(str(tmp_path / "run" / "logs")).Reload()
    assert [event.step for event in curves.Scalars("loss/train")] == [1, 2, 3, 4]
    assert [event.step for event in curves.Scalars("val/val_loss")] == [0, 2, 4]
