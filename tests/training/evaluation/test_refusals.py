"""One-line refusals of an evaluation."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.training.evaluation.evaluating import ADAPTER, SMALL, run, tune
from tests.wording import refused
from training import evaluate

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--tasks", "preference,tansfer"], "'tansfer'"),
        (["--tasks", ","], "''"),
        (["--tasks", "blv"], ("blv", "--blv")),
        (["--tasks", "blv", "--blv", "/nowhere"], "'/nowhere'"),
        (["--tasks", "blv", "--blv", "BLV", "--against", "nowhere"], "'nowhere'"),
        (["--data", "concadia:/nowhere"], "'/nowhere'"),
        (["--data", "flickr"], ("'flickr'", "concadia:FOLDER")),
        (["--split", "dev"], ("'dev'", "(1024)", "(192)", "(256)")),
        (["--splits", "val,dev"], "'dev'"),
        (["--tasks", "transfer", "--transfer", "mine=/nowhere"], "'/nowhere'"),
        (["--tasks", "transfer", "--transfer", "cifar"], "'cifar'"),
        (["--tasks", "transfer", "--templates", "/nowhere"], "'/nowhere'"),
        (["--rotation", "ROTATIONS/wide.safetensors"], 32),
        (["--rotation", "ROTATIONS/seen.safetensors"], 32),
        (["--rotation", "ROTATIONS/deep.safetensors"], 9),
        (["--rotation", "ROTATIONS/none.safetensors"], "none.safetensors'"),
        (["--rotation", "ROTATIONS/right.safetensors", "--limit", "3"], (1, 2)),
        (["--tasks", "norms", "--norms", "valence"], "'valence'"),
        (["--tasks", "dose"], ("dose", "--rotation")),
        (["--tasks", "dose", "--rotation", "ROTATIONS/mlp.safetensors"], ("dose", "mlp")),
        (
            ["--tasks", "dose", "--rotation", "ROTATIONS/right.safetensors", "--controls", "none"],
            ("dose", "--controls"),
        ),
        (["--model", "nowhere"], "'nowhere'"),
        (["--model", "x" * 300], f"'{'x' * 79}…'"),
        (["--device", "abacus"], "'abacus'"),
        (["--limit", "0"], ("--limit", 1)),
        (["--n-steps", "0"], ("--n-steps", 1)),
        (["--seed", "-1"], ("--seed", 0)),
        (["--scores", "SCORES", "--tasks", "transfer"], "--model"),
        (["--scores", "SCORES", "--tasks", "norms,blv", "--blv", "BLV"], ("norms", "--model")),
        (["--scores", "SCORES", "--tasks", "preference,blv", "--blv", "BLV"], "--scores"),
        (["--scores", "SCORES", "--tasks", "blv"], ("blv", "--blv")),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "/nowhere"], "'/nowhere'"),
        (["--scores", "SCORES", "--tasks", "blv", "--blv", "BLV"], 15),
        (["--scores", "SCORES"], "scores.csv'"),
        (["--scores", "/nowhere"], "'/nowhere'"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_status_2(
    model: str, ratings: Path, rotations: Path, tmp_path: Path, capsys, arguments: list[str], value: object
):
    (tmp_path / "scores.csv").write_text("description,clipscore\na star,0.5\n")
    names = {"BLV": str(ratings), "ROTATIONS": str(rotations), "SCORES": str(tmp_path / "scores.csv")}
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    out = tmp_path / "out"
    refused(run("--model", model, "--limit", "60", "--out", str(out), *arguments), capsys, value)
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
    for number, tuned in enumerate((lora, full)):
        assert run("--model", str(tuned), *blv, "--out", str(tmp_path / f"before {number}")) == 0
    spoil_weights(base)
    capsys.readouterr()
    for tuned, chosen in ((lora, ["--tasks", "preference"]), (lora, blv), (full, blv)):
        refused(run("--model", str(tuned), *chosen, "--out", str(tmp_path / "out")), capsys, f"'{base}'")
        assert not (tmp_path / "out").exists()
    # a full run has all its weights; only the comparison with the base is impossible
    assert run("--model", str(full), "--tasks", "preference", "--out", str(tmp_path / "out")) == 0
    assert run("--model", str(full), *blv, "--against", "toy", "--out", str(tmp_path / "out")) == 0


def test_a_run_that_lacks_a_file(lora: Path, tmp_path: Path, capsys):
    copied = shutil.copytree(lora, tmp_path / "run")
    for name, value in (
        ("rotation.json", "rotation.safetensors'"),
        (ADAPTER, f"{ADAPTER}'"),
        ("adapter_config.json", (f"'{copied}'", "config.json")),
    ):
        assert run("--model", str(copied), "--tasks", "preference", "--out", str(tmp_path / name)) == 0
        content = (copied / name).read_bytes()
        (copied / name).unlink()
        capsys.readouterr()
        refused(run("--model", str(copied), "--tasks", "preference", "--out", str(tmp_path / "out")), capsys, value)
        (copied / name).write_bytes(content)
    (copied / "manifest.json").write_text('{"settings": {"kind": "finetune"}}')
    refused(
        run("--model", str(copied), "--tasks", "preference", "--out", str(tmp_path / "out")),
        capsys,
        'manifest.json" ["settings"]',
    )
    assert not (tmp_path / "out").exists()


def test_what_a_run_names_is_loaded_only_if_that_is_allowed(full: Path, capsys: pytest.CaptureFixture[str], tmp_path):
    """The run has all weights, so its base is only needed for a comparison."""
    copied = shutil.copytree(full, tmp_path / "copied", ignore=shutil.ignore_patterns("evaluation"))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["arguments"]["data"] = "csv:/etc/passwd"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    out = ["--out", str(tmp_path / "out")]
    refused(
        evaluate.main([*SMALL, "--model", str(copied), "--tasks", "preference", *out]),
        capsys,
        "'csv:/etc/passwd'",
        "--trust-run",
    )
    assert not (tmp_path / "out").exists()


def test_data_that_were_named_elsewhere_are_named_again(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    copied = shutil.copytree(full, tmp_path / "copied", ignore=shutil.ignore_patterns("evaluation"))
    manifest = json.loads((copied / "manifest.json").read_text())
    manifest["arguments"]["data"] = "csv:mine/pairs.csv"
    (copied / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(tmp_path)
    out = ["--out", str(tmp_path / "out")]
    asked = [*SMALL, "--model", str(copied), "--tasks", "preference", *out]
    refused(evaluate.main(asked), capsys, "'csv:mine/pairs.csv'", "--data")


@pytest.mark.usefixtures("stranger")
def test_the_base_to_compare_with_is_loaded_only_if_that_is_allowed(
    full: Path, ratings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    arguments = ["--model", str(full), "--tasks", "blv", "--blv", str(ratings), "--out", str(tmp_path / "out")]
    refused(evaluate.main([*SMALL, *arguments]), capsys, f"'{full}'", "--trust-run")
    assert run(*arguments) == 0
