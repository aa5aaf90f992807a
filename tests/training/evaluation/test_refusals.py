"""What an evaluation refuses, in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.oracles.plain_forward import (
    one_line,
)
from tests.training.evaluation.evaluating import ADAPTER, SMALL, run, tune
from training import evaluate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tasks", "concadia,tansfer"], "there is no task 'tansfer'; known: concadia, transfer, blv, norms"),
        (["--tasks", ","], "there is no task ''"),
        (["--tasks", "blv"], "the task blv needs the ratings: add --blv FOLDER"),
        (["--tasks", "blv", "--blv", "/nowhere"], "no folder '/nowhere'"),
        (["--tasks", "blv", "--blv", "BLV", "--against", "nobody"], "no model 'nobody'"),
        (["--data", "concadia:/nowhere"], "no folder '/nowhere'"),
        (["--data", "flickr"], "known: toy, concadia:FOLDER"),
        (["--split", "dev"], "toy has no split 'dev'; splits that are there: train (1024), val (192), test (256)"),
        (["--splits", "val,dev"], "toy has no split 'dev'"),
        (["--tasks", "transfer", "--transfer", "mine=/nowhere"], "mine: no file or folder '/nowhere'"),
        (["--tasks", "transfer", "--transfer", "cifar"], "unknown classification set 'cifar'"),
        (["--tasks", "transfer", "--templates", "/nowhere"], "cannot read '/nowhere'"),
        (["--rotation", "ROTATIONS/wide.safetensors"], "is for width 32 of the text tower, the text tower of "),
        (["--rotation", "ROTATIONS/seen.safetensors"], "is for width 32 of the vision tower, the text tower of "),
        (["--rotation", "ROTATIONS/deep.safetensors"], "layer 9 does not exist: the text tower of "),
        (["--rotation", "ROTATIONS/none.safetensors"], "cannot read a rotation from"),
        (["--rotation", "ROTATIONS/right.safetensors", "--limit", "3"], "val has 1 pair, random sources need 2"),
        (["--tasks", "norms", "--norms", "valence"], "unknown norm 'valence'"),
        (["--model", "nowhere"], "no model 'nowhere'"),
        (["--model", "x" * 300], f"no model '{'x' * 79}…'"),
        (["--device", "abacus"], "unknown device 'abacus'"),
        (["--limit", "0"], "--limit must be at least 1"),
        (["--n-steps", "0"], "--n-steps must be at least 1"),
        (["--seed", "-1"], "--seed must be at least 0"),
        (["--scores", "SCORES", "--tasks", "transfer"], "the task transfer needs a model; give --model instead"),
        (["--scores", "SCORES", "--tasks", "norms,blv", "--blv", "BLV"], "the task norms needs a model"),
        (["--scores", "SCORES", "--tasks", "concadia,blv", "--blv", "BLV"], "--scores is a file for one task"),
        (["--scores", "SCORES", "--tasks", "blv"], "the task blv needs the ratings"),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "/nowhere"], "no folder '/nowhere'"),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "BLV"], "has no scores for 15 of the 15 rated texts"),
        (["--scores", "SCORES"], "these are scores of single texts, not of pairs"),
        (["--scores", "/nowhere"], "cannot read '/nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    model: str, ratings: Path, rotations: Path, tmp_path: Path, capsys, arguments: list[str], message: str
):
    (tmp_path / "scores.csv").write_text("description,clipscore\na star,0.5\n")
    names = {"BLV": str(ratings), "ROTATIONS": str(rotations), "SCORES": str(tmp_path / "scores.csv")}
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    out = tmp_path / "out"
    assert run("--model", model, "--limit", "60", "--out", str(out), *arguments) == 2
    assert message in one_line(capsys)
    assert not out.exists()


def spoil_weights(model: Path) -> None:
    weights = load_file(model / "model.safetensors")
    weights["logit_scale"] += 0.01
    save_file(weights, model / "model.safetensors", metadata={"format": "pt"})


def test_a_run_of_a_base_that_has_changed(model: str, ratings: Path, tmp_path: Path, capsys):
    base = shutil.copytree(model, tmp_path / "base")
    lora = tune(str(base), tmp_path / "lora", "--limit", "60")
    full = tune(str(base), tmp_path / "full", "--limit", "60", "--tuning", "full", "--objective", "behavioral")
    blv = ["--tasks", "blv", "--blv", str(ratings)]
    for number, own in enumerate((lora, full)):
        assert run("--model", str(own), *blv, "--out", str(tmp_path / f"before {number}")) == 0
    spoil_weights(base)
    capsys.readouterr()
    for own, chosen in ((lora, ["--tasks", "concadia"]), (lora, blv), (full, blv)):
        assert run("--model", str(own), *chosen, "--out", str(tmp_path / "out")) == 2
        assert f"was fine-tuned from another base: '{base}' now has the fingerprint" in one_line(capsys)
        assert not (tmp_path / "out").exists()
    # all weights of a full run are its own; just the comparison lacks its other side
    assert run("--model", str(full), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 0
    assert run("--model", str(full), *blv, "--against", "toy", "--out", str(tmp_path / "out")) == 0


def test_a_run_that_lacks_a_file(lora: Path, tmp_path: Path, capsys):
    copied = shutil.copytree(lora, tmp_path / "run")
    for name, message in (
        ("rotation.json", "cannot read a rotation from"),
        (ADAPTER, f"{ADAPTER}' is missing, which the run left"),
        ("adapter_config.json", f"the folder '{copied}' holds no config.json"),
    ):
        assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / name)) == 0
        content = (copied / name).read_bytes()
        (copied / name).unlink()
        capsys.readouterr()
        assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 2
        assert message in one_line(capsys)
        (copied / name).write_bytes(content)
    (copied / "manifest.json").write_text('{"settings": {"kind": "finetune"}}')
    assert run("--model", str(copied), "--tasks", "concadia", "--out", str(tmp_path / "out")) == 2
    assert 'manifest.json" ["settings"] is {"kind": "finetune"}' in one_line(capsys)
    assert not (tmp_path / "out").exists()


def test_what_a_run_names_is_loaded_only_if_that_is_allowed(full: Path, capsys: pytest.CaptureFixture[str], tmp_path):
    """Of a run with all weights, whose base is only needed to compare with."""
    copied = shutil.copytree(full, tmp_path / "copied", ignore=shutil.ignore_patterns("evaluation"))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["arguments"]["data"] = "csv:/etc/passwd"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    out = ["--out", str(tmp_path / "out")]
    assert evaluate.main([*SMALL, "--model", str(copied), "--tasks", "concadia", *out]) == 2
    assert "takes its data from 'csv:/etc/passwd', which this command does not name; add --trust-run" in one_line(
        capsys
    )
    assert not (tmp_path / "out").exists()


def test_the_base_to_compare_with_is_loaded_only_if_that_is_allowed(
    full: Path, ratings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    arguments = ["--model", str(full), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")]
    assert evaluate.main([*SMALL, *arguments]) == 2
    assert "takes its base from" in one_line(capsys)
    assert run(*arguments) == 0
