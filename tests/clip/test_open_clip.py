"""Tests of open_clip's checkpoints against a forward pass from the layout of their weights, and against open_clip."""

from __future__ import annotations

import copy
import importlib.util
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pyvene as pv
import torch
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional

from interp.check.__main__ import main as check
from interp.clip import open_clip
from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_images, embed_texts, pixel_values, tokenize
from interp.clip.names import check_named
from interp.clip.open_clip import KNOWN, architecture, to_open_clip, to_transformers
from interp.clip.pyvene import register
from interp.clip.sites import Site
from interp.clip.toy_model import load_toy_tokenizer
from interp.clip.trust import name_for, name_in
from interp.subspaces.as_pyvene import to_pyvene
from interp.subspaces.clean_run import clean_texts
from interp.subspaces.interchange import interchange
from interp.subspaces.rotation import Rotation, random_basis
from tests.agreement import agree
from tests.oracles.open_clip_layout import CONTEXT, SIZES, State, by_layout, random_state
from tests.oracles.plain_forward import random_texts
from tests.wording import raises

SMALL = "ViT-Tiny-16-48"


@pytest.fixture(autouse=True)
def small_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a small architecture that open_clip does not have."""
    monkeypatch.setitem(open_clip.SIZES, "Tiny", SIZES)
    monkeypatch.setattr(open_clip, "KNOWN", (*KNOWN, "Tiny-16-48"))


@pytest.fixture(scope="module")
def state() -> State:
    return random_state()


@pytest.fixture
def file(state: State, tmp_path: Path) -> Path:
    """Write a checkpoint and a tokenizer into one folder."""
    save_file(state, tmp_path / "open_clip_model.safetensors")
    load_toy_tokenizer().save_pretrained(tmp_path)
    return tmp_path / "open_clip_model.safetensors"


def images() -> list[Image.Image]:
    generator = torch.Generator().manual_seed(0)
    return [
        Image.fromarray(torch.randint(0, 256, (60, 50, 3), generator=generator, dtype=torch.uint8).numpy())
        for _ in range(3)
    ]


def texts() -> list[str]:
    return [" ".join(text.split()[:12]) for text in random_texts(4, 0)]


def fails(call: Callable[[], object], *values: object) -> None:
    with raises(ModelError, *values):
        call()


@pytest.mark.parametrize("quick", [False, True])
def test_embeddings_are_those_of_the_layout(state: State, file: Path, quick: bool):
    clip = load_clip(f"open_clip:{SMALL}{'-quickgelu' * quick}/{file}")
    expected_texts, expected_images = by_layout(
        state, tokenize(clip, texts()).ids, pixel_values(clip, images()), quick=quick
    )
    agree("open_clip", embed_texts(clip, texts()), expected_texts)
    agree("open_clip", embed_images(clip, images()), expected_images)
    assert clip.logit_scale == pytest.approx(math.exp(4))
    assert (clip.context, clip.depth("text"), clip.depth("vision")) == (CONTEXT, 3, 2)
    other = by_layout(state, tokenize(clip, texts()).ids, pixel_values(clip, images()), quick=not quick)[0]
    assert not torch.allclose(other, expected_texts, atol=1e-3)  # the activation matters


def test_a_table_longer_than_the_tokenizer(state: State, file: Path, tmp_path: Path):
    """Check that EOT has the highest id of a text, although the table has further rows."""
    table = state["token_embedding.weight"]
    longer = state | {"token_embedding.weight": torch.cat([table, torch.randn(3, table.shape[1])])}
    save_file(longer, tmp_path / "longer.safetensors")
    clip, plain = (load_clip(f"open_clip:{SMALL}/{path}") for path in (tmp_path / "longer.safetensors", file))
    ids = tokenize(clip, texts()).ids
    assert torch.equal(ids.argmax(1), tokenize(clip, texts()).eot)
    with torch.no_grad():
        theirs = functional.normalize(clip.model.get_text_features(input_ids=ids).pooler_output, dim=-1)
    agree("open_clip", embed_texts(clip, texts()), theirs)
    agree("open_clip", embed_texts(clip, texts()), embed_texts(plain, texts()))


def test_the_same_counterfactual_with_pyvene_alone(file: Path):
    """Compare a counterfactual of a checkpoint of open_clip with code for pyvene and transformers alone."""
    register()
    clip, site = load_clip(f"open_clip:{SMALL}/{file}"), Site("text", 2)
    base, source = texts(), texts()[::-1]
    rotation = Rotation(random_basis(clip.width("text"), 5, torch.Generator().manual_seed(0)), site)
    ours = interchange(*(clean_texts(clip, texts, [rotation.site]) for texts in (base, source)), rotation)
    config = pv.RepresentationConfig(site.block, "block_output", intervention=to_pyvene(rotation))
    intervenable = pv.IntervenableModel([config], model=copy.deepcopy(clip.model).text_model)
    tokens = [tokenize(clip, batch) for batch in (source, base)]
    places = tuple([[[place] for place in batch.eot.tolist()]] for batch in tokens)
    with torch.no_grad():
        _, out = intervenable({"input_ids": tokens[1].ids}, [{"input_ids": tokens[0].ids}], {"sources->base": places})
        theirs = torch.nn.functional.normalize(clip.model.text_projection(out.pooler_output), dim=-1)
    agree("counterfactual, open_clip", ours, theirs)
    assert (ours - embed_texts(clip, base)).abs().max() > 1e-3


def test_the_same_weights_in_a_text_tower_of_their_own(state: State, file: Path, tmp_path: Path):
    inner = {
        key if key.startswith("visual.") or key == "logit_scale" else f"text.{key}": value
        for key, value in state.items()
    }
    save_file(inner, tmp_path / "custom.safetensors")
    clip = load_clip(f"open_clip:{SMALL}/{tmp_path / 'custom.safetensors'}")
    assert clip.fingerprint == load_clip(f"open_clip:{SMALL}/{file}").fingerprint


def test_there_and_back(state: State):
    again = to_open_clip(to_transformers(state, "x"))
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())


@pytest.mark.slow
def test_the_engine_is_exact_for_one(file: Path, capsys: pytest.CaptureFixture[str]):
    assert check([f"open_clip:{SMALL}/{file}"]) == 0
    assert "agree" in capsys.readouterr().out


def test_what_is_said_beside_the_weights(file: Path):
    name = f"open_clip:{SMALL}/{file}"
    assert any("no open_clip_config.json next to it" in note for note in load_clip(name).notes)
    config_path = file.parent / "open_clip_config.json"

    def write(model: dict[str, Any], preprocessing: dict[str, Any]) -> None:
        config_path.write_text(json.dumps({"model_cfg": model, "preprocess_cfg": preprocessing}))

    write({"embed_dim": 24, "quick_gelu": True}, {"mean": [0.5] * 3, "std": [0.25] * 3, "interpolation": "bilinear"})
    clip = load_clip(name)
    assert [float(value) for value in clip.processor.image_mean + clip.processor.image_std] == [0.5] * 3 + [0.25] * 3
    assert clip.processor.resample == 2
    assert (
        f"'{name}' is computed with GELU, but open_clip_config.json next to it requests QuickGELU: if that is right, "
        f"name the architecture {SMALL}-quickgelu"
    ) in clip.notes
    assert not load_clip(f"open_clip:{SMALL}-quickgelu/{file}").notes
    write({}, {"resize_mode": "squash"})
    fails(lambda: load_clip(name), "'squash'")
    write({}, {"interpolation": "nearest"})
    fails(lambda: load_clip(name), "'nearest'")
    write({}, {"std": [0.0] * 3})
    fails(lambda: load_clip(name), "image_std")
    write({"quick_gelu": "yes"}, {})
    fails(lambda: load_clip(name), "quick_gelu")


def test_what_is_no_clip(state: State, file: Path, tmp_path: Path):
    def refused(change: Callable[[State], object], *values: object, arch: str = SMALL) -> None:
        changed = dict(state)
        change(changed)
        path = tmp_path / "changed.safetensors"
        save_file({key: value.contiguous() for key, value in changed.items()}, path)
        fails(lambda: load_clip(f"open_clip:{arch}/{path}"), *values)

    refused(lambda s: s.update(logit_bias=torch.zeros(())), 1, "logit_bias")
    three = ("ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias")
    refused(lambda s: [s.pop(f"transformer.resblocks.1.{key}") for key in three], 3)
    refused(lambda s: s.pop("visual.proj"), "visual_projection.weight")
    refused(lambda s: s.pop("token_embedding.weight"), "token_embedding.weight")
    refused(lambda s: None, 128, 2, 192, 3, arch="ViT-B-16")
    for key, value in (
        ("ln_final.bias", torch.zeros(3)),
        ("token_embedding.weight", torch.zeros(5)),
        ("visual.positional_embedding", torch.tensor(1.0)),
        ("visual.proj", torch.zeros(3)),
        ("transformer.resblocks.0.attn.in_proj_weight", torch.zeros(2, 192)),
    ):
        refused(lambda s, key=key, value=value: s.update({key: value}), "changed.safetensors")
    refused(lambda s: None, "'RN50'", arch="RN50")
    refused(lambda s: None, "'ViT-B-16-SigLIP'", arch="ViT-B-16-SigLIP")
    refused(lambda s: s.update(logit_scale=torch.tensor(torch.nan)), "logit_scale")
    (tmp_path / "changed.safetensors").write_bytes(b"{}")
    fails(lambda: load_clip(f"open_clip:{SMALL}/{tmp_path}/changed.safetensors"), "changed.safetensors")
    (file.parent / "config.json").write_text('{"auto_map": {"AutoTokenizer": "evil.Evil"}}')
    fails(lambda: load_clip(f"open_clip:{SMALL}/{file}"), "auto_map")
    (file.parent / "config.json").unlink()
    (file.parent / "tokenizer.json").unlink()
    (file.parent / "vocab.json").unlink(missing_ok=True)
    fails(lambda: load_clip(f"open_clip:{SMALL}/{file}"), str(file))
    assert load_clip(f"open_clip:{SMALL}/{file}", tokenizer="toy").context == CONTEXT


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("open_clip:ViT-B-32", "'open_clip:ViT-B-32'"),
        ("open_clip:/x.safetensors", "'open_clip:/x.safetensors'"),
        ("open_clip:ViT-B-32/no.safetensors", ("'no.safetensors'", "'open_clip:ViT-B-32/no.safetensors'")),
        ("open_clip:ViT-B-32/open_clip_pytorch_model.bin", "'open_clip_pytorch_model.bin'"),
        ("open_clip:ViT-B-32/", "'open_clip:ViT-B-32/'"),
    ],
)
def test_names_that_are_none(name: str, value: object):
    fails(lambda: load_clip(name), value)
    fails(lambda: check_named(name), value)


def test_the_name_of_one_in_the_files_of_a_run(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "runs" / "one"
    run.mkdir(parents=True)
    kept = name_for(run, f"open_clip:{SMALL}/{file.name}")
    assert kept == f"open_clip:{SMALL}/../../{file.name}"
    assert name_in(run, kept) == f"open_clip:{SMALL}/{file}"
    assert name_for(run, f"open_clip:{SMALL}/{file}") == f"open_clip:{SMALL}/{file}"


def test_every_architecture_has_its_sizes():
    for name in KNOWN:
        facts = architecture(f"ViT-{name}")
        assert facts.activation == "gelu"
        assert facts.patch in (14, 16, 32)
        assert facts.image % facts.patch in (0, 224 % 14)
    assert architecture("ViT-B-32-plus-256").sizes == (896, 12, 640, 12)
    assert architecture("ViT-H-14-378-quickgelu") == open_clip.Architecture((1280, 32, 1024, 24), 14, 378, "quick_gelu")
    assert architecture("ViT-S-16-alt").image == 224


@pytest.mark.slow
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("open_clip", "torchvision")),
    reason="open_clip needs torchvision, which not every torch has: pip install 'clip-descriptions[open-clip]'",
)
@pytest.mark.parametrize("arch", ["ViT-S-32", "ViT-S-16-alt", "ViT-B-32-quickgelu"])
def test_embeddings_are_those_of_open_clip(arch: str, toy: Clip, tmp_path: Path):
    """Compare embeddings with open_clip at full size, with random weights in a model that open_clip made."""
    import open_clip as theirs

    torch.manual_seed(0)
    model = theirs.create_model(arch).eval()
    state = model.state_dict()
    assert to_open_clip(to_transformers(state, arch)).keys() == state.keys()
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "model.safetensors")
    clip = load_clip(f"open_clip:{arch}/{tmp_path}/model.safetensors", tokenizer="toy")
    ids = torch.randint(0, 49_000, (3, 77))
    ids[:, 60] = 49_407
    pixels = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        clip.model.text_model.eos_token_id = 49_407
        features = clip.model.get_text_features(input_ids=ids).pooler_output
        torch.testing.assert_close(features, model.encode_text(ids), rtol=0, atol=1e-5)
        features = clip.model.get_image_features(pixel_values=pixels).pooler_output
        torch.testing.assert_close(features, model.encode_image(pixels), rtol=0, atol=1e-5)
