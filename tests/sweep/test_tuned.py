"""Tests of sweeps that fine-tune a model at each cell."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp import cli
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import embed_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.report.reading import edit_controls
from interp.report.sweep_run import load_sweep
from interp.runs.chosen_cell import read_chosen
from interp.runs.folder import RunFolder
from interp.subspaces.rotation import Rotation
from interp.sweep.config import SweepConfig, preset
from tests.run_folders import FIELDS
from tests.sweep.sweeping import run
from tests.training.finetuning import interrupted
from training import loop
from training.cells import _tuning

pytestmark = pytest.mark.slow
LAUNCHER = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29588"}
LAUNCHER |= {"ACCELERATE_MIXED_PRECISION": "bf16", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS": "4"}


@pytest.mark.thorough
def test_each_cell_can_be_fine_tuned_too(
    done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Check that frozen measures do not change, and that measures of a trained model, which load_clip loads, are added.

    Environment variables of a launcher, which another program may leave, are ignored.
    """
    out = tmp_path / "run"
    for name, value in LAUNCHER.items():
        monkeypatch.setenv(name, value)
    tuned = ["--objective", "iit-das", "--tune-steps", "3", "--layers", "4", "--sizes", "2", "--jobs", "1"]
    tuned += ["--verbose"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = capsys.readouterr().out
    assert "1 cell, 0 done before" in shown
    assert "At each cell: fine-tune by IIT-DAS (LoRA, at most 3 steps)" in " ".join(shown.split())
    assert "At each cell a model is trained by IIT-DAS (LoRA)" in shown
    frame = pd.read_csv(out / "results.csv")
    frozen = pd.read_csv(done / "results.csv").query("layer == 4 and size == 2").reset_index(drop=True)
    # In `done` the rotation was searched together with another size, which changes last digits.
    pd.testing.assert_frame_equal(frame[frozen.columns], frozen, rtol=1e-3, atol=1e-4)
    row = frame.iloc[0]
    folder = out / "tuned" / "layer04-size002-seed0"
    rotation, clip = Rotation.load(folder / "rotation.safetensors"), load_clip(str(folder), trust=True)
    assert (rotation.site, rotation.size) == (Site("text", 4), 2)
    made = json.loads((folder / "manifest.json").read_text())
    assert (made["settings"]["mixed_precision"], made["processes"]) == ("no", 1)
    test = load_pairs("toy", limit=60).split("test")
    images = image_features(clip, test).embeddings
    both = [
        embed_texts(clip, [getattr(pair, FIELDS[kind]) for pair in test.pairs]) for kind in ("description", "caption")
    ]
    better = (images * both[0]).sum(-1) > (images * both[1]).sum(-1)
    assert row["tuned_preference"] == pytest.approx(float(better.float().mean()))
    assert clip.fingerprint != load_clip(model).fingerprint
    assert -1 <= row["tuned_transfer_drop"] <= 1
    assert row["tuned_iia"] == pytest.approx((row["tuned_iia_c2d"] + row["tuned_iia_d2c"]) / 2)
    for name in ("heatmap-tuned-preference.png", "heatmap-tuned-transfer-drop.png"):
        assert (out / name).is_file()
    before = {path: path.stat().st_mtime_ns for path in out.glob("tuned/*/adapter_model.safetensors")}
    (out / "cells" / "layer04-size002-seed0.json").unlink()
    assert run("--model", model, "--out", str(out), *tuned) == 0
    pd.testing.assert_frame_equal(pd.read_csv(out / "results.csv"), frame)
    assert {path: path.stat().st_mtime_ns for path in out.glob("tuned/*/adapter_model.safetensors")} == before


EDITED = ["--objective", "edit", "--layers", "3,4", "--sizes", "2"]


def files_of(out: Path) -> dict[str, bytes]:
    """Return the tables, edits and subspaces of a sweep, which do not depend on processes or interruptions."""
    names = ("results.csv", "norms.csv", "edits/*/edit.safetensors", "rotations/*.safetensors", "chosen-edit.json")
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in out.glob(name)}


@pytest.mark.thorough  # tests/sweep/test_processes.py and test_resume.py have this test for searched cells
def test_edited_cells_do_not_depend_on_processes_or_on_where_a_run_was_stopped(model: str, tmp_path: Path):
    alone, shared = tmp_path / "alone", tmp_path / "shared"
    assert run("--model", model, "--out", str(alone), *EDITED, "--jobs", "1") == 0
    assert run("--model", model, "--out", str(shared), *EDITED, "--jobs", "2") == 0
    assert len(files_of(alone)) == 9  # edits with two other seeds among them
    assert files_of(alone) == files_of(shared)
    frame = pd.read_csv(alone / "results.csv")
    assert {"tuned_preference", "tuned_r2_own", "tuned_transfer_drop"} <= set(frame)
    edit = read_chosen(RunFolder(alone), "edit").edit  # type: ignore[union-attr]
    assert edit is not None
    assert all(0 <= share.value <= 1 for share in (edit.arbitrary, edit.untrained, edit.words))
    assert edit.words.value > 0.6  # the kinds of the toy data have different words
    page = " ".join((alone / "report.html").read_text().split())
    assert f"Word counts without an image (naive Bayes) tell the kinds apart in {100 * edit.words.value:.1f} %" in page
    # as kill -9 leaves it: a cell without its file, another without its edit, a third model half done
    (alone / "cells" / "layer03-size002-seed0.json").unlink()
    (alone / "trained" / "edit" / "layer04-size002-seed0.json").unlink()
    shutil.rmtree(alone / "edits" / "layer04-size002-seed0")
    (alone / "chosen-edit.json").unlink()
    assert run("--model", model, "--out", str(alone), *EDITED, "--jobs", "1") == 0
    assert files_of(alone) == files_of(shared)


@pytest.mark.thorough  # test_small_tuned.py has both passes, and test_resume.py interruptions
def test_the_first_pass_leaves_a_whole_result(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Interrupt the second pass, which leaves table and page of the edits, and finish with the same command."""
    options = ["--objective", "iit-das", "--model", model, "--layers", "4", "--sizes", "2", "--tune-steps", "2"]
    options += ["--jobs", "1"]
    whole, out = tmp_path / "whole", tmp_path / "stopped"
    assert run(*options, "--out", str(whole)) == 0
    good = loop._step
    with monkeypatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(good, 1))
        assert run(*options, "--out", str(out)) == 130
    shown = capsys.readouterr()
    assert "finished cells are kept" in shown.err
    assert "pass 1 of 2: 1 cell in" in shown.out
    stopped = load_sweep(out)
    assert stopped.objective == "edit"
    assert "Trained by an edit" in (out / "report.html").read_text()
    edits = files_of(out)
    assert run(*options, "--out", str(out)) == 0
    assert "pass 1 of 2: 1 cell, 1 done before" in capsys.readouterr().out
    assert load_sweep(out).objective == "iit-das"
    assert {name: data for name, data in files_of(out).items() if "edits" in name} == {
        name: data for name, data in edits.items() if "edits" in name
    }
    assert files_of(out) == files_of(whole)
    both = load_sweep(out)
    assert both.chosen is not None
    assert both.chosen_edit == stopped.chosen
    page = " ".join((out / "report.html").read_text().split())
    assert edit_controls(stopped.chosen, both.contrast) in page
    (out / "chosen-edit.json").write_text("damaged")  # the second pass is also complete
    assert run(*options, "--out", str(out)) == 0
    assert "chosen-edit.json" in capsys.readouterr().out
    assert files_of(out) == files_of(whole)
    assert load_sweep(out).leading == both.leading
    row = both.frame.iloc[0]
    assert row["edited_preference"] == stopped.frame.iloc[0]["tuned_preference"]


@pytest.mark.thorough
def test_each_cell_can_be_fine_tuned_by_calibrated_iit_das(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Check the objective in the runs, the table and the page of a sweep."""
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das-calibrated", "--tune-steps", "12", "--layers", "5", "--sizes", "6", "--jobs", "1"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "At each cell: fine-tune by calibrated IIT-DAS (LoRA, at most 12 steps)" in shown
    assert "At each cell a model is trained by calibrated IIT-DAS (LoRA)" in shown
    folder = out / "tuned" / "layer05-size006-seed0"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["objective"] == "iit-das-calibrated"
    assert {"spread", "shift", "neutral"} <= set(pd.read_csv(folder / "history.csv"))
    row = pd.read_csv(out / "results.csv").iloc[0]
    assert row["tuned_val_loss"] == manifest["result"]["val_loss"]
    assert np.isfinite(row["tuned_iia"])
    page = (out / "report.html").read_text()
    assert "Trained by calibrated IIT-DAS (LoRA) [95 % interval]" in page
    assert "Models trained by calibrated IIT-DAS with" in page


@pytest.mark.parametrize(
    ("arguments", "attributed", "points"),
    [
        (["--objective", "iit-das", "--data", "concadia:x"], 100, 50),
        (["--objective", "iit-das", "--data", "concadia:x", "--n-steps", "7"], 100, 7),
        (["--objective", "iit-das"], 32, 20),
        (["--objective", "das", "--data", "concadia:x"], 32, 20),
    ],
)
def test_attributions_are_the_authors_where_models_are_fine_tuned_as_theirs(arguments, attributed: int, points: int):
    config = cli.parse(SweepConfig, "", "", "", arguments, preset)
    assert (config.attributed, config.n_steps) == (attributed, points)


def test_cells_are_fine_tuned_as_their_data_ask():
    """Check that a real CLIP does not get the learning rates of the toy, and that typed options win over presets."""
    toy = _tuning(SweepConfig(objective="iit-das", tune_steps=7), "iit-das")
    real = _tuning(SweepConfig(objective="iit-das", model="m", data="concadia:x", limit=9), "iit-das")
    assert (toy.lr, toy.batch_size, toy.max_steps, toy.data) == (6e-4, 64, 7, "toy")
    assert (real.lr, real.batch_size, real.lora_rank, real.samples) == (1e-5, 12, 64, 100_000)
    assert (toy.patience is None, real.patience) == (False, None)
    assert (toy.objective, _tuning(SweepConfig(), "iit-das-calibrated").objective) == (
        "iit-das",
        "iit-das-calibrated",
    )
    assert (real.model, real.data, real.limit, real.sources) == ("m", "concadia:x", 9, "random")
