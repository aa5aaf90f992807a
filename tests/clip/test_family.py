"""Which models are taken for a CLIP, and what is said of those that are nearly one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers import CLIPModel, Siglip2Config, Siglip2Model, SiglipConfig, SiglipModel

from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_texts, tokenize
from interp.models.errors import ModelError
from tests.oracles.plain_forward import random_texts


@pytest.mark.parametrize("second", [False, True])
def test_siglip_is_refused_and_why(second: bool, tmp_path: Path):
    tower = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config, model = (Siglip2Config, Siglip2Model) if second else (SiglipConfig, SiglipModel)
    model(config(text_config={**tower, "vocab_size": 99}, vision_config=tower)).save_pretrained(tmp_path / "model")
    with pytest.raises(ModelError, match=r"is not a CLIP: .* model_type 'siglip.*no EOT to intervene at") as caught:
        load_clip(str(tmp_path / "model"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("laion-CLIP-ViT-B-32", "quick_gelu", "'laion' in its name, whose models compute GELU"),
        ("openai-clip-vit-base", "gelu", "'openai' in its name, whose models compute QuickGELU"),
        ("MetaCLIP-b32", "gelu", "'MetaCLIP' in its name, whose models compute QuickGELU"),
        ("laion-ViT-quickgelu", "quick_gelu", ""),
        ("laion-CLIP-ViT-B-32", "gelu", ""),
        ("openai-clip-vit-base", "quick_gelu", ""),
        ("my-clip", "gelu", ""),
    ],
)
def test_an_activation_that_does_not_go_with_the_name_is_said(
    small: Clip, tmp_path: Path, name: str, given: str, said: str
):
    folder = shutil.copytree(small.name, tmp_path / name)
    config = json.loads((folder / "config.json").read_text())
    for tower in ("text", "vision"):
        config[f"{tower}_config"]["hidden_act"] = given
    (folder / "config.json").write_text(json.dumps(config))
    notes = [note for note in load_clip(str(folder)).notes if "hidden_act" in note]
    assert len(notes) == (2 if said else 0)
    assert all(said in note for note in notes)
    assert [tower for tower in ("text", "vision") if any(f"its {tower} tower" in note for note in notes)] == (
        ["text", "vision"] if said else []
    )


def test_the_legacy_end_of_text(small: Clip, tmp_path: Path):
    """OpenAI's configurations say 2, where transformers reads a text at its highest id; so do LAION's."""
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
