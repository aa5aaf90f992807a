"""Curves in other trackers than TensorBoard: calls by accelerate to a stand-in for Weights & Biases."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from accelerate import tracking
from accelerate.utils import LoggerType

from interp.errors import UserError
from tests.accelerating import forget_precision
from tests.training.finetuning import SMALL
from tests.wording import raises, refused
from training import finetune, loop, paper, trackers
from training.trackers import FILES, NONE, TRACKERS, check_trackers

OPTIONS = [*SMALL, "--max-steps", "4", "--look-every", "2", "--checkpoint-every", "1"]
# The functions of wandb that accelerate's tracker calls; each call is written as a line of a file next to the package.
STAND_IN = """
import json, pathlib
_CALLS = pathlib.Path(__file__).parents[1] / "calls.jsonl"
def _note(*call):
    with _CALLS.open("a") as file:
        file.write(json.dumps(call) + "\\n")
class _Run:
    def log(self, values, step=None):
        _note("log", values, step)
    def finish(self):
        _note("finish")
class _Config:
    def update(self, values, allow_val_change=False):
        _note("config", values)
config = _Config()
def init(**given):
    if _CALLS.with_name("no-key").exists():
        raise RuntimeError("No API key configured.\\nUse `wandb login`.")
    _note("init", given)
    return _Run()
"""


@pytest.fixture
def wandb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a stand-in for wandb for one test, and return the file of its calls."""
    place = tmp_path / "packages"
    (place / "wandb").mkdir(parents=True)
    (place / "wandb" / "__init__.py").write_text(STAND_IN)
    (place / "wandb-0.17.0.dist-info").mkdir()
    (place / "wandb-0.17.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: wandb\nVersion: 0.17.0\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    monkeypatch.setattr(tracking, "_available_trackers", [*tracking._available_trackers, LoggerType.WANDB])
    forget_precision()
    return place / "calls.jsonl"


def calls(file: Path) -> list[list[Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_tracker_gets_curves_and_settings_under_the_name_of_the_run(small, wandb: Path, tmp_path: Path):
    """The command runs in its own process, so that accelerate finds the package."""
    out = tmp_path / "mine"
    words = ["--model", small.name, "--log-with", "tensorboard,wandb", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "training.finetune", *OPTIONS, *words], capture_output=True, check=True)
    begun, settings, *logged, end = calls(wandb)
    assert begun == ["init", {"project": "clip-descriptions", "name": "mine"}]
    assert settings == ["config", json.loads((out / "manifest.json").read_text())["settings"]]
    assert end == ["finish"]
    losses = [step for _, values, step in logged if "loss/train" in values]
    looks = {step: values for _, values, step in logged if "val/val_loss" in values}
    assert losses == [1, 2, 3, 4]
    history = pd.read_csv(out / "history.csv").set_index("step")
    assert list(looks) == list(history.index) == [0, 2, 4]
    assert [values["val/iia_c2d"] for values in looks.values()] == history["iia_c2d"].tolist()
    steps = [step for *_, step in logged]
    assert steps == sorted(steps)  # W&B drops values of earlier steps
    assert len(list((out / "logs").iterdir())) == 1
    for secret in (str(tmp_path), small.name, str(Path.home()) + "/"):
        assert secret not in wandb.read_text()


@pytest.mark.slow
def test_a_run_goes_on_with_other_trackers_and_the_same_numbers(
    small, wandb: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def run(name: str, *words: str) -> int:
        forget_precision()
        return finetune.main([*OPTIONS, "--model", small.name, "--out", str(tmp_path / name), *words])

    good = loop._step

    def stopped(*given: Any) -> float:
        if given[-1] == 2:
            raise KeyboardInterrupt
        return good(*given)

    assert run("whole") == 0
    assert not wandb.exists()
    monkeypatch.setattr(loop, "_step", stopped)
    assert run("run", "--log-with", "none") == 130
    assert not (tmp_path / "run" / "logs").exists()
    monkeypatch.setattr(loop, "_step", good)
    assert run("run", "--log-with", "wandb", "--resume") == 0
    assert not (tmp_path / "run" / "logs").exists()
    assert [step for kind, *_, step in calls(wandb)[2:-1]] == [3, 4, 4]
    for name in ("history.csv", "adapter_model.safetensors", "rotation.safetensors"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    wandb.unlink()
    assert run("run", "--log-with", "wandb", "--resume") == 0  # the run is finished, so nothing is logged
    assert not wandb.exists()


@pytest.mark.slow
def test_a_tracker_that_cannot_start_is_one_line(small, wandb: Path, tmp_path: Path, capsys):
    wandb.with_name("no-key").touch()
    words = [*OPTIONS, "--model", small.name, "--out", str(tmp_path / "run")]
    refused(finetune.main([*words, "--log-with", "wandb"]), capsys, "No API key configured")
    forget_precision()
    assert finetune.main([*words, "--resume"]) == 0


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("wanb", "'wanb'"),
        ("all", "'all'"),
        ("tensorboard,", "''"),
        ("none,wandb", "none"),
        ("wandb", "'clip-descriptions[wandb]'"),
        ("tensorboard,mlflow", ("--log-with mlflow", "pip install mlflow")),
    ],
)
@pytest.mark.parametrize("main", [finetune.main, paper.main])
def test_bad_trackers_are_one_line(main, given: str, value: object, tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(trackers, "find_spec", lambda _: None)
    refused(main(["--log-with", given, "--out", str(tmp_path / "run")]), capsys, value)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_is_said_before_torch_is_loaded(tmp_path: Path):
    """A folder with the name of the package, which trackers create, is not a package."""
    (tmp_path / "clearml").mkdir()
    code = (
        "import sys; from training import finetune; status = finetune.main(['--log-with', 'clearml'])\n"
        "sys.exit(1 if 'torch' in sys.modules else status)"
    )
    here = {"PYTHONPATH": str(Path(finetune.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=here, check=False
    )
    assert done.stdout == ""
    refused(done.returncode, done.stderr, "--log-with clearml", "pip install clearml")


def test_a_package_that_accelerate_does_not_take_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trackers, "_is_installed", lambda _: True)
    monkeypatch.setattr(tracking, "_available_trackers", [LoggerType.WANDB])
    assert trackers.make_trackers("wandb", tmp_path) == ["wandb"]
    with raises(UserError, "trackio"):
        trackers.make_trackers("wandb,trackio", tmp_path)


def test_the_papers_fine_tunings_have_the_same_trackers(monkeypatch: pytest.MonkeyPatch):
    called: list[tuple[str, ...]] = []
    monkeypatch.setattr(paper.Experiment, "_call", lambda self, *words, threads: called.append(words))
    paper.Experiment(paper.PaperConfig(log_with="wandb,none"), "iit-das-lora", 0, gpu=False).carry_out()
    (tuned,) = [words for words in called if "--log-with" in words]
    assert tuned[0] == "finetune"
    assert tuned[tuned.index("--log-with") + 1] == "wandb,none"


def test_which_trackers_there_are(tmp_path: Path):
    """All trackers of accelerate are known, except `all`, which would send curves to trackers that are not named."""
    assert {*LoggerType.list()} - {"all"} <= {FILES, *TRACKERS}
    assert check_trackers("tensorboard, tensorboard") == [FILES]
    assert check_trackers(NONE) == []
    assert trackers.make_trackers(NONE, tmp_path) is None
    assert finetune.FinetuneConfig().log_with == paper.PaperConfig().log_with == FILES
