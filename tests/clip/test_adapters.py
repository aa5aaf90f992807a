"""Tests of adapters that peft saved, with each setting: the loaded model against peft's own forward pass."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from interp.clip import patterns
from interp.clip.adapter_settings import read_adapter
from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts
from interp.clip.patterns import full_matches
from interp.data import load_pairs
from tests.wording import raises

TEXTS = ["a large red circle on the left side", "the wedding at the harbour", "star", "quokka, in zürich"]
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
BOTH = {"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj", "fc1", "out_proj"]}
FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "one block": {"layers_to_transform": 1},
    "some blocks": {"layers_to_transform": [0, 2], "layers_pattern": "layers"},
    "rank_pattern": {"rank_pattern": {"q_proj": 5, r"text_model\.encoder\.layers\.[01]\..*fc1": 2}},
    # sorted as in peft's file; the first matching pattern counts
    "alpha_pattern": {"alpha_pattern": {r".*layers\.(0|2)\..*": 1, "q_proj": 7.5}, "rank_pattern": {"v_proj": 1}},
    "every rank its own": {"r": 900, "rank_pattern": {r"\w+": 2}},
    "exclude_modules": {"exclude_modules": ["layers.0.self_attn.q_proj", "fc1"]},
    "exclude_modules by a pattern": {"exclude_modules": r"vision_model\..*layers\.[12].*"},
    "target_modules by a pattern": {"target_modules": r".*(text|vision)_model\.encoder\.layers\.\d+\..*\.(q|k)_proj"},
    "all-linear": {"target_modules": "all-linear"},
    "embeddings and convolutions": {"target_modules": ["token_embedding", "patch_embedding", "text_projection"]},
    "alpha that is no integer": {"lora_alpha": 4.5},
    "rslora": {"use_rslora": True},
    "rslora with patterns": {"use_rslora": True, "rank_pattern": {"fc1": 4}, "alpha_pattern": {"v_proj": 2}},
    "dora": {"use_dora": True},
    "pissa": {"init_lora_weights": "pissa"},
    "olora": {"init_lora_weights": "olora"},
    "pissa with patterns": {"init_lora_weights": "pissa", "rank_pattern": {"fc1": 4}, "alpha_pattern": {"q_proj": 2}},
    "gaussian": {"init_lora_weights": "gaussian"},
    "orthogonal": {"init_lora_weights": "orthogonal", "r": 4},
    "bias all": {"bias": "all"},
    "bias lora_only": {"bias": "lora_only"},
    "bias of the adapter": {"lora_bias": True},
    "modules_to_save": {"modules_to_save": ["text_projection", "visual_projection"]},
    "dropout": {"lora_dropout": 0.5},
}
CHANGED_WEIGHTS = ("pissa", "olora")  # peft changes weights of the base before any training


@pytest.fixture(scope="module")
def pictures() -> list[Any]:
    pairs = load_pairs("toy", limit=3)
    return [pairs.open_image(pair) for pair in pairs.pairs]


def trained(base: Clip, folder: Path, **changes: Any) -> Clip:
    """Return a model with an adapter of peft and randomly moved weights, and save the adapter."""
    from peft import LoraConfig, get_peft_model

    live, generator = load_clip(base.name), torch.Generator().manual_seed(0)
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.simplefilter("ignore")  # rslora with patterns, about a conversion that this test does not need
        torch.manual_seed(1)
        model: Any = get_peft_model(live.model, LoraConfig(**(BOTH | changes))).eval()
        model.base_model.model.name_or_path = model.peft_config["default"].base_model_name_or_path = base.name
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.03 * torch.randn(parameter.shape, generator=generator))
        model.save_pretrained(str(folder), save_embedding_layers=False)
    return replace(live, model=model.base_model.model)


def embeddings(clip: Clip, pictures: list[Any]) -> tuple[Tensor, Tensor]:
    """Embed texts by transformers' own forward pass, one after another, and images."""
    with torch.no_grad():
        features = [
            clip.model.get_text_features(input_ids=torch.tensor([clip.tokenizer(text)["input_ids"]])).pooler_output
            for text in TEXTS
        ]
    return torch.nn.functional.normalize(torch.cat(features), dim=-1), embed_images(clip, pictures)


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_an_adapter_is_what_peft_makes_of_it(small: Clip, pictures: list[Any], tmp_path: Path, form: str):
    from peft import PeftModel

    live = trained(small, tmp_path / "run", **FORMS[form])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again: Any = PeftModel.from_pretrained(load_clip(small.name).model, str(tmp_path / "run"))
    clip = load_clip(str(tmp_path / "run"), trust=True, dtype=torch.float64)  # merged in float32, and run in float64
    embedded = embed_texts(clip, TEXTS), embed_images(clip, pictures)
    for model in (live.model, again.base_model.model):
        for ours, expected in zip(embedded, embeddings(replace(live, model=model.double()), pictures), strict=True):
            torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
    plain = embeddings(load_clip(small.name, dtype=torch.float64), pictures)
    assert all((ours - unchanged).abs().max() > 1e-3 for ours, unchanged in zip(embedded, plain, strict=True))
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())
    assert {type(module).__module__.partition(".")[0] for module in clip.model.modules()} <= {"torch", "transformers"}


@pytest.mark.slow
def test_each_setting_tells_in_these_tests(small: Clip, pictures: list[Any], tmp_path: Path):
    """Remove a setting: the weights then give another model, or cannot be loaded."""
    cases = {
        "alpha_pattern": {"alpha_pattern": {}},
        "rslora": {"use_rslora": False},
        "pissa": {"init_lora_weights": True},
        "olora": {"init_lora_weights": True},
        "alpha that is no integer": {"lora_alpha": 4},
        "rank_pattern": {"rank_pattern": {}},
        "dora": {"use_dora": False},
        "bias all": {"bias": "none"},
        "exclude_modules": {"exclude_modules": []},
        "some blocks": {"layers_to_transform": None, "layers_pattern": None},
        "modules_to_save": {"modules_to_save": []},
        "bias of the adapter": {"lora_bias": False},
    }
    for form, without in cases.items():
        folder = tmp_path / form
        trained(small, folder, **FORMS[form])
        expected = embed_texts(load_clip(str(folder), trust=True), TEXTS)
        file = folder / CONFIG
        file.write_text(json.dumps(json.loads(file.read_text()) | without))
        try:
            changed = embed_texts(load_clip(str(folder), trust=True), TEXTS)
        except ModelError as error:
            assert "does not fit its base" in str(error)  # noqa: PT017
        else:
            assert (changed - expected).abs().max() > 1e-4, form


def spoiled(base: Clip, folder: Path, *values: object, **settings: Any) -> None:
    """Change settings of a plain adapter, and expect an error that quotes the values."""
    if not folder.exists():
        trained(base, folder)
    given = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(given | settings))
    with raises(ModelError, *values):
        load_clip(str(folder), trust=True)
    (folder / CONFIG).write_text(json.dumps(given))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"init_lora_weights": "pissa_niter_16"}, ("init_lora_weights", "'pissa_niter_16'")),  # it is random
        ({"init_lora_weights": "corda"}, ("init_lora_weights", "'corda'")),
        ({"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}}, "loftq_config"),
        ({"init_lora_weights": "lora_ga"}, ("init_lora_weights", "'lora_ga'")),
        ({"target_parameters": ["q_proj.weight"]}, "target_parameters"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"target_modules": ".*_proj", "layers_to_transform": [1]}, "layers_to_transform"),
        ({"target_modules": "[a"}, ()),
        ({"rank_pattern": {"(a": 2}}, ()),
        ({"rank_pattern": {"q_proj": 10**6}}, (3, "rank_pattern", 10**6)),
        ({"rank_pattern": {"q_proj": "2"}}, ('["rank_pattern"]["q_proj"]', '"2"')),
        ({"alpha_pattern": {"q_proj": -1}}, ('["alpha_pattern"]["q_proj"]', -1)),
        ({"lora_alpha": 0}, ('["lora_alpha"]', 0)),
        ({"r": 10**6}, (3, 10**6)),
        ({"layers_pattern": "(a+)+", "layers_to_transform": [1]}, ("layers_pattern", "'(a+)+'")),
        ({"modules_to_save": ["(a+)+"]}, "modules_to_save"),
        ({"layers_to_transform": [77]}, ()),
        ({"bias": "some"}, "bias"),
    ],
)
def test_what_cannot_be_loaded_is_named(small: Clip, tmp_path: Path, settings: dict[str, Any], value: object):
    spoiled(small, tmp_path / "run", value, **settings)


@pytest.mark.slow
def test_a_rank_without_weights_takes_no_memory(small: Clip, tmp_path: Path):
    """Give a huge rank to a layer without weights in the file."""
    trained(small, tmp_path / "run", rank_pattern={"q_proj": 2, "v_proj": 2, "out_proj": 2, "fc1": 2})
    weights = load_file(tmp_path / "run" / WEIGHTS)
    save_file({key: value for key, value in weights.items() if "fc1" not in key}, tmp_path / "run" / WEIGHTS)
    names = [name for name, _ in small.model.named_modules() if name]
    ranks = {name: 2 for name in names if name.endswith("_proj")}
    for settings in ({"rank_pattern": {"fc1": 2**20, r"\w+_proj": 2}}, {"r": 2**20, "rank_pattern": {r"\w+_proj": 2}}):
        spoiled(small, tmp_path / "run", "fc1.lora_A.weight", **settings)
        given = json.loads((tmp_path / "run" / CONFIG).read_text())
        (tmp_path / "run" / CONFIG).write_text(json.dumps(given | settings))
        for_peft = read_adapter(tmp_path / "run").for_peft(names, ranks)
        (tmp_path / "run" / CONFIG).write_text(json.dumps(given))
        assert max(for_peft.r, *for_peft.rank_pattern.values()) <= 3  # at most the rank in the file, or r


@pytest.mark.slow
@pytest.mark.parametrize("key", ["target_modules", "exclude_modules", "rank_pattern", "alpha_pattern"])
def test_expressions_without_end_are_stopped(small: Clip, tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patterns, "SECONDS", 1)
    endless = r"(.*)*(.*)*(.*)*(.*)*\d!"
    spoiled(small, tmp_path / "run", 1, **{key: {endless: 3} if key.endswith("pattern") else endless})


def test_names_are_matched_in_full():
    assert full_matches(["a", r"(?i)A\.b", ".*"], ["a", "a.b", "b"]) == [["a"], ["a.b"], ["a", "a.b", "b"]]
    assert full_matches([], ["a"]) == []
