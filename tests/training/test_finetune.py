"""Fine-tuning as a user meets it: small, but through the command line, killed and resumed for real."""

from __future__ import annotations

import getpass
import json
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from interp import cli
from interp.clip.errors import ModelError
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip, with_adapter
from interp.clip.model import Clip, embed_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.subspaces import losses
from interp.subspaces.rotation import Rotation, largest_angle, random_basis
from tests.accelerating import forget_precision
from tests.oracles.plain_forward import one_line
from training import finetune, loop
from training.batches import Order, examples
from training.config import EvaluateConfig, FinetuneConfig, evaluation_preset, preset
from training.objectives import Learner

pytestmark = pytest.mark.slow

SMALL = [
    "--limit", "120", "--layer", "4", "--size", "6", "--batch-size", "16", "--lora-rank", "2", "--cpu", "--lr", "3e-3",
]  # fmt: skip
TEXTS = ["a large red circle on the left side", "the wedding at the harbour"]


def run(*arguments: str) -> int:
    return finetune.main([*SMALL, *arguments])


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "training.finetune", *SMALL, *arguments]


def weights(folder: Path) -> dict[str, bytes]:
    names = ("adapter_model.safetensors", "model.safetensors", "rotation.safetensors", "history.csv")
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


@pytest.fixture(scope="module")
def model(small) -> str:
    return small.name


@pytest.fixture(scope="module")
def done(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished IIT-DAS run of 12 steps."""
    out = tmp_path_factory.mktemp("finetune") / "run"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", model, "--out", str(out), "--max-steps", "12", "--look-every", "4") == 0
    return out


def test_a_run_folder_holds_all_that_is_promised(done: Path, model: str):
    base, tuned = load_clip(model), load_clip(str(done), trust=True)
    assert tuned.fingerprint != base.fingerprint
    assert (embed_texts(tuned, TEXTS) - embed_texts(base, TEXTS)).abs().max() > 1e-3
    rotation = Rotation.load(done / "rotation.safetensors")
    assert (rotation.size, rotation.site, rotation.facts["method"]) == (6, Site("text", 4), "iit-das")
    assert rotation.basis.dtype == torch.float32
    history = pd.read_csv(done / "history.csv")
    assert history["step"].tolist() == [0, 4, 8, 12]
    assert history["val_loss"].min() < history["val_loss"][0]
    manifest = json.loads((done / "manifest.json").read_text())
    best = history.loc[history["val_loss"].idxmin()]
    assert manifest["result"]["kept_step"] == best["step"] == rotation.facts["step"]
    assert manifest["result"]["val_loss"] == best["val_loss"]
    assert manifest["settings"]["base"] == base.fingerprint
    again = cli.parse(FinetuneConfig, "", "", "", shlex.split(manifest["command"])[3:], preset)
    assert json.loads(json.dumps(asdict(again))) == manifest["arguments"]
    assert not (done / loop.CHECKPOINT).exists()
    assert list(done.glob("logs/**/events*"))


@pytest.mark.parametrize("objective", ["behavioral", "joint"])
@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_training_lowers_the_loss_and_raises_the_preference(tmp_path: Path, objective: str, tuning: str):
    how = ["--objective", objective, "--tuning", tuning, "--lr", "1e-3" if tuning == "lora" else "1e-4"]
    few = ["--max-steps", "40", "--look-every", "20", "--limit", "300"]
    assert run("--out", str(tmp_path / "run"), *how, *few) == 0
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    kept = history["val_loss"].idxmin()
    assert history["val_loss"][kept] < 0.9 * history["val_loss"][0]
    assert history["preference"][kept] > history["preference"][0]
    assert (tmp_path / "run" / "rotation.safetensors").is_file() == (objective == "joint")
    load_clip(str(tmp_path / "run"), trust=True)


def test_what_is_kept_is_what_was_measured(done: Path):
    """The weights on disk give the history's numbers again: nothing is lost in merging, nothing is of another step."""
    from interp.data.contrast import DIRECTIONS
    from interp.subspaces.clean_run import clean_texts
    from interp.subspaces.outcomes import evaluate
    from interp.subspaces.pairs import PairRun

    clip, rotation = load_clip(str(done), trust=True), Rotation.load(done / "rotation.safetensors")
    val = load_pairs("toy", limit=120).split("val")
    texts = [pair.positive for pair in val.pairs] + [pair.negative for pair in val.pairs]
    features = image_features(clip, val)
    pairs = PairRun(clean_texts(clip, texts, [Site("text", 4)]), features.embeddings, clip.logit_scale, features.groups)
    outcomes = evaluate(pairs, rotation)
    result = json.loads((done / "manifest.json").read_text())["result"]
    for direction, name in zip(DIRECTIONS, ("iia_c2d", "iia_d2c"), strict=True):
        assert outcomes.iia(direction) == pytest.approx(result[name])
    n = len(val)
    descriptions, captions = (outcomes.base[direction][:n] for direction in reversed(DIRECTIONS))
    assert (descriptions > captions).mean() == pytest.approx(result["preference"])


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


def test_killed_and_resumed_is_as_if_never_killed(model: str, tmp_path: Path):
    """The final weights are the same bit for bit, in float32 on a CPU."""
    long = ["--model", model, "--max-steps", "150", "--epochs", "200", "--look-every", "50"]
    long += ["--checkpoint-every", "7", "--patience", "99"]
    assert run(*long, "--out", str(tmp_path / "whole")) == 0
    out = tmp_path / "killed"
    process = subprocess.Popen(command(*long, "--out", str(out)), stderr=subprocess.DEVNULL)
    deadline = time.time() + 120
    while not (out / loop.CHECKPOINT).exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # into the steps between two checkpoints
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "result" not in json.loads((out / "manifest.json").read_text())
    left = len(pd.read_csv(out / "history.csv"))
    assert run(*long, "--out", str(out), "--resume") == 0
    assert len(pd.read_csv(out / "history.csv")) > left
    assert weights(out) == weights(tmp_path / "whole")


CALIBRATED = ["--objective", "iit-das-calibrated", "--max-steps", "12", "--look-every", "4", "--checkpoint-every", "3"]


@pytest.fixture(scope="module")
def calibrated(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of calibrated IIT-DAS."""
    out = tmp_path_factory.mktemp("calibrated") / "run"
    assert run("--model", model, "--out", str(out), *CALIBRATED) == 0
    return out


def test_calibrated_runs_go_on_as_if_never_stopped(
    calibrated: Path, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Stopped between a checkpoint and a look, so that sources of both kinds are drawn again."""
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


def test_the_loss_on_val_of_a_calibrated_run_is_that_of_its_equations(calibrated: Path):
    """Of the weights that were kept, with two sources for each text, by `interp.interchange` and plain sums."""
    from interp.subspaces.clean_run import clean_texts
    from interp.subspaces.interchange import interchange
    from interp.subspaces.pairs import draw_sources

    clip, rotation = load_clip(str(calibrated), trust=True), Rotation.load(calibrated / "rotation.safetensors")
    val = load_pairs("toy", limit=120).split("val")
    images, n = image_features(clip, val).embeddings.double(), len(val)
    site = Site("text", 4)
    high, low = (
        clean_texts(clip, [getattr(one, kind) for one in val.pairs], [site]) for kind in ("positive", "negative")
    )
    draw = torch.Generator().manual_seed(0)
    groups = [pair.group for pair in val.pairs]
    sources = [draw_sources(n, "random", draw, groups) for _ in range(2)]

    def logits(base, source) -> torch.Tensor:
        return (interchange(base, source, rotation).double() * images).sum(-1) * clip.logit_scale

    plain = logits(low, low), logits(high, high)
    gap = (plain[1] - plain[0]).mean()
    up = torch.cat([logits(low, high.take(rows)) - plain[0] for rows in sources])
    down = torch.cat([plain[1] - logits(high, low.take(rows)) for rows in sources])
    stay = torch.cat(
        [logits(base, base.take(rows)) - own for rows in sources for base, own in zip((low, high), plain, strict=True)]
    )
    h = torch.cat([high.stream(site), low.stream(site)]).double()
    middle, basis = (h[:n].mean(0) + h[n:].mean(0)) / 2, rotation.basis.double()
    empty = [
        (one.push(site, (own + (middle - own) @ basis @ basis.T).float()).double() * images).sum(-1) * clip.logit_scale
        for one, own in ((low, h[n:]), (high, h[:n]))
    ]
    square = ((up.mean() + down.mean()) / 2) ** 2
    wanted = {
        "spread": ((up.var(correction=0) + down.var(correction=0)) / 2 + (stay**2).mean()) / (square + 0.25),
        "shift": ((up.mean() - gap) ** 2 + (down.mean() - gap) ** 2) / 2 / (gap**2 + 0.25),
        "neutral": (empty[1] - empty[0]).mean() ** 2 / (gap**2 + 0.25),
    }
    iit_das = (torch.nn.functional.softplus(-up).mean() + torch.nn.functional.softplus(-down).mean()) / 2
    behavioral = torch.nn.functional.softplus(plain[0] - plain[1]).mean()
    result = json.loads((calibrated / "manifest.json").read_text())["result"]
    for name, value in wanted.items():
        assert result[name] == pytest.approx(float(value), rel=1e-3)
    weight = FinetuneConfig().calibration_weight
    assert result["val_loss"] == pytest.approx(float(behavioral + iit_das + weight * sum(wanted.values())), rel=1e-4)
    history = pd.read_csv(calibrated / "history.csv")
    assert history["val_loss"].min() < history["val_loss"][0]


def test_an_adapter_is_put_on_a_base_that_is_loaded(done: Path, model: str):
    """As `load_clip` does for the folder; the base stays as it is."""
    base = load_clip(model)
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    tuned, loaded = with_adapter(base, done), load_clip(str(done), trust=True)
    assert (tuned.name, tuned.fingerprint) == (loaded.name, loaded.fingerprint)
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_training_stops_when_the_loss_on_val_has_stopped_to_fall(model: str, tmp_path: Path):
    """By default after three looks, one after each epoch; what is kept is what was best before."""
    arguments = ["--model", model, "--lr", "0.3", "--epochs", "200"]
    assert run(*arguments, "--out", str(tmp_path / "run")) == 0
    losses = pd.read_csv(tmp_path / "run" / "history.csv")["val_loss"]
    assert FinetuneConfig().patience == 3
    assert losses.idxmin() == len(losses) - 1 - 3 < 200
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["result"]["val_loss"] == losses.min()


def test_seeds_matter(done: Path, model: str, tmp_path: Path):
    arguments = ["--model", model, "--max-steps", "12", "--look-every", "4"]
    assert run(*arguments, "--out", str(tmp_path / "again")) == 0
    assert weights(tmp_path / "again") == weights(done)
    assert run(*arguments, "--out", str(tmp_path / "other"), "--seed", "1") == 0
    assert weights(tmp_path / "other") != weights(done)


def test_a_run_is_trained_again_from_its_manifest(done: Path, model: str, tmp_path: Path, capsys):
    again = ["--config", str(done), "--out", str(tmp_path / "again")]
    with pytest.raises(SystemExit, match="2"):
        finetune.main(again)
    assert f"names --model '{model}', which this command does not; add --trust-run" in one_line(capsys)
    assert finetune.main([*again, "--model", model]) == 0
    assert weights(tmp_path / "again") == weights(done)
    before = (done / "manifest.json").read_bytes()
    assert finetune.main(["--config", str(done), "--model", model, "--out", str(done)]) == 2
    assert "holds a run already; resume it, or choose another folder" in one_line(capsys)
    assert (done / "manifest.json").read_bytes() == before


def test_a_finished_run_is_not_trained_again(done: Path, model: str, capsys: pytest.CaptureFixture[str]):
    before = weights(done)
    arguments = ["--model", model, "--out", str(done), "--max-steps", "12", "--look-every", "4"]
    assert run(*arguments) == 2
    assert "holds a run already; resume it" in one_line(capsys)
    assert run(*arguments, "--resume") == 0
    assert "kept the weights of step" in capsys.readouterr().out
    assert weights(done) == before


def test_half_precision_leaves_the_rotation_alone(model: str, tmp_path: Path):
    arguments = ["--model", model, "--max-steps", "12", "--look-every", "4"]
    assert run(*arguments, "--out", str(tmp_path / "half"), "--mixed-precision", "bf16") == 0
    forget_precision()
    assert run(*arguments, "--out", str(tmp_path / "whole")) == 0
    half, whole = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("half", "whole"))
    assert {tensor.dtype for tensor in half.values()} == {torch.float32}
    assert max(float((half[key] - whole[key]).abs().max()) for key in half) > 0
    rotation = Rotation.load(tmp_path / "half" / "rotation.safetensors")
    torch.testing.assert_close(rotation.basis.T @ rotation.basis, torch.eye(6), atol=1e-6, rtol=0)


def test_the_vision_tower_can_be_trained_too(model: str, tmp_path: Path):
    arguments = ["--tower", "both", "--max-steps", "4", "--look-every", "2"]
    assert run("--model", model, "--out", str(tmp_path / "run"), *arguments) == 0
    base, tuned = load_clip(model), load_clip(str(tmp_path / "run"), trust=True)
    assert tuned.image_fingerprint != base.image_fingerprint
    adapters = load_file(tmp_path / "run" / "adapter_model.safetensors")
    assert {key.split(".")[2] for key in adapters} == {"text_model", "vision_model"}


def test_training_starts_from_a_given_rotation(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    given = random_basis(24, 6, torch.Generator().manual_seed(3))
    Rotation(given, Site("text", 4)).save(tmp_path / "given.safetensors")
    arguments = ["--model", model, "--max-steps", "1", "--rotation", str(tmp_path / "given.safetensors")]
    tiny = ["--rotation-lr", "1e-9", "--lr", "1e-3"]
    assert run(*arguments, *tiny, "--out", str(tmp_path / "run")) == 0
    assert largest_angle(Rotation.load(tmp_path / "run" / "rotation.safetensors").basis, given) < 0.01
    capsys.readouterr()
    assert run(*arguments, "--out", str(tmp_path / "x"), "--layer", "3") == 2
    assert "is of size 6 at text.4.eot, asked for is size 6 at text.3.eot" in one_line(capsys)
    Rotation(random_basis(20, 6, torch.Generator()), Site("text", 4)).save(tmp_path / "narrow.safetensors")
    assert run("--model", model, "--out", str(tmp_path / "x"), "--rotation", str(tmp_path / "narrow.safetensors")) == 2
    assert "is for width 20, the text tower of" in one_line(capsys)
    assert not (tmp_path / "x").exists()


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


def test_a_checkpoint_that_is_cut_short_is_said(model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["--model", model, "--out", str(tmp_path / "run"), "--max-steps", "12", "--look-every", "4"]
    assert run(*arguments) == 0
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    del manifest["result"]
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(manifest))
    (tmp_path / "run" / loop.CHECKPOINT).write_bytes(b"cut sho")
    capsys.readouterr()
    assert run(*arguments, "--resume") == 2
    assert "cannot go on from" in one_line(capsys)


def test_ctrl_c_says_how_to_go_on(model: str, tmp_path: Path):
    out = tmp_path / "run"
    long = command("--model", model, "--out", str(out), "--epochs", "5000", "--patience", "5000", "--look-every", "5")
    process = subprocess.Popen(long, stderr=subprocess.PIPE, text=True)
    deadline = time.time() + 120
    while not (out / loop.CHECKPOINT).exists() and process.poll() is None and time.time() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert "the same command goes on from the last checkpoint with --resume" in error
    assert "Traceback" not in error


OBJECTIVES = ("behavioral", "iit-das", "joint", "iit-das-calibrated")
SHARED = ["--batch-size", "14", "--max-steps", "4", "--look-every", "2"]  # 7 pairs: unequal shares
IN_TURN = """
import sys, torch, training.finetune
from accelerate.state import AcceleratorState, PartialState
torch.distributed.init_process_group("gloo")
PartialState.destroy_process_group = lambda *_, **__: None  # the next objective needs it
for objective, folder in zip(sys.argv[1].split(","), sys.argv[2].split(",")):
    AcceleratorState._reset_state(True)
    assert training.finetune.main([*sys.argv[3:], "--objective", objective, "--out", folder]) == 0
"""


def two_processes(folders: Mapping[Path, str], *arguments: str) -> str:
    """Fine-tune into each folder by its objective, in two processes that are started once; what was printed."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    script = next(iter(folders)).parent / "in_turn.py"
    script.write_text(IN_TURN)
    words = [",".join(folders.values()), ",".join(map(str, folders)), *SMALL, *arguments]
    found = subprocess.run([*launch, str(script), *words], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    return found.stdout


def test_two_processes_give_the_curve_of_one(model: str, tmp_path: Path):
    """Sources, gap and moments are those of the whole batch, wherever its texts are run; also of a run that was begun
    by one process."""
    arguments, begun = ["--model", model, *SHARED], tmp_path / "begun"
    for objective in OBJECTIVES:
        forget_precision()
        assert run(*arguments, "--objective", objective, "--out", str(tmp_path / objective)) == 0
    forget_precision()
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(loop, "_step", interrupted(loop._step, 2))
        assert run(*arguments, "--out", str(begun)) == 130
    folders = {tmp_path / f"{objective}-2": objective for objective in OBJECTIVES} | {begun: "iit-das"}
    assert two_processes(folders, *arguments, "--resume").count("kept the weights") == len(folders)
    for folder, objective in folders.items():
        assert json.loads((folder / "manifest.json").read_text())["processes"] == 2
        one, two = (pd.read_csv(path / "history.csv") for path in (tmp_path / objective, folder))
        assert list(one["step"]) == [0, 2, 4]
        for name in ("train_loss", "val_loss"):
            np.testing.assert_allclose(two[name], one[name], rtol=0, atol=1e-5, err_msg=folder.name)
        assert abs(one["val_loss"].iloc[-1] - one["val_loss"].iloc[0]) > 1e-3


def interrupted(good: Callable[..., float], after: int) -> Callable[..., float]:
    """A step that Ctrl-C stops once so many were taken."""

    def step(*given: Any) -> float:
        if given[-1] == after:
            raise KeyboardInterrupt
        return good(*given)

    return step


def test_nothing_in_a_run_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No name of a machine or a user, and no path that was not typed, in the name of any file or in its content."""
    shutil.copytree(load_clip("toy").model.name_or_path, tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(socket, "gethostname", lambda: "secret-machine")
    for number, words in enumerate((["--tuning", "full"], ["--tuning", "lora"], ["--model", "base"])):
        forget_precision()
        assert run("--max-steps", "1", "--out", f"runs/{number}", *words) == 0
    files = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    events = [path.name for path in files if "tfevents" in path.name]
    assert len(events) == 3
    installed = str(Path(finetune.__file__).parents[1])
    for word in ("secret-machine", getpass.getuser() + "@", str(tmp_path), str(Path.home()) + "/", installed):
        assert [path for path in files if word.encode() in path.read_bytes() or word in path.name] == [], word


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


def test_order_is_a_function_of_seed_and_epoch():
    once = Order(n=20, batch_size=6, samples=None, seed=0)
    assert once.per_epoch == 3
    rows = torch.cat(once.epoch(4))
    assert len(set(rows.tolist())) == 18
    assert torch.equal(rows, torch.cat(once.epoch(4)))
    assert not torch.equal(rows, torch.cat(once.epoch(5)))
    assert not torch.equal(rows, torch.cat(Order(20, 6, None, 1).epoch(4)))
    few = Order(n=4, batch_size=6, samples=None, seed=0)
    assert [len(batch) for batch in few.epoch(0)] == [4]


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 9), st.integers(0, 3), st.booleans())
def test_a_sample_is_drawn_once_for_all_epochs(n: int, samples: int, size: int, seed: int, replace: bool):
    order = Order(n, size, samples, seed, replace=replace)
    sample = order.sample.tolist()
    assert len(sample) == (samples if replace else min(samples, n))  # without replacement no more than there are
    assert set(sample) <= set(range(n))
    if not replace:
        assert len(set(sample)) == len(sample)
    step = min(size, n)
    for number in range(3):
        batches = order.epoch(number)
        assert len(batches) == order.per_epoch == max(1, len(sample) // step)
        taken, left = Counter(torch.cat(batches).tolist()), Counter(sample)
        assert taken <= left  # nothing that is not in the sample, and nothing more often
        assert sum(taken.values()) == min(len(sample), order.per_epoch * step)


def test_what_is_drawn_depends_on_the_objective_and_the_seed():
    config = FinetuneConfig(batch_size=12, samples=80, seed=0)
    drawn = Order.of(config, 30)
    assert (drawn.batch_size, len(drawn.sample), drawn.per_epoch) == (6, 40, 6)  # two rows for each pair
    assert max(Counter(drawn.sample.tolist()).values()) > 1
    assert not torch.equal(torch.cat(drawn.epoch(0)), torch.cat(drawn.epoch(1)))
    assert not torch.equal(drawn.sample, Order.of(replace(config, seed=1), 30).sample)
    once = Order.of(replace(config, objective="behavioral"), 30)
    assert sorted(once.sample.tolist()) == list(range(30))
    assert sorted(Order.of(replace(config, samples=None), 30).sample.tolist()) == list(range(30))


def test_a_step_takes_as_many_interventions_as_the_batch_has_rows(small: Clip, monkeypatch: pytest.MonkeyPatch):
    """A batch of 12 has 12 interventions, or the 12 texts of 6 pairs; both directions, half each."""
    config = FinetuneConfig(**preset(FinetuneConfig(preset="paper")))
    pairs = load_pairs("toy", limit=60)
    train = examples(small, pairs, image_features(small, pairs), "train", frozen=True)
    (rows, *_) = Order.of(config, len(train)).epoch(0)
    seen: list[int] = []
    whole = losses.counterfactual_loss

    def counted(base: torch.Tensor, changed: torch.Tensor) -> torch.Tensor:
        seen.append(len(changed))
        return whole(base, changed)

    monkeypatch.setattr(losses, "counterfactual_loss", counted)
    learner = Learner(small, "iit-das", Site("text", 4), random_basis(24, 6, torch.Generator()), 0.5)
    tokens = train.tokens.take(torch.cat([rows, rows + len(train)]))
    assert len(tokens) == 12
    learner(tokens.ids, tokens.eot, train.images(small, rows), torch.arange(len(rows)))
    assert seen == [12]


def test_without_patience_all_steps_are_taken(model: str, tmp_path: Path):
    """The rate is so low that no look is better than the first ones."""
    arguments = ["--model", model, "--max-steps", "12", "--look-every", "1", "--lr", "1e-12", "--rotation-lr", "1e-12"]
    assert run(*arguments, "--patience", "2", "--out", str(tmp_path / "patient")) == 0
    assert json.loads((tmp_path / "patient" / "manifest.json").read_text())["result"]["steps"] < 12
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setattr(finetune, "preset", lambda given: {"patience": None})
        assert run(*arguments, "--out", str(tmp_path / "endless")) == 0
    manifest = json.loads((tmp_path / "endless" / "manifest.json").read_text())
    assert manifest["result"]["steps"] == 12
    assert manifest["arguments"]["patience"] is None
    assert "--patience" not in manifest["command"]


def test_the_preset_of_the_paper_is_the_authors():
    """The settings are those that Zur et al. (2024) report."""
    wanted = {"layer": 11, "size": 256, "batch_size": 12, "epochs": 10, "samples": 100_000, "patience": None}
    for objective, tuning, rank, lr in (
        ("behavioral", "full", 128, 5e-6), ("behavioral", "lora", 128, 1e-5),
        ("iit-das", "lora", 64, 1e-5), ("iit-das", "full", 64, 1e-5), ("joint", "lora", 64, 1e-5),
        ("iit-das-calibrated", "lora", 64, 1e-5),
    ):  # fmt: skip
        found = preset(FinetuneConfig(preset="paper", objective=objective, tuning=tuning))
        assert found.items() >= wanted.items()
        assert (found["lora_rank"], found["lr"]) == (rank, lr)
    assert FinetuneConfig().val_samples == 5_000
    assert found["model"] == "openai/clip-vit-base-patch32"
    assert found["sources"] == "paired"
    assert cli.parse(FinetuneConfig, "", "", "", ["--preset", "paper", "--patience", "3"], preset).patience == 3
    for asked, wanted in ((EvaluateConfig(preset="paper"), {"attributed": 100, "n_steps": 50}), (EvaluateConfig(), {})):
        assert evaluation_preset(asked) == wanted
