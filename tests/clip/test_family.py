"""Tests of accepting models as a CLIP, and of refusing or noting models that differ."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPModel, Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_texts, tokenize
from tests.oracles.plain_forward import random_texts
from tests.wording import raises


@pytest.mark.parametrize("second", [False, True])
def test_siglip_is_refused_and_why(second: bool, tmp_path: Path):
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config, model = (Siglip2Config, Siglip2Model) if second else (SiglipConfig, SiglipModel)
    model(config(text_config={**tower, "vocab_size": 99}, vision_config=tower)).save_pretrained(tmp_path / "model")
    with raises(ModelError, "model_type", "siglip"):
        load_clip(str(tmp_path / "model"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("laion-CLIP-ViT-B-32", "quick_gelu", "contains 'laion', and models of that name use GELU"),
        ("openai-clip-vit-base", "gelu", "contains 'openai', and models of that name use QuickGELU"),
        ("MetaCLIP-b32", "gelu", "contains 'MetaCLIP', and models of that name use QuickGELU"),
        ("laion-ViT-quickgelu", "quick_gelu", ""),
        ("laion-CLIP-ViT-B-32", "gelu", ""),
        ("openai-clip-vit-base", "quick_gelu", ""),
        ("my-clip", "gelu", ""),
    ],
)
def test_an_activation_that_does_not_go_with_the_name_is_said(
    small: Clip, tmp_path: Path, name: str, given: str, sentence: str
):
    folder = shutil.copytree(small.name, tmp_path / name)
    config = json.loads((folder / "config.json").read_text())
    for tower in ("text", "vision"):
        config[f"{tower}_config"]["hidden_act"] = given
    (folder / "config.json").write_text(json.dumps(config))
    notes = [note for note in load_clip(str(folder)).notes if "hidden_act" in note]
    assert len(notes) == (2 if sentence else 0)
    assert all(sentence in note for note in notes)
    assert [tower for tower in ("text", "vision") if any(f"the {tower} tower" in note for note in notes)] == (
        ["text", "vision"] if sentence else []
    )


def test_the_legacy_end_of_text(small: Clip, tmp_path: Path):
    """Load a configuration with id 2, as OpenAI's and LAION's have, for which transformers reads the highest id."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["eos_token_id"] = 2
    (folder / "config.json").write_text(json.dumps(config))
    clip = load_clip(str(folder))
    texts = random_texts(6, 0)
    assert (clip.eot, clip.model.text_model.eos_token_id) == (small.eot, 2)
    assert tokenize(clip, texts).eot.tolist() == tokenize(small, texts).eot.tolist()
    torch.testing.assert_close(embed_texts(clip, texts), embed_texts(small, texts))
    theirs = CLIPModel.from_pretrained(folder).get_text_features(**clip.tokenizer(texts[:1], return_tensors="pt"))
    expected = torch.nn.functional.normalize(theirs.pooler_output, dim=-1)
    torch.testing.assert_close(embed_texts(clip, texts[:1]), expected, rtol=0, atol=1e-6)


def with_more_embeddings(folder: Path, more: int, eos_token_id: int) -> None:
    """Give a model an embedding table that is longer than its tokenizer, as after padding to a round number."""
    weights = load_file(folder / "model.safetensors")
    key = "text_model.embeddings.token_embedding.weight"
    weights[key] = torch.cat([weights[key], torch.randn(more, weights[key].shape[1])])
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["text_config"] |= {"vocab_size": len(weights[key]), "eos_token_id": eos_token_id}
    (folder / "config.json").write_text(json.dumps(config))


def pooled_by_transformers(folder: Path, clip: Clip, texts: list[str]) -> torch.Tensor:
    model = CLIPModel.from_pretrained(folder).eval()
    rows = [model.get_text_features(**clip.tokenizer(text, return_tensors="pt")).pooler_output for text in texts]
    return torch.nn.functional.normalize(torch.cat(rows), dim=-1)


@pytest.mark.slow
@pytest.mark.parametrize("more", [1, 2, 7])
def test_the_legacy_end_of_text_of_a_table_longer_than_the_tokenizer(small: Clip, tmp_path: Path, more: int):
    """Check that EOT still has the highest id of a text, since no text has the ids of the added rows."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, more, 2)
    clip, texts = load_clip(str(folder)), random_texts(6, 1)
    assert clip.eot == small.eot == clip.model.text_model.embeddings.token_embedding.num_embeddings - 1 - more
    with torch.no_grad():
        torch.testing.assert_close(
            embed_texts(clip, texts), pooled_by_transformers(folder, clip, texts), rtol=0, atol=1e-6
        )
    torch.testing.assert_close(embed_texts(clip, texts), embed_texts(small, texts), rtol=0, atol=1e-6)
    with torch.no_grad():  # also a padded batch
        batch = clip.tokenizer(texts, return_tensors="pt", padding=True)
        theirs = CLIPModel.from_pretrained(folder).get_text_features(**batch).pooler_output
    expected = torch.nn.functional.normalize(theirs, dim=-1)
    torch.testing.assert_close(embed_texts(clip, texts), expected, rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("special", ["pad_token", None])
def test_the_legacy_end_of_text_is_refused_where_it_is_elsewhere(small: Clip, tmp_path: Path, special: str | None):
    """Refuse a padding token or a word above EOT, where transformers would read a text."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, 5, 2)
    clip = load_clip(str(folder))
    clip.tokenizer.add_special_tokens({special: "zyx"}) if special else clip.tokenizer.add_tokens(["zyx"])
    clip.tokenizer.save_pretrained(folder)
    texts = ["a star", "a large red star of size 3"] if special else ["a zyx star"]
    ids = clip.tokenizer(texts, return_tensors="pt", padding=True)["input_ids"]
    assert (ids.argmax(1) != (ids == clip.eot).int().argmax(1)).any()
    with raises(ModelError, clip.eot, clip.eot + 1, "'zyx'"):
        load_clip(str(folder))
    with_more_embeddings(folder, 0, clip.eot)  # with the id of EOT, transformers finds EOT
    again = load_clip(str(folder))
    with torch.no_grad():
        torch.testing.assert_close(
            embed_texts(again, texts), pooled_by_transformers(folder, again, texts), rtol=0, atol=1e-6
        )


def test_special_tokens_that_no_text_has_may_lie_above_the_legacy_end_of_text(small: Clip, tmp_path: Path):
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, 5, 2)
    tokenizer = load_clip(str(folder)).tokenizer
    tokenizer.add_special_tokens({"extra_special_tokens": ["<more>"]})
    tokenizer.save_pretrained(folder)
    clip, texts = load_clip(str(folder)), ["a <more> star", "a star"]
    tokens = tokenize(clip, texts)
    assert torch.equal(tokens.ids.argmax(1), tokens.eot)
    with torch.no_grad():
        theirs = CLIPModel.from_pretrained(folder).get_text_features(input_ids=tokens.ids).pooler_output
    expected = torch.nn.functional.normalize(theirs, dim=-1)
    torch.testing.assert_close(embed_texts(clip, texts), expected, rtol=0, atol=1e-6)


def test_a_vocabulary_that_is_padded_above_the_legacy_end_of_text(small: Clip, tmp_path: Path):
    """Check that EOT still has the highest id of a text, since no text has tokens that only pad the vocabulary."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, 5, 2)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"] |= {f"<|unused_{i}|>": small.eot + 1 + i for i in range(5)}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    clip, texts = load_clip(str(folder)), ["a star <|unused_3|>", "a star"]
    tokens = tokenize(clip, texts)
    assert max(clip.tokenizer.get_vocab().values()) == clip.eot + 5
    assert torch.equal(tokens.ids.argmax(1), tokens.eot)
    with torch.no_grad():
        torch.testing.assert_close(
            embed_texts(clip, texts), pooled_by_transformers(folder, clip, texts), rtol=0, atol=1e-6
        )


def test_a_piece_of_words_above_the_legacy_end_of_text_is_no_padding(small: Clip, tmp_path: Path):
    """Recognize a token within words as the result of a merge, although its letters alone give another token."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, 1, 2)
    content = json.loads((folder / "tokenizer.json").read_text())
    piece = next("".join(pair) for pair in map(_pair, content["model"]["merges"]) if not "".join(pair).endswith("</w>"))
    content["model"]["vocab"][piece] = small.eot + 1
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with raises(ModelError, small.eot, small.eot + 1, f"'{piece}'", snapshot=False):
        load_clip(str(folder))


def _pair(merge: str | list[str]) -> list[str]:
    return merge.split(" ") if isinstance(merge, str) else merge


def test_weights_without_a_place_are_noted(small: Clip, tmp_path: Path):
    folder = shutil.copytree(small.name, tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    block = {key: value for key, value in weights.items() if "text_model.encoder.layers.4." in key}
    further = {key.replace("layers.4.", "layers.5."): value.clone() for key, value in block.items()}
    old = {"text_model.embeddings.position_ids": torch.arange(5)}  # buffer of older versions
    save_file(weights | further | old, folder / "model.safetensors", metadata={"format": "pt"})
    (note,) = set(load_clip(str(folder)).notes) - set(small.notes)
    assert note.startswith(f"ignored {len(block)} weights of '{folder}' that do not fit its config.json")
    assert "text_model.encoder.layers.5." in note


def test_a_tokenizer_whose_end_of_text_is_token_2_is_refused(small: Clip, tmp_path: Path):
    """Refuse the tokenizer, since transformers never reads a text at token 2."""
    folder = shutil.copytree(small.name, tmp_path / "model")
    with_more_embeddings(folder, 0, 2)
    tokenizer = load_clip(str(folder)).tokenizer
    token = tokenizer.convert_ids_to_tokens(2)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"eos_token": token}))
    for options in ({}, {"tokenizer": str(folder)}):
        with raises(ModelError):
            load_clip(str(folder), **options)
