"""Exported fine-tuned models: other libraries load them, and they equal the original model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoProcessor, AutoTokenizer, CLIPConfig, CLIPModel, CLIPTokenizer

from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts
from interp.clip.open_clip import to_transformers
from interp.runs.versions import VERSIONS
from interp.subspaces.rotation import Rotation
from tests.oracles.plain_forward import random_clip, random_texts
from tests.run_folders import make_other_version
from tests.training.test_card import header
from tests.wording import refused
from training.evaluate import main as evaluate
from training.export import main as export
from training.finetune import main as finetune

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a few steps of IIT-DAS on the toy."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    options = ["--objective", "iit-das", "--layer", "9", "--size", "4", "--max-steps", "3", "--limit", "120"]
    assert finetune([*options, "--out", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def tuned(run: Path) -> Clip:
    return load_clip(str(run))


def test_transformers_loads_it_alone(run: Path, tuned: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "models" / "mine"
    assert export([str(run), "--out", str(out)]) == 0
    assert re.search(r"as files of transformers; embeddings by the written model differ by \d", capsys.readouterr().out)
    processor, model = AutoProcessor.from_pretrained(out), CLIPModel.from_pretrained(out).eval()
    texts = random_texts(4, 0)
    images = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (50, 70, 3), dtype=np.uint8)) for i in range(3)]
    inputs = processor(text=texts, images=images, padding=True, truncation=True, return_tensors="pt")
    with torch.no_grad():
        outputs = model(**inputs)
    torch.testing.assert_close(outputs.text_embeds, embed_texts(tuned, texts), rtol=0, atol=1e-6)
    torch.testing.assert_close(outputs.image_embeds, embed_images(tuned, images), rtol=0, atol=1e-6)
    assert not torch.allclose(outputs.text_embeds, embed_texts(load_clip("toy"), texts), atol=1e-4)  # it was tuned
    again = load_clip(str(out))
    assert again.fingerprint == tuned.fingerprint
    rotation = Rotation.load(out / "rotation.safetensors")
    assert torch.equal(rotation.basis, Rotation.load(run / "rotation.safetensors").basis)
    assert not any(path.name.startswith(".") for path in out.parent.iterdir())


def test_a_process_that_does_not_know_this_package(run: Path, tuned: Clip, tmp_path: Path):
    export([str(run), "--out", str(tmp_path / "out")])
    code = (
        "import sys, torch; from transformers import AutoTokenizer, CLIPModel;"
        "t = AutoTokenizer.from_pretrained(sys.argv[1]); m = CLIPModel.from_pretrained(sys.argv[1]).eval();"
        "x = m.get_text_features(**t(['a red circle'], return_tensors='pt')).pooler_output;"
        "print((x / x.norm()).flatten().tolist()); assert 'interp' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    embedding = torch.tensor(json.loads(done.stdout.splitlines()[-1]))
    torch.testing.assert_close(embedding, embed_texts(tuned, ["a red circle"])[0], rtol=0, atol=1e-6)


def test_open_clips_files(run: Path, tuned: Clip, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The weights under open_clip's names are the model's, and the configuration has the other facts."""
    out = tmp_path / "out"
    assert export([str(run), "--format", "open_clip", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"as files of open_clip; embeddings by the written weights differ by \d", printed)
    config = json.loads((out / "open_clip_config.json").read_text())
    state = load_file(out / "open_clip_model.safetensors")
    text, vision = (tuned.model.config.text_config, tuned.model.config.vision_config)
    assert config["model_cfg"]["text_cfg"]["heads"] == text.num_attention_heads
    assert config["model_cfg"]["text_cfg"]["width"] == state["token_embedding.weight"].shape[1]
    assert config["model_cfg"]["vision_cfg"]["head_width"] * vision.num_attention_heads == vision.hidden_size
    assert config["model_cfg"]["quick_gelu"] is True
    assert config["model_cfg"]["text_cfg"]["hf_tokenizer_name"] == "./"
    assert config["preprocess_cfg"]["resize_mode"] == "shortest"
    model = CLIPModel(tuned.model.config).eval()
    model.load_state_dict(to_transformers(state, "x"))
    assert all(torch.equal(value, tuned.model.state_dict()[key]) for key, value in model.state_dict().items())


def test_the_card_says_what_is_known(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    export([str(run), "--out", str(tmp_path / "first"), "--license", "mit"])
    card = (tmp_path / "first" / "README.md").read_text()
    assert header(card) == {
        "library_name": "transformers",
        "tags": ["clip", "alt-text", "interpretability", "clip-descriptions"],
        "language": "en",
        "license": "mit",
    }
    assert "- objective: `IIT-DAS`" in card
    assert "- layer (from 1): `9`" in card
    assert "The model was not evaluated on held-out data" in card
    assert evaluate(["--model", str(run), "--tasks", "preference", "--controls", "none"]) == 0
    export([str(run), "--out", str(tmp_path / "second")])
    card = (tmp_path / "second" / "README.md").read_text()
    assert "not evaluated" not in card
    rows = [line for line in card.splitlines() if line.startswith("| preference ")]
    assert len(rows) >= 5
    assert any(re.search(r"\| \[\S+ \S+\] \| \d+ \|$", row) for row in rows)
    assert "## Limits of these numbers" in card
    assert str(tmp_path) not in card
    assert str(run.parent) not in card
    capsys.readouterr()


def test_the_card_of_a_run_that_was_evaluated_with_other_kinds(run: Path, tmp_path: Path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evaluation"))
    lines = ["image,Alt,title,split"]
    for i in range(18):
        Image.new("RGB", (40, 30), (14 * i, 0, 0)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.png,a red star of size {i},the {i} at the harbour,{('train', 'val', 'test')[i % 3]}")
    (tmp_path / "pairs.csv").write_text("\n".join(lines))
    data = ["--data", f"csv:{tmp_path / 'pairs.csv'}", "--kinds", "Alt,title"]
    assert evaluate(["--model", str(copy), "--tasks", "preference", "--controls", "none", *data]) == 0
    assert export([str(copy), "--out", str(tmp_path / "out")]) == 0
    card = (tmp_path / "out" / "README.md").read_text()
    assert "# A CLIP fine-tuned to score a description above a caption of the same image" in card
    assert "The evaluation has other kinds of text: it measures preference for Alt over title." in card
    assert "| preference | test | mean Alt score |" in card


def test_a_run_whose_evaluation_is_of_another_version_is_not_exported(run: Path, tmp_path: Path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns("evaluation"))
    assert evaluate(["--model", str(copy), "--tasks", "preference", "--controls", "none"]) == 0
    make_other_version(copy / "evaluation")
    capsys.readouterr()
    refused(
        export([str(copy), "--out", str(tmp_path / "out")]), capsys, VERSIONS["evaluation"] - 1, VERSIONS["evaluation"]
    )
    assert not (tmp_path / "out").exists()


def test_what_is_refused(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("")
    for arguments, value in (
        ([str(run)], "--out"),
        ([str(run), "--out", str(tmp_path / "there")], f"'{tmp_path / 'there'}'"),
        ([str(run), "--out", str(tmp_path / "file" / "x")], str(tmp_path / "file")),
        ([str(run), "--out", str(tmp_path / "new"), "--private"], ("--private", "--push")),
        ([str(run), "--out", str(tmp_path / "new"), "--push", "mine"], ("--push", "'mine'")),
        ([str(tmp_path / "none"), "--out", str(tmp_path / "new")], f"'{tmp_path / 'none'}'"),
    ):
        capsys.readouterr()
        refused(export(arguments), capsys, value)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("form", ["transformers", "open_clip"])
def test_no_folder_of_this_machine_is_in_what_is_written(base: Path, tmp_path: Path, form: str):
    """The files name neither the model's folder nor any folder in the settings of the model."""
    there = "/nowhere/private"
    anywhere: dict[str, object] = {
        "_name_or_path": there,
        "name_or_path": there,
        "cache_dir": there,
        "mine": there,
        "listed": [there],
        "nested": {"deep": [{"er": there}]},
        there: True,
        "processor_class": there,
        "problem_type": there,
    }
    more: dict[str, dict[str, object]] = {
        "config.json": {"id2label": {"0": there, "1": "b"}},
        "preprocessor_config.json": {"feature_extractor_type": there, "image_processor_file": there},
        "tokenizer_config.json": {
            "special_tokens_map_file": f"{there}/special_tokens_map.json",
            "tokenizer_file": f"{there}/tokenizer.json",
            "vocab_file": there,
            "init_kwargs": {"name_or_path": there},
            "chat_template": f"{{# {there} #}}",
            "errors": there,
            "backend": there,
        },
    }
    clip = load_clip(str(base))
    for name, changes in more.items():
        content = json.loads((base / name).read_text()) | anywhere | changes
        for tower in ("text_config", "vision_config"):
            if name == "config.json":
                content[tower] |= anywhere | {"architectures": [there]}
        (base / name).write_text(json.dumps(content))
    out = tmp_path / "models" / "out"
    assert export([str(base), "--format", form, "--out", str(out)]) == 0
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        for folder in (there, str(base), str(tmp_path)):
            assert folder.encode() not in path.read_bytes(), path
    tokenizer = AutoTokenizer.from_pretrained(out)
    texts = random_texts(4, 0)
    assert tokenizer(texts)["input_ids"] == clip.tokenizer(texts)["input_ids"]
    assert tokenizer.model_max_length == clip.tokenizer.model_max_length
    if form == "transformers":
        assert load_clip(str(out)).fingerprint == clip.fingerprint


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """Write a small CLIP with random weights, which a test may change, and return its folder."""
    return random_clip(tmp_path / "base", text_layers=1, vision_layers=1)


def refuse_for_open_clip(base: Path, capsys: pytest.CaptureFixture[str], *values: object) -> None:
    """Write a model for transformers, which succeeds, and for open_clip; expect an error that quotes the values."""
    models = base.parent / "models"
    assert export([str(base), "--out", str(models / "other")]) == 0
    capsys.readouterr()
    refused(export([str(base), "--format", "open_clip", "--out", str(models / "out")]), capsys, *values)
    assert [path.name for path in models.iterdir()] == ["other"]


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ({"do_resize": False}, "do_resize"),
        ({"do_center_crop": False, "size": {"height": 64, "width": 64}}, "do_center_crop"),
        ({"do_rescale": False}, "do_rescale"),
        ({"do_normalize": False}, "do_normalize"),
        ({"do_pad": True, "pad_size": {"height": 64, "width": 64}}, "do_pad"),
        ({"size": {"shortest_edge": 72}}, ("size = {'shortest_edge': 72}", "{'shortest_edge': 64}")),
        ({"size": {"height": 64, "width": 64}}, "size = {'height': 64, 'width': 64}"),
        ({"rescale_factor": 1 / 127.5}, ("rescale_factor = 0.00784313725490196", "1/255")),
        ({"rescale_factor": [1 / 255]}, ("rescale_factor = [0.00392156862745098]", "1/255")),
        ({"resample": 0}, 0),
    ],
)
def test_images_that_open_clip_would_make_others_of(
    base: Path, change: dict[str, object], value: object, capsys: pytest.CaptureFixture[str]
):
    file = base / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    refuse_for_open_clip(base, capsys, value)


def test_one_mean_for_all_channels(base: Path, tmp_path: Path):
    file = base / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"image_mean": 0.25, "resample": 2}))
    assert export([str(base), "--format", "open_clip", "--out", str(tmp_path / "out")]) == 0
    config = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())
    assert config["preprocess_cfg"] == {
        "mean": [0.25] * 3,
        "std": [0.5] * 3,
        "interpolation": "bilinear",
        "resize_mode": "shortest",
    }


def test_a_smaller_tokenizer_than_open_clips_own_is_taken_along(base: Path, tmp_path: Path):
    """A table of the size of OpenAI's vocabulary does not imply OpenAI's tokenizer."""
    config = CLIPConfig.from_pretrained(base)
    config.text_config.vocab_size = 49_408
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(base)
    assert export([str(base), "--format", "open_clip", "--out", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "open_clip_config.json").read_text())["model_cfg"]["text_cfg"]
    assert (written["vocab_size"], written["hf_tokenizer_name"]) == (49_408, "./")


@pytest.mark.parametrize("special", [{"pad_token": "<pad>"}, {"extra_special_tokens": ["<more>"]}])
def test_texts_that_open_clip_would_read_elsewhere(
    base: Path, special: dict[str, object], capsys: pytest.CaptureFixture[str]
):
    tokenizer, config = CLIPTokenizer.from_pretrained(base), CLIPConfig.from_pretrained(base)
    eot = tokenizer.eos_token_id
    tokenizer.add_special_tokens(special)
    config.text_config.vocab_size = len(tokenizer)
    torch.manual_seed(0)
    CLIPModel(config).save_pretrained(base)
    tokenizer.save_pretrained(base)
    ids = torch.tensor(tokenizer(["a star", "a red star of size 3"], padding=True)["input_ids"])
    padded = "pad_token" in special
    assert (ids.argmax(1) == (ids == eot).int().argmax(1)).all() != padded  # where open_clip reads a text
    refuse_for_open_clip(base, capsys, eot, 2914, "'<pad>'" if padded else "'<more>'")
