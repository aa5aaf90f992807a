"""`training.finetune --tuning edit`: run folders of edits, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from interp.clip.edits.edit import Edit
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_texts
from interp.data import load_pairs
from interp.stats import preference
from interp.subspaces.kinds import load_subspace
from tests.training.finetuning import TEXTS
from tests.wording import refused
from training import evaluate, finetune

FILES = ("edit.safetensors", "edit.json", "rotation.safetensors", "history.csv")
SHORT = ["--tuning", "edit", "--limit", "200", "--layer", "11", "--max-steps", "20"]


def run(out: Path, *arguments: str) -> int:
    return finetune.main([*SHORT, "--out", str(out), *arguments])


@pytest.mark.parametrize("objective", ["behavioral", "iit-das-calibrated"])
def test_a_run_that_edits_is_loaded_and_evaluated_like_any_other(
    objective: str, tmp_path: Path, toy: Clip, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "edit"
    assert run(out, "--objective", objective) == 0
    edit, rotation = Edit.load(out), load_subspace(out / "rotation.safetensors")
    result = json.loads((out / "manifest.json").read_text())["result"]
    assert (edit.site.layer, edit.size, edit.base) == (11, 2, "toy")
    assert (rotation.site, rotation.size) == (edit.site, 2)
    assert result["retain"] == edit.facts["retain"]
    edited = load_clip(str(out))
    assert torch.equal(embed_texts(edited, TEXTS), embed_texts(edit.apply(toy), TEXTS))
    history = pd.read_csv(out / "history.csv")
    kept = history[history["step"] == result["kept_step"]].iloc[0]
    assert kept["val_loss"] < history["val_loss"].iloc[0]
    # the preference in the manifest equals the preference of the model on val
    val = image_features(edited, load_pairs("toy", limit=200)).split("val")
    scores = (embed_texts(edited, val.texts) * val.embeddings.repeat(2, 1)).sum(-1).reshape(2, -1).numpy()
    assert result["preference"] == pytest.approx(preference(*scores).mean(), abs=1e-6)
    capsys.readouterr()
    assert evaluate.main(["--model", str(out), "--tasks", "preference", "--splits", "val", "--controls", "none"]) == 0
    rows = pd.read_csv(out / "evaluation" / "results.csv").set_index("measure")["value"]
    assert rows["preference"] == pytest.approx(result["preference"], abs=1e-6)
    assert rows["iia_c2d"] == pytest.approx(result["iia_c2d"], abs=1e-6)


def test_the_same_command_gives_the_same_files(tmp_path: Path):
    for name in ("one", "two"):
        assert run(tmp_path / name, "--objective", "joint", "--joint-weight", "0.3", "--retain", "1") == 0
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert Edit.load(tmp_path / "one").facts["weight"] == 0.3
    # a run without a result is trained again
    manifest = tmp_path / "two" / "manifest.json"
    unfinished = {key: value for key, value in json.loads(manifest.read_text()).items() if key != "result"}
    manifest.write_text(json.dumps(unfinished))
    (tmp_path / "two" / "edit.safetensors").unlink()
    assert run(tmp_path / "two", "--objective", "joint", "--joint-weight", "0.3", "--retain", "1", "--resume") == 0
    assert (tmp_path / "one" / FILES[0]).read_bytes() == (tmp_path / "two" / FILES[0]).read_bytes()
    assert run(tmp_path / "other", "--objective", "joint", "--joint-weight", "0.3", "--retain", "1", "--seed", "1") == 0
    assert (tmp_path / "one" / FILES[0]).read_bytes() != (tmp_path / "other" / FILES[0]).read_bytes()


def test_more_pairs_than_asked_for_are_drawn(tmp_path: Path):
    assert run(tmp_path / "all", "--retain", "0") == 0
    assert run(tmp_path / "some", "--retain", "0", "--samples", "60", "--val-samples", "10") == 0
    assert (tmp_path / "all" / FILES[0]).read_bytes() != (tmp_path / "some" / FILES[0]).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--tower", "vision"], "--tower"),
        (["--rotation", "r.safetensors"], "--rotation"),
        (["--retain", "-1"], "--retain"),
        (["--size", "129"], 129),
        (["--layer", "13", "--objective", "behavioral"], 13),
    ],
)
def test_what_an_edit_cannot_be_is_one_line(
    arguments: list[str], named: str | int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    refused(run(tmp_path / "run", *arguments), capsys, named)
    assert not (tmp_path / "run").exists()
