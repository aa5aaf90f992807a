"""Tests of edits and edited models that are pushed to and loaded from the hub, with a local stand-in for the hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
from torch import Tensor

from interp.clip.edits.edit import EditError
from interp.clip.errors import ModelError
from interp.clip.loading import load_clip
from interp.clip.model import Clip, embed_texts
from interp.data.hub import HubError
from interp.edits import on_hub
from tests.edits.cards import code_of, of_texts, run_alone, run_here
from tests.edits.test_engine import loreft
from tests.hub_server import Hub
from tests.training.test_card import header
from tests.wording import raises
from training.export import main as export

TOY = Path("interp/data/assets/toy-clip").resolve()
TEXTS = ["a red circle", "two stars at the harbour"]
CLOSE = {"atol": 1e-6, "rtol": 0.0}


def publish(hub: Hub, repo: str) -> None:
    """Put the embedded toy into a repository."""
    hub.repos[repo] = {path.name: path.read_bytes() for path in TOY.iterdir() if path.suffix != ".md"}


def wanted(toy: Clip) -> Tensor:
    return embed_texts(loreft(toy, 9).apply(toy), TEXTS)


def test_an_edit_there_and_back(hub: Hub, toy: Clip, monkeypatch: pytest.MonkeyPatch):
    edit = loreft(toy, 9).with_facts({"lr": 0.1}).made_for(toy)
    address = on_hub.push(edit, "me/mine", private=True, license="mit")
    assert address.startswith(f"{hub.address}/me/mine/commit/")
    assert sorted(hub.repos["me/mine"]) == ["README.md", "edit.json", "edit.safetensors"]
    assert hub.private == {"me/mine": True}
    again = on_hub.load("me/mine")
    assert (again.fingerprint, again.facts, again.base) == (edit.fingerprint, {"lr": 0.1}, "toy")
    assert again.base_fingerprint == toy.fingerprint
    card = hub.repos["me/mine"]["README.md"].decode()
    assert header(card) == {
        "library_name": "clip-descriptions",
        "tags": ["clip", "alt-text", "interpretability", "clip-descriptions"],
        "license": "mit",
    }
    names: dict[str, Clip] = {}
    exec(code_of(card, "## How to load it"), names)
    assert torch.equal(embed_texts(names["clip"], TEXTS), wanted(toy))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # from now on from the cache
    assert on_hub.load("me/mine").fingerprint == edit.fingerprint
    with raises(HubError, "'me/other'", "HF_HUB_OFFLINE"):
        on_hub.load("me/other")


def test_what_the_hub_does_not_have(hub: Hub, toy: Clip):
    on_hub.push(loreft(toy, 9), "me/changed")
    hub.repos["me/changed"]["edit.safetensors"] = b"of another kind"
    with raises(EditError, "edit.safetensors"):
        on_hub.load("me/changed")
    hub.repos["me/empty"] = {}
    with raises(HubError, "'me/empty'"):
        on_hub.load("me/empty")


def test_no_folder_of_this_machine_is_uploaded(hub: Hub, small: Clip, tmp_path: Path):
    facts = {"data": str(tmp_path / "pairs.csv"), "more": [str(tmp_path)], "deep": {"er": f"csv:{tmp_path}/mine.csv"}}
    on_hub.push(loreft(small, 3).with_facts(facts).made_for(small), "me/mine")
    sent, name = hub.repos["me/mine"], Path(small.name)
    for file, content in sent.items():
        for folder in (tmp_path, name.parent):
            assert str(folder).encode() not in content, file
    card = sent["README.md"].decode()
    assert "base_model" not in header(card)
    assert f"- base: `{name.name}`" in card
    assert "- data: `pairs.csv`" in card
    assert 'from_pretrained("BASE")' in card
    again = on_hub.load("me/mine")
    assert again.base is None
    assert again.facts == {"data": "pairs.csv", "more": [tmp_path.name], "deep": {"er": "csv:mine.csv"}}


def test_the_code_of_a_card_finds_a_base_on_the_hub(hub: Hub, toy: Clip):
    publish(hub, "me/base")
    base = load_clip("me/base")
    on_hub.push(loreft(base, 9).made_for(base), "me/mine")
    card = hub.repos["me/mine"]["README.md"].decode()
    assert header(card)["base_model"] == "me/base"
    embeddings = run_here(of_texts(code_of(card), TEXTS))
    torch.testing.assert_close(embeddings, wanted(toy), **CLOSE)
    names: dict[str, Clip] = {}
    exec(code_of(card, "## How to load it"), names)
    torch.testing.assert_close(embed_texts(names["clip"], TEXTS), embeddings, **CLOSE)


@pytest.mark.slow
def test_a_process_without_this_package_fetches_all(hub: Hub, toy: Clip, tmp_path: Path):
    publish(hub, "me/base")
    on_hub.push(replace(loreft(toy, 9), base="me/base"), "me/mine")
    code = of_texts(code_of(hub.repos["me/mine"]["README.md"].decode()), TEXTS)
    embeddings = run_alone(code, tmp_path, {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")})
    torch.testing.assert_close(embeddings, wanted(toy), **CLOSE)


def test_a_model_on_the_hub_keeps_its_edit(hub: Hub, toy: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    loreft(toy, 9).made_for(toy).save(tmp_path / "run")
    assert export([str(tmp_path / "run"), "--out", str(tmp_path / "out"), "--push", "me/edited"]) == 0
    assert {"edit.json", "edit.safetensors", "model.safetensors"} <= hub.repos["me/edited"].keys()
    edited = load_clip("me/edited")
    torch.testing.assert_close(embed_texts(edited, TEXTS), wanted(toy), **CLOSE)
    assert (wanted(toy) - embed_texts(toy, TEXTS)).abs().max() > 1e-3
    assert (edited.name, edited.fingerprint) == ("me/edited", load_clip(str(tmp_path / "out")).fingerprint)
    assert torch.equal(embed_texts(load_clip("me/edited@main"), TEXTS), embed_texts(edited, TEXTS))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert torch.equal(embed_texts(load_clip("me/edited"), TEXTS), embed_texts(edited, TEXTS))


def test_an_edit_on_the_hub_is_a_model(hub: Hub, toy: Clip, monkeypatch: pytest.MonkeyPatch):
    publish(hub, "me/base")
    on_hub.push(loreft(toy, 9).made_for(toy), "me/of-toy")
    on_hub.push(replace(loreft(toy, 9), base="me/base"), "me/of-base")
    for offline in (False, True):
        monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", offline)
        torch.testing.assert_close(embed_texts(load_clip("me/of-toy"), TEXTS), wanted(toy), **CLOSE)
        torch.testing.assert_close(embed_texts(load_clip("me/of-base", trust=True), TEXTS), wanted(toy), **CLOSE)
        with raises(ModelError, "'me/of-base'", "'me/base'", "--trust-run"):
            load_clip("me/of-base")


def test_an_edit_is_not_dropped_silently(hub: Hub, toy: Clip):
    publish(hub, "me/edited")
    assert load_clip("me/edited").fingerprint == toy.fingerprint
    on_hub.push(replace(loreft(toy, 9), base="toy"), "me/edited")
    hub.broken.add("edit.safetensors")
    with raises(ModelError, "'me/edited'"):
        load_clip("me/edited")
    hub.broken.clear()
    del hub.repos["me/edited"]["edit.json"]
    with raises(ModelError, "edit.json"):
        load_clip("me/edited")
