"""Sweeps that fine-tune a model at each cell."""

from __future__ import annotations

import json
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
from interp.subspaces.rotation import Rotation
from interp.sweep.config import SweepConfig, preset
from tests.run_folders import FIELDS
from tests.sweep.sweeping import run
from training.ablation import _tuning

pytestmark = pytest.mark.slow


def test_each_cell_can_be_fine_tuned_too(done: Path, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The frozen measures stay as they are; beside them stand those of a trained model, which load_clip takes."""
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das", "--tune-steps", "3", "--layers", "4", "--sizes", "2", "--jobs", "1"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = capsys.readouterr().out
    assert "1 cells, 0 done before" in shown
    assert "and then fine-tune by IIT-DAS (LoRA, at most 3 steps)" in " ".join(shown.split())
    assert "At each cell a model is fine-tuned by IIT-DAS (LoRA)" in shown
    frame = pd.read_csv(out / "results.csv")
    frozen = pd.read_csv(done / "results.csv").query("layer == 4 and size == 2").reset_index(drop=True)
    # In `done` the rotation was searched beside another size, which changes last digits.
    pd.testing.assert_frame_equal(frame[frozen.columns], frozen, rtol=1e-3, atol=1e-4)
    row = frame.iloc[0]
    folder = out / "tuned" / "layer04-size002-seed0"
    rotation, clip = Rotation.load(folder / "rotation.safetensors"), load_clip(str(folder), trust=True)
    assert (rotation.site, rotation.size) == (Site("text", 4), 2)
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


@pytest.mark.thorough
def test_each_cell_can_be_fine_tuned_by_calibrated_iit_das(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The runs of a sweep are of this objective, and its table and page say so."""
    out = tmp_path / "run"
    tuned = ["--objective", "iit-das-calibrated", "--tune-steps", "12", "--layers", "5", "--sizes", "6", "--jobs", "1"]
    assert run("--model", model, "--out", str(out), *tuned) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "and then fine-tune by calibrated IIT-DAS (LoRA, at most 12 steps)" in shown
    assert "At each cell a model is fine-tuned by calibrated IIT-DAS (LoRA)" in shown
    folder = out / "tuned" / "layer05-size006-seed0"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["settings"]["objective"] == "iit-das-calibrated"
    assert {"spread", "shift", "neutral"} <= set(pd.read_csv(folder / "history.csv"))
    row = pd.read_csv(out / "results.csv").iloc[0]
    assert row["tuned_val_loss"] == manifest["result"]["val_loss"]
    assert np.isfinite(row["tuned_iia"])
    page = (out / "report.html").read_text()
    assert "Fine-tuned by calibrated IIT-DAS [95 % interval]" in page
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
    """The toy's rates would wreck a real CLIP; the sweep's own options win over the preset's."""
    toy = _tuning(SweepConfig(objective="iit-das", tune_steps=7))
    real = _tuning(SweepConfig(objective="iit-das", model="m", data="concadia:x", limit=9))
    assert (toy.lr, toy.batch_size, toy.max_steps, toy.data) == (6e-4, 64, 7, "toy")
    assert (real.lr, real.batch_size, real.lora_rank, real.samples) == (1e-5, 12, 64, 100_000)
    assert (toy.patience is None, real.patience) == (False, None)
    assert (toy.objective, _tuning(SweepConfig(objective="iit-das-calibrated")).objective) == (
        "iit-das",
        "iit-das-calibrated",
    )
    assert (real.model, real.data, real.limit, real.sources) == ("m", "concadia:x", 9, "random")
