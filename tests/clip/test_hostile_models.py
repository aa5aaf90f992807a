"""Tests of refusing hostile or broken models in one line, without running any of their code."""

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
    message = refused(model)
    assert key in message or "preprocessor_config.json' cannot be read" in message  # JSON has no NaN


def test_a_configuration_whose_sizes_do_not_fit_each_other(model: Path):
    config = json.loads((model / "config.json").read_text())
    change(model / "config.json", text_config=config["text_config"] | {"num_attention_heads": 7})
    message = refused(model, str(model), 7, snapshot=False)  # in the words of transformers
    assert "Error" not in message


@pytest.mark.parametrize("value", [float("inf"), [], "x", 1, True])
def test_a_configuration_with_a_value_of_another_kind(model: Path, value: Any):
    change(model / "config.json", vision_config=value)
    message = refused(model, "vision_config", snapshot=False)  # in the words of transformers
    assert "Error" not in message
    assert "NoneType" not in message


@pytest.mark.slow
@pytest.mark.parametrize("value", ["x", {}, []])
def test_a_tokenizer_with_which_no_text_can_be_read(model: Path, value: Any):
    change(model / "tokenizer_config.json", model_max_length=value)
    message = refused(model, str(model), snapshot=False)  # in the words of transformers
    assert "Error" not in message
    assert "instances" not in message


def test_a_tokenizer_in_another_encoding(model: Path):
    file = model / "tokenizer.json"
    file.write_text(file.read_text(encoding="utf-8"), encoding="utf-16")
    refused(model, str(model))


@pytest.mark.parametrize("device", ["meta", "hpu", "xpu", "cuda:99", "", "cpu:5", "cuda:x", "CPU", "cuda:-1"])
def test_devices_that_there_are_not(device: str, capsys: pytest.CaptureFixture[str]):
    here = device == "cuda:99"  # the message depends on the available GPUs
    refused("/nowhere", f"'{device}'", snapshot=not here, device=device)
    if not device:  # the parser refuses it
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
