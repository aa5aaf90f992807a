"""Tests of refusing hostile or broken adapters and runs in one line, without running any of their code."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from interp.clip.families import FAMILIES
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from interp.clip.parts import is_layers_pattern, layers_pattern
from tests.clip.spoiling import DEEP, adapter, change, refused
from tests.run_folders import make_other_version, versioned


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "quoted"),
    [
        ("megatron_core", "evil", "megatron_core"),
        ("megatron_config", {"a": 1}, "megatron_config"),
        ("auto_mapping", {"base_model_class": "Evil", "parent_library": "evil"}, "auto_mapping"),
        ("custom", 1, "custom"),
        ("use_dora", True, "lora_magnitude_vector"),
        ("bias", "all", "bias"),
        ("rank_pattern", {"q_proj": 5}, (2, "rank_pattern", 5)),
        ("modules_to_save", ["text_projection"], ("modules_to_save", "text_projection")),
        ("init_lora_weights", "corda", ("init_lora_weights", "'corda'")),
        ("revision", "other", "revision"),
        ("target_modules", "(a+)+$", ("target_modules", "'(a+)+$'")),
        ("target_modules", [".*"], "target_modules"),
        ("target_modules", [], "target_modules"),
        ("target_modules", None, "target_modules"),
        ("r", 0, ('["r"]', 0)),
        ("r", "16", ('["r"]', '"16"')),
        ("r", 10**6, (2, 10**6)),
        ("lora_alpha", -1, "lora_alpha"),
        ("peft_type", "IA3", "peft_type"),
    ],
)
def test_of_an_adapter_only_what_is_known_is_taken(toy_run: Path, key: str, value: Any, quoted: object, monkeypatch):
    trace = toy_run.parent / "opened"
    (toy_run.parent / "evil").mkdir()
    (toy_run.parent / "evil" / "__init__.py").write_text(f"open({str(trace)!r}, 'w')")
    monkeypatch.chdir(toy_run.parent)
    monkeypatch.syspath_prepend("")
    change(toy_run / "adapter_config.json", **{key: value})
    if key == "megatron_config":
        change(toy_run / "adapter_config.json", megatron_core="evil")
    refused(toy_run, quoted)
    assert not trace.exists()


def test_the_pattern_of_our_adapters_is_known():
    family = FAMILIES["CLIPModel"]
    assert is_layers_pattern(layers_pattern(family, ["text"], ["q_proj"]))
    assert is_layers_pattern(layers_pattern(family, ["text", "vision"], ["q_proj", "fc1"]))
    assert not is_layers_pattern(layers_pattern(family, ["text"], ["(a+)+"]))
    assert not is_layers_pattern("q_proj")


@pytest.mark.slow
def test_a_run_says_what_it_is_made_of(toy_run: Path):
    assert load_clip(str(toy_run)).notes == (f"'{toy_run}' is an adapter of 'toy', which was loaded too",)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["absolute", "relative", "hub"])
def test_a_base_elsewhere_is_loaded_only_if_that_is_allowed(
    small: Clip, model: Path, tmp_path: Path, monkeypatch, where: str
):
    monkeypatch.chdir(tmp_path)
    run = adapter(small, {"absolute": str(model), "relative": "model"}.get(where, "toy"), tmp_path / "run")
    if where == "hub":
        change(run / "adapter_config.json", base_model_name_or_path="openai/clip-vit-base-patch32")
    written = json.loads((run / "adapter_config.json").read_text())["base_model_name_or_path"]
    refused(run, f"'{run}'", "openai/clip" if where == "hub" else str(model), "--trust-run", "trust=True")
    if where == "hub":
        return
    assert written == (str(model) if where == "absolute" else "../model")
    monkeypatch.chdir("/")
    clip = load_clip(str(run), trust=True)
    assert f"'{run}' is an adapter of '{model}', which was loaded too" in clip.notes


@pytest.mark.slow
def test_a_base_within_the_run_is_loaded(small: Clip, model: Path, tmp_path: Path):
    run = adapter(small, str(model), tmp_path / "run")
    shutil.move(model, run / "base")
    for name in ("base", "./base", str(run / "base")):
        change(run / "adapter_config.json", base_model_name_or_path=name)
        assert load_clip(str(run)).width("text") == small.width("text")
    (run / "base").rename(tmp_path / "elsewhere")
    (run / "base").symlink_to(tmp_path / "elsewhere")
    refused(run, f"'{run}'")


@pytest.mark.slow
def test_a_tokenizer_elsewhere_too(toy_run: Path, model: Path):
    settings = {**versioned("finetune"), "base": load_clip("toy").fingerprint}
    change(toy_run / "manifest.json", settings=settings, named={"tokenizer": str(model)})
    refused(toy_run, f"'{model}'")
    assert load_clip(str(toy_run), tokenizer="toy").eot == load_clip("toy").eot
    change(toy_run / "manifest.json", named={"tokenizer": "toy"})
    assert any("takes its tokenizer from 'toy'" in note for note in load_clip(str(toy_run)).notes)


def test_adapters_in_a_circle(toy_run: Path):
    other = shutil.copytree(toy_run, toy_run.parent / "other")
    change(toy_run / "adapter_config.json", base_model_name_or_path=str(other))
    change(other / "adapter_config.json", base_model_name_or_path=str(toy_run))
    refused(toy_run, f"'{toy_run}'", trust=True)
    (toy_run / "self").symlink_to(toy_run)
    change(toy_run / "adapter_config.json", base_model_name_or_path=str(toy_run / "self"))
    refused(toy_run, f"'{toy_run}'")


def test_adapters_upon_adapters_without_end(toy_run: Path):
    for i in range(12):
        above = shutil.copytree(toy_run, toy_run.parent / f"above-{i}")
        change(above / "adapter_config.json", base_model_name_or_path=str(toy_run))
        toy_run = above
    refused(toy_run, 8, trust=True)


@pytest.mark.parametrize("file", ["adapter_config.json", "manifest.json"])
def test_json_without_bottom_in_a_run_is_one_line(toy_run: Path, file: str):
    (toy_run / file).write_text(f'{{"a": {DEEP}}}')
    refused(toy_run, str(toy_run))


def test_an_adapter_that_is_no_number_is_named(toy_run: Path):
    path = toy_run / "adapter_model.safetensors"
    content = load_file(path)
    next(value for key, value in content.items() if "lora_B" in key).fill_(float("nan"))
    save_file(content, path, metadata={"format": "pt"})
    assert "q_proj.weight" in (message := refused(toy_run, snapshot=False)) or "k_proj.weight" in message


def test_a_run_is_not_loaded_through_links(toy_run: Path, tmp_path: Path):
    (toy_run / "manifest.json").write_text('{"settings": {"kind": "finetune"}}')
    weights = toy_run / "adapter_model.safetensors"
    weights.rename(tmp_path / "elsewhere.safetensors")
    weights.symlink_to(tmp_path / "elsewhere.safetensors")
    refused(toy_run, str(weights))
    weights.unlink()
    (tmp_path / "elsewhere.safetensors").rename(weights)
    (toy_run / "more").symlink_to("/etc")
    refused(toy_run, str(toy_run / "more"))


@pytest.mark.slow
def test_a_run_of_another_version_is_not_loaded(toy_run: Path):
    settings = {**versioned("finetune"), "base": load_clip("toy").fingerprint}
    change(toy_run / "manifest.json", settings=settings, named={"tokenizer": None})
    assert load_clip(str(toy_run)).width("text") == load_clip("toy").width("text")
    version = make_other_version(toy_run)
    refused(toy_run, version, version + 1)


def test_a_name_that_is_a_path_never_reaches_the_hub(toy_run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.utils.get_session", lambda: pytest.fail("the hub was asked"))
    config = toy_run / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"base_model_name_or_path": "../moved"}))
    refused(toy_run, "moved", trust=True)
