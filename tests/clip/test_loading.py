"""Tests of loading fine-tuned folders: merged, checked against their base, and never unpickled."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts
from interp.data import load_pairs
from tests.oracles.plain_forward import embed_one_by_one
from tests.wording import raises
from training import finetune
from training.config import FinetuneConfig
from training.trainable_weights import prepare, save_settings, save_weights

TEXTS = ["a large red circle on the left side", "the wedding at the harbour", "star", "quokka, in zürich"]
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture(scope="module")
def pictures() -> list:
    pairs = load_pairs("toy", limit=3)
    return [pairs.open_image(pair) for pair in pairs.pairs]


@pytest.fixture(scope="module")
def base(small: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a base that a test may move temporarily."""
    return shutil.copytree(small.name, tmp_path_factory.mktemp("base") / "model")


@pytest.fixture(scope="module")
def run(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder that `training.finetune` wrote."""
    out = tmp_path_factory.mktemp("tuned") / "run"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        size = ["--limit", "60", "--layer", "4", "--size", "6", "--max-steps", "2", "--lora-rank", "2"]
        size += ["--lr", "0.01", "--seed", "3"]
        assert finetune.main([*size, "--model", str(base), "--device", "cpu", "--out", str(out)]) == 0
    return out


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run to damage, without checksums in its manifest."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest.pop("weights", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def tuned(model: str, folder: Path, **options: str) -> Clip:
    """Return a model whose trainable weights were moved at random, and save it as the training loop saves a model."""
    config = replace(FinetuneConfig(model=model, lora_rank=3), **options)
    clip, generator = load_clip(model, trust=True), torch.Generator().manual_seed(1)
    folder.mkdir()
    prepare(clip, config)
    save_settings(clip, config, folder)
    with torch.no_grad():
        for weight in clip.model.parameters():
            if weight.requires_grad:
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    save_weights(clip, config.tuning, folder)
    return clip


@pytest.mark.slow
@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("tower", ["text", "vision", "both"])
def test_a_saved_model_embeds_as_the_one_in_memory(small: Clip, pictures, tmp_path: Path, tuning: str, tower: str):
    live = tuned(small.name, tmp_path / "run", tuning=tuning, tower=tower)
    clip = load_clip(str(tmp_path / "run"), trust=True)
    texts, images = embed_texts(clip, TEXTS), embed_images(clip, pictures)
    torch.testing.assert_close(texts, embed_texts(live, TEXTS), atol=1e-5, rtol=0)
    torch.testing.assert_close(images, embed_images(live, pictures), atol=1e-5, rtol=0)
    torch.testing.assert_close(texts, embed_one_by_one(live, TEXTS), atol=1e-5, rtol=0)
    moved_texts = (texts - embed_texts(small, TEXTS)).abs().amax()
    moved_images = (images - embed_images(small, pictures)).abs().amax()
    assert (moved_texts > 0.05) == (tower != "vision")
    assert (moved_images > 0.05) == (tower != "text")
    # the weights are equal, but the order of sums depends on their place in memory
    assert tower != "vision" or moved_texts < 1e-5
    assert tower != "text" or moved_images < 1e-5
    assert clip.fingerprint != small.fingerprint
    assert (clip.image_fingerprint == small.image_fingerprint) == (tower == "text")


@pytest.mark.slow
def test_what_is_loaded_is_a_plain_frozen_clip(run: Path, base: Path):
    clip, plain = load_clip(str(run), trust=True), load_clip(str(base))
    assert clip.name == str(run)
    assert not clip.model.training
    assert not any(weight.requires_grad for weight in clip.model.parameters())
    assert clip.model.state_dict().keys() == plain.model.state_dict().keys()
    changed = {
        key for key, value in clip.model.state_dict().items() if not torch.equal(value, plain.model.state_dict()[key])
    }
    trained = {
        f"text_model.encoder.layers.{block}.self_attn.{part}_proj.weight"
        for block in range(5)
        for part in ("q", "k", "v", "out")
    }
    assert changed == trained
    assert load_clip(str(run), trust=True).fingerprint == clip.fingerprint != plain.fingerprint


@pytest.mark.slow
def test_a_copied_run_is_the_same_model(run: Path, copied: Path):
    assert load_clip(str(copied), trust=True).fingerprint == load_clip(str(run), trust=True).fingerprint
    rename(copied, lambda key: key)
    assert load_clip(str(copied), trust=True).fingerprint == load_clip(str(run), trust=True).fingerprint
    save_file({key: 2 * value for key, value in load_file(copied / WEIGHTS).items()}, copied / WEIGHTS)
    assert load_clip(str(copied), trust=True).fingerprint != load_clip(str(run), trust=True).fingerprint


def test_a_run_embeds_as_peft_reads_it(run: Path, base: Path):
    from peft import PeftModel

    clip, plain = load_clip(str(run), trust=True), load_clip(str(base))
    live = replace(plain, model=PeftModel.from_pretrained(plain.model, str(run)).base_model.model)
    assert any("lora_A" in name for name, _ in live.model.named_parameters())
    torch.testing.assert_close(embed_texts(clip, TEXTS), embed_texts(live, TEXTS), atol=1e-5, rtol=0)
    away = (embed_texts(clip, TEXTS) - embed_texts(load_clip(str(base)), TEXTS)).abs().amax()
    assert away > 1e-3


def test_runs_in_double_precision(run: Path):
    single, double = (
        embed_texts(load_clip(str(run), trust=True), TEXTS),
        load_clip(str(run), trust=True, dtype=torch.float64),
    )
    assert {weight.dtype for weight in double.model.parameters()} == {torch.float64}
    torch.testing.assert_close(embed_texts(double, TEXTS).float(), single, atol=1e-5, rtol=0)


def test_a_run_can_be_the_base_of_another(small: Clip, tmp_path: Path):
    first = tuned(small.name, tmp_path / "first")
    second = tuned(str(tmp_path / "first"), tmp_path / "second")
    clip = load_clip(str(tmp_path / "second"), trust=True)
    torch.testing.assert_close(embed_texts(clip, TEXTS), embed_texts(second, TEXTS), atol=1e-5, rtol=0)
    assert (embed_texts(clip, TEXTS) - embed_texts(first, TEXTS)).abs().amax() > 0.05


def test_an_adapter_that_peft_saved_loads_too(base: Path, tmp_path: Path):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, lora_alpha=6, target_modules=["fc1", "v_proj"], init_lora_weights=False)
    plain = load_clip(str(base))
    live = get_peft_model(plain.model, config)
    live.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    assert not (tmp_path / "adapter" / "manifest.json").exists()
    clip = load_clip(str(tmp_path / "adapter"), trust=True)
    expected = embed_texts(replace(plain, model=live.base_model.model), TEXTS)
    torch.testing.assert_close(embed_texts(clip, TEXTS), expected, atol=1e-5, rtol=0)
    assert (expected - embed_texts(load_clip(str(base)), TEXTS)).abs().amax() > 1e-2


def settings(folder: Path, **changes) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rename(folder: Path, change: Callable[[str], str]) -> None:
    save_file({change(key): value for key, value in load_file(folder / WEIGHTS).items()}, folder / WEIGHTS)


def without_the_first(folder: Path) -> None:
    save_file(dict(sorted(load_file(folder / WEIGHTS).items())[1:]), folder / WEIGHTS)


def with_one_more(folder: Path) -> None:
    weights = load_file(folder / WEIGHTS)
    first = min(weights)
    save_file({**weights, first.replace("layers.0", "layers.9"): weights[first].clone()}, folder / WEIGHTS)


def cut(folder: Path, most: int) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:most])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (lambda f: (f / WEIGHTS).unlink(), "adapter_model.safetensors"),
        (lambda f: (f / WEIGHTS).write_bytes(b""), ()),
        (lambda f: cut(f, 900), ()),
        (lambda f: cut(f, -1), ()),
        (without_the_first, ("layers.0", "lora_A.weight")),
        (with_one_more, "layers.9"),
        (lambda f: rename(f, lambda key: key.replace("text_model", "tower")), "k_proj.lora_A.weight"),
        (lambda f: settings(f, r=5), ("lora_A", 2, 5)),
        (
            lambda f: settings(f, target_modules="nothing"),
            ("target_modules", "'nothing'"),
        ),
        (lambda f: settings(f, peft_type="NONE"), "peft_type"),
        (lambda f: settings(f, init_lora_weights=3), ("init_lora_weights", "3", "true or false or a text")),
        (lambda f: settings(f, init_lora_weights="loftq"), ("init_lora_weights", "'loftq'")),
        (
            lambda f: settings(f, base_model_name_or_path="nowhere"),
            "'nowhere'",
        ),
        (lambda f: settings(f, base_model_name_or_path="toy"), "'toy'"),
        (lambda f: settings(f, base_model_name_or_path=None), "adapter_config.json"),
        (lambda f: settings(f, base_model_name_or_path=""), "adapter_config.json"),
        (lambda f: settings(f, base_model_name_or_path=str(f)), "adapter_config.json"),
        (lambda f: (f / "adapter_config.json").write_text("{ cut sho"), "adapter_config.json'"),
        (lambda f: (f / "adapter_config.json").write_text("[1]"), ('adapter_config.json"', "[1]")),
        (lambda f: (f / "adapter_config.json").write_text("{}"), ('adapter_config.json"', '"peft_type"')),
        (lambda f: (f / "adapter_config.json").write_bytes(b"\xff\xfe"), "adapter_config.json'"),
        (lambda f: (f / "manifest.json").write_text("{ cut sho"), "manifest.json'"),
        (lambda f: (f / "manifest.json").write_text("[1]"), ('manifest.json"', "[1]")),
        (lambda f: (f / "adapter_config.json").unlink(), "config.json"),
    ],
)
def test_adapters_that_cannot_be_loaded(copied: Path, spoil, value: object):
    spoil(copied)
    with raises(ModelError, str(copied), value):
        load_clip(str(copied), trust=True)


class Opened:
    """Object that creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.slow
@pytest.mark.parametrize("rest", ["adapter", "model"])
def test_nothing_is_unpickled(copied: Path, base: Path, tmp_path: Path, rest: str):
    folder, name = (copied, "adapter_model.bin") if rest == "adapter" else (tmp_path / "model", "pytorch_model.bin")
    if rest == "model":
        shutil.copytree(base, folder)
    (folder / (WEIGHTS if rest == "adapter" else "model.safetensors")).unlink()
    trace = tmp_path / "opened"
    (folder / name).write_bytes(pickle.dumps(Opened(trace)))
    with raises(ModelError, f"'{folder}'"):
        load_clip(str(folder), trust=True)
    assert not trace.exists()
    pickle.loads((folder / name).read_bytes())
    assert trace.exists()


@pytest.mark.slow
def test_a_base_that_has_moved_or_changed_is_told(run: Path, base: Path, tmp_path: Path):
    before = load_clip(str(run), trust=True).fingerprint
    base.rename(tmp_path / "elsewhere")
    with raises(ModelError, f"'{run}'", f"'{base}'"):
        load_clip(str(run), trust=True)
    shutil.copytree(tmp_path / "elsewhere", base)
    weights = load_file(base / "model.safetensors")
    weights["logit_scale"] += 0.01
    save_file(weights, base / "model.safetensors", metadata={"format": "pt"})
    changed = load_clip(str(base)).fingerprint
    with raises(ModelError, f"'{base}'", changed):
        load_clip(str(run), trust=True)
    shutil.rmtree(base)
    (tmp_path / "elsewhere").rename(base)
    assert load_clip(str(run), trust=True).fingerprint == before
    assert json.loads((run / "manifest.json").read_text())["settings"]["base"] == load_clip(str(base)).fingerprint


def test_a_full_run_needs_no_base(small: Clip, tmp_path: Path):
    model = shutil.copytree(small.name, tmp_path / "model")
    live = tuned(str(model), tmp_path / "run", tuning="full")
    shutil.rmtree(model)
    embedded = embed_texts(load_clip(str(tmp_path / "run")), TEXTS)
    torch.testing.assert_close(embedded, embed_texts(live, TEXTS), atol=1e-5, rtol=0)
    assert (embedded - embed_texts(small, TEXTS)).abs().amax() > 0.05
