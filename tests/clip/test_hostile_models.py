"""Models that a stranger made, or that are broken: refused in one line, and nothing of theirs is run."""

from __future__ import annotations

import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from interp.check.__main__ import main as check
from interp.clip.errors import ModelError
from interp.clip.families import FAMILIES
from interp.clip.loading import load_clip
from interp.clip.model import Clip
from tests import wording
from tests.clip.spoiling import DEEP, INDEX, Opened, change, refused, sharded, weights
from tests.wording import raises


def test_weights_in_several_files_are_read(model: Path, small: Clip):
    sharded(model, "shard.safetensors")
    assert load_clip(str(model)).fingerprint == small.fingerprint


@pytest.mark.parametrize(
    "place", ["pytorch_model.bin", "../shard.safetensors", "/shard.safetensors", "a\\b.safetensors"]
)
def test_an_index_names_safetensors_in_its_folder_alone(model: Path, place: str):
    sharded(model, place)
    content = load_file(model / "shard.safetensors")
    torch.save(content, model / "pytorch_model.bin")  # transformers would read it
    refused(model, f"'{place}'", ".safetensors")


def test_shards_are_no_links_that_lead_out(model: Path):
    sharded(model, "shard.safetensors")
    (model / "shard.safetensors").rename(model.parent / "elsewhere.safetensors")
    (model / "shard.safetensors").symlink_to(model.parent / "elsewhere.safetensors")
    refused(model, "shard.safetensors")


def test_a_pickle_among_the_shards_is_not_opened(model: Path, tmp_path: Path):
    sharded(model, "pytorch_model.bin")
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Opened(tmp_path / "opened")))
    refused(model)
    assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "preprocessor_config.json"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("auto_map", {"AutoTokenizer": ["evil.Tokenizer", None], "AutoConfig": "evil.Config"}),
        ("trust_remote_code", True),
        ("quantization_config", {"quant_method": "bitsandbytes"}),
        ("attn_implementation", "someone/kernels"),
    ],
)
def test_code_of_the_model_is_refused_by_name(
    model: Path, file: str, key: str, value: Any, monkeypatch, tmp_path: Path
):
    (model / "evil.py").write_text(f"open({str(tmp_path / 'opened')!r}, 'w')")
    monkeypatch.chdir(model)
    change(model / file, **{key: value})
    refused(model, f"{file}'", key)
    assert not (tmp_path / "opened").exists()


def test_code_is_found_within_a_tower_too(model: Path):
    config = json.loads((model / "config.json").read_text())
    change(model / "config.json", text_config={**config["text_config"], "auto_map": {"AutoModel": "evil.Model"}})
    refused(model, "text_config.auto_map")


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


@pytest.mark.parametrize(
    "file", ["config.json", "tokenizer_config.json", "preprocessor_config.json", INDEX, "tokenizer.json"]
)
def test_json_without_bottom_is_one_line(model: Path, file: str):
    (model / file).write_text(f'{{"a": {DEEP}}}')
    refused(model, str(model))


BLOCK = "text_model.encoder.layers.1.mlp.fc1.weight"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value", "quoted"),
    [
        (BLOCK, float("nan"), BLOCK),
        (BLOCK, float("-inf"), BLOCK),
        ("text_projection.weight", 0.0, ("text_projection.weight", 0)),
        ("text_model.embeddings.token_embedding.weight", 0.5, ("token_embedding.weight", 0.5)),
        ("vision_model.post_layernorm.weight", 0.0, ("post_layernorm.weight", 0)),
        ("logit_scale", 1000.0, ("logit_scale", 1000)),
        ("logit_scale", float("nan"), "logit_scale"),
    ],
)
def test_weights_with_which_nothing_can_be_computed(model: Path, key: str, value: float, quoted: object):
    def spoil(content: dict[str, torch.Tensor]) -> None:
        (content[key] if math.isfinite(value) else content[key].view(-1)[-1:]).fill_(value)

    weights(model, spoil)
    with raises(ModelError, quoted):
        load_clip(str(model))


def test_a_block_of_zeros_is_a_note(model: Path):
    weights(model, lambda content: content[BLOCK].zero_())
    assert load_clip(str(model)).notes == (f"the weight {BLOCK} of '{model}' is 0 throughout",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image_std", [0.5, 0.0, 0.5]),
        ("image_std", [0.5, -1, 0.5]),
        ("image_std", 0),
        ("image_std", []),
        ("image_mean", [0.5, "x", 0.5]),
        ("image_mean", [0.5, float("nan"), 0.5]),
        ("rescale_factor", 0),
    ],
)
def test_preprocessing_that_divides_by_nothing(model: Path, key: str, value: Any):
    change(model / "preprocessor_config.json", **{key: value})
    said = refused(model)
    assert key in said or "preprocessor_config.json' cannot be read" in said  # JSON knows no NaN


def test_a_configuration_whose_sizes_do_not_fit_each_other(model: Path):
    config = json.loads((model / "config.json").read_text())
    change(model / "config.json", text_config=config["text_config"] | {"num_attention_heads": 7})
    said = refused(model, str(model), 7, snapshot=False)  # in the words of transformers
    assert "Error" not in said


@pytest.mark.parametrize("value", [float("inf"), [], "x", 1, True])
def test_a_configuration_with_a_value_of_another_kind(model: Path, value: Any):
    change(model / "config.json", vision_config=value)
    said = refused(model, "vision_config", snapshot=False)  # in the words of transformers
    assert "Error" not in said
    assert "NoneType" not in said


@pytest.mark.slow
@pytest.mark.parametrize("value", ["x", {}, []])
def test_a_tokenizer_with_which_no_text_can_be_read(model: Path, value: Any):
    change(model / "tokenizer_config.json", model_max_length=value)
    said = refused(model, str(model), snapshot=False)  # in the words of transformers
    assert "Error" not in said
    assert "instances" not in said


def test_a_tokenizer_in_another_encoding(model: Path):
    file = model / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8"), encoding="utf-16")
    refused(model, str(model))


@pytest.mark.parametrize("device", ["meta", "hpu", "xpu", "cuda:99", "", "cpu:5", "cuda:x", "CPU", "cuda:-1"])
def test_devices_that_there_are_not(device: str, capsys: pytest.CaptureFixture[str]):
    here = device == "cuda:99"  # the message depends on the GPUs that there are
    refused("/nowhere", f"'{device}'", snapshot=not here, device=device)
    if not device:  # which the parser refuses
        return
    wording.refused(check(["toy", "--device", device]), capsys, f"'{device}'", snapshot=not here)


def test_dtypes_that_nothing_is_computed_in():
    refused("toy", "int8", dtype=torch.int8)


def test_weights_in_one_file_are_no_link_that_leads_out_either(model: Path, tmp_path: Path):
    path = model / "model.safetensors"
    path.rename(tmp_path / "elsewhere.safetensors")
    path.symlink_to(tmp_path / "elsewhere.safetensors")
    refused(model, str(path))


def test_a_snapshot_of_the_hubs_cache_is_loaded_through_its_links(model: Path, tmp_path: Path, small: Clip):
    snapshot, blobs = tmp_path / "models--a--b" / "snapshots" / "1", tmp_path / "models--a--b" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, file in enumerate(sorted(model.iterdir())):
        (blobs / str(number)).write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(f"../../blobs/{number}")
    assert load_clip(str(snapshot)).fingerprint == small.fingerprint


@pytest.mark.parametrize("text", ['{"weights": {"a.bin": {}}}', "[1]", "{", '{"settings": {"kind": 7}}'])
def test_a_manifest_of_another_program_is_of_no_concern(model: Path, small: Clip, text: str):
    (model / "manifest.json").write_text(text)
    assert load_clip(str(model)).fingerprint == small.fingerprint


def test_a_run_whose_manifest_is_cut_short_is_not_taken_for_a_plain_folder(model: Path):
    (model / "manifest.json").write_text('{"settings": {"kind": "finetune"}, "weights": {"model.safe')
    refused(model, "manifest.json")
