"""Tests of upload and download, with a local server in place of the hub."""

from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
import torch

from interp.clip.loading import load_clip
from interp.clip.model import embed_texts
from interp.clip.sites import Site
from interp.data.hub import HubError
from interp.errors import UserError
from interp.runs.uploading import fetch, upload
from interp.subspaces import on_hub
from interp.subspaces.rotation import Rotation, RotationError, random_basis
from tests.hub_server import Hub
from tests.wording import raises, refused
from training.export import main as export


def rotation() -> Rotation:
    basis = random_basis(24, 4, torch.Generator().manual_seed(0))
    return Rotation(basis, Site("text", 3), {"found": "by a test"})


def test_a_rotation_there_and_back(hub: Hub, monkeypatch: pytest.MonkeyPatch):
    address = on_hub.push(rotation(), "me/mine", private=True)
    assert address.startswith(f"{hub.address}/me/mine/commit/")
    assert sorted(hub.repos["me/mine"]) == ["rotation.json", "rotation.safetensors"]
    assert hub.private == {"me/mine": True}
    again = on_hub.load("me/mine")
    assert torch.equal(again.basis, rotation().basis)
    assert (again.site, again.facts) == (rotation().site, rotation().facts)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)  # the cache is used from here on
    assert torch.equal(on_hub.load("me/mine").basis, again.basis)
    with raises(HubError, "'me/other'", "HF_HUB_OFFLINE"):
        on_hub.load("me/other")


def test_what_the_hub_does_not_have(hub: Hub):
    with raises(HubError, "'me/none'"):
        on_hub.load("me/none")
    hub.repos["me/empty"] = {}
    with raises(HubError, "'me/empty'"):
        fetch("me/empty", ["rotation.safetensors"])
    on_hub.push(rotation(), "me/changed")
    hub.repos["me/changed"]["rotation.safetensors"] = b"something else"
    with raises(RotationError, "rotation.safetensors"):
        on_hub.load("me/changed")


@pytest.mark.slow
def test_a_model_there_and_back(hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Upload the folder alone, and only on request."""
    assert export(["toy", "--out", str(tmp_path / "first")]) == 0
    assert hub.asked == []
    assert export(["toy", "--out", str(tmp_path / "second"), "--push", "me/model", "--license", "mit"]) == 0
    assert f"uploaded to {hub.address}/me/model/commit/" in capsys.readouterr().out
    sent = hub.repos["me/model"]
    assert sorted(sent) == sorted(path.name for path in (tmp_path / "second").iterdir())
    assert all(sent[path.name] == path.read_bytes() for path in (tmp_path / "second").iterdir())
    assert b'license: "mit"' in sent["README.md"]
    clip = load_clip("me/model")
    texts = ["a red circle", "a town by the sea"]
    torch.testing.assert_close(embed_texts(clip, texts), embed_texts(load_clip("toy"), texts), rtol=0, atol=1e-6)


def test_a_hub_that_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", "http://127.0.0.1:9", raising=False)
    (tmp_path / "some").mkdir()
    with raises(HubError, "'me/mine'"):
        upload(tmp_path / "some", "me/mine", private=False, message="x")
    with raises(UserError, "'mine'", "owner/name"):
        upload(tmp_path / "some", "mine", private=False, message="x")
    refused(
        export(["toy", "--out", str(tmp_path / "out"), "--push", "me/mine"]),
        capsys,
        f"'{tmp_path / 'out'}'",
        "'me/mine'",
    )
    assert (tmp_path / "out" / "model.safetensors").is_file()
