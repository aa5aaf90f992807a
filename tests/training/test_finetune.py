"""Training and files of a fine-tuning."""

from __future__ import annotations

import getpass
import json
import shlex
import shutil
import socket
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from interp import cli
from interp.clip.image_features import image_features
from interp.clip.loading import load_clip, with_adapter
from interp.clip.model import embed_texts
from interp.clip.sites import Site
from interp.data import load_pairs
from interp.subspaces.rotation import Rotation, largest_angle, random_basis
from tests.accelerating import forget_precision
from tests.training.finetuning import TEXTS, run, weights
from tests.wording import refused
from training import finetune, loop
from training.config import EvaluateConfig, FinetuneConfig, evaluation_preset, preset

pytestmark = pytest.mark.slow


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


@pytest.mark.parametrize(
    ("objective", "tuning"),
    [
        ("behavioral", "lora"),
        ("behavioral", "full"),
        ("joint", "lora"),
        pytest.param("joint", "full", marks=pytest.mark.thorough),
    ],
)
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
    """The weights on disk give the numbers of the history: they are of the right step, and merging loses nothing."""
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


def test_the_loss_on_val_of_a_calibrated_run_is_that_of_its_equations(calibrated: Path):
    """Recompute the loss of the kept weights by `interp.interchange` and plain sums, with two sources for each text."""
    from interp.subspaces.clean_run import clean_texts
    from interp.subspaces.interchange import interchange
    from interp.subspaces.pairs import draw_sources

    clip, rotation = load_clip(str(calibrated), trust=True), Rotation.load(calibrated / "rotation.safetensors")
    val = load_pairs("toy", limit=120).split("val")
    images, n = image_features(clip, val).embeddings.double(), len(val)
    site = Site("text", 4)
    high, low = (
        clean_texts(clip, [getattr(pair, kind) for pair in val.pairs], [site]) for kind in ("positive", "negative")
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
        [
            logits(base, base.take(rows)) - clean
            for rows in sources
            for base, clean in zip((low, high), plain, strict=True)
        ]
    )
    h = torch.cat([high.stream(site), low.stream(site)]).double()
    middle, basis = (h[:n].mean(0) + h[n:].mean(0)) / 2, rotation.basis.double()
    neutral = [
        (base, (stream + (middle - stream) @ basis @ basis.T).float()) for base, stream in ((low, h[n:]), (high, h[:n]))
    ]
    empty = [(base.push(site, stream).double() * images).sum(-1) * clip.logit_scale for base, stream in neutral]
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
    """The result equals that of `load_clip` for the folder, and the base is unchanged."""
    base = load_clip(model)
    before = {name: value.clone() for name, value in base.model.state_dict().items()}
    tuned, loaded = with_adapter(base, done), load_clip(str(done), trust=True)
    assert (tuned.name, tuned.fingerprint) == (loaded.name, loaded.fingerprint)
    after = base.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_training_stops_when_the_loss_on_val_has_stopped_to_fall(model: str, tmp_path: Path):
    """Training stops after three looks, one per epoch, without a lower loss, and keeps the best weights."""
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
    refused(run(*arguments, "--out", str(tmp_path / "x"), "--layer", "3"), capsys, 6, "text.4.eot", "text.3.eot")
    Rotation(random_basis(20, 6, torch.Generator()), Site("text", 4)).save(tmp_path / "narrow.safetensors")
    refused(
        run("--model", model, "--out", str(tmp_path / "x"), "--rotation", str(tmp_path / "narrow.safetensors")),
        capsys,
        20,
    )
    assert not (tmp_path / "x").exists()


def test_nothing_in_a_run_says_whose_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Names and contents of files have no name of a machine or user, and no path that was not an argument."""
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


def test_without_patience_all_steps_are_taken(model: str, tmp_path: Path):
    """The learning rate is so low that no later look has a lower loss."""
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
    """The preset has the settings that Zur et al. (2024) report."""
    wanted = {"layer": 11, "size": 256, "batch_size": 12, "epochs": 10, "samples": 100_000, "patience": None}
    for objective, tuning, rank, lr in (
        ("behavioral", "full", 128, 5e-6),
        ("behavioral", "lora", 128, 1e-5),
        ("iit-das", "lora", 64, 1e-5),
        ("iit-das", "full", 64, 1e-5),
        ("joint", "lora", 64, 1e-5),
        ("iit-das-calibrated", "lora", 64, 1e-5),
    ):
        defaults = preset(FinetuneConfig(preset="paper", objective=objective, tuning=tuning))
        assert defaults.items() >= wanted.items()
        assert (defaults["lora_rank"], defaults["lr"]) == (rank, lr)
    assert FinetuneConfig().val_samples == 5_000
    assert defaults["model"] == "openai/clip-vit-base-patch32"
    assert defaults["sources"] == "paired"
    assert cli.parse(FinetuneConfig, "", "", "", ["--preset", "paper", "--patience", "3"], preset).patience == 3
    for asked, wanted in ((EvaluateConfig(preset="paper"), {"attributed": 100, "n_steps": 50}), (EvaluateConfig(), {})):
        assert evaluation_preset(asked) == wanted
