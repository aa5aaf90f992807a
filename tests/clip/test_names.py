"""Tests of names of models: folders, hub ids, and suggestions for unknown names."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interp.clip.errors import ModelError
from interp.clip.names import check_named, locate
from tests.wording import raises

TOY = Path("interp/data/assets/toy-clip").resolve()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder, with a model and a run, without a network."""
    shutil.copytree(TOY, tmp_path / "models" / "my-clip")
    (tmp_path / "runs" / "iit-das").mkdir(parents=True)
    (tmp_path / "runs" / "iit-das" / "adapter_config.json").write_text("{}")
    (tmp_path / "runs" / "notes").mkdir()
    for name in ("weights.pt", "weights.safetensors", "notes.txt"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("models/my-clp", "'models/my-clip'"),
        ("model/my-clip/", "'models/my-clip'"),
        ("./runs/iit_das", "'runs/iit-das'"),
        ("./runs/iit-das/model/x", ()),
        ("~/no such", ()),
        ("runs/note", ("'runs'", "'runs/note@main'")),
        ("runs/note@main", "HF_HUB_OFFLINE"),
        ("run/iit-das", ("HF_HUB_OFFLINE", "'runs/iit-das'")),
        ("models", "config.json"),
        ("clip", "'toy'"),
        ("ViT-B/32", "openai/clip-vit-base-patch32"),
        ("ViT-L/14@336px", "openai/clip-vit-large-patch14-336"),
        ("clip-vit-large-patch14", "openai/clip-vit-large-patch14"),
        ("weights.pt", "pickled"),
        ("weights.safetensors", ("open_clip:ARCH/weights.safetensors",)),
        ("notes.txt", "save_pretrained"),
        ("", "'toy'"),
    ],
)
@pytest.mark.usefixtures("here")
def test_what_is_said_of_a_name_that_is_none(name: str, value: object):
    with raises(ModelError, f"'{name}'", value):
        locate(name)
    if name != "models":  # the content of a folder is checked when it is loaded
        with raises(ModelError, f"'{name}'"):
            check_named("toy", None, name)


def test_what_is_in_the_cache_is_the_hubs_whatever_folders_there_are(here: Path):
    repository = here / "cache" / "models--models--cached"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    snapshot = shutil.copytree(TOY, repository / "snapshots" / ("1" * 40))
    check_named("models/cached")
    assert Path(locate("models/cached")[0]) == snapshot


def test_names_that_stand_for_something(here: Path):
    assert locate("models/my-clip") == ("models/my-clip", "main")
    assert Path(locate("toy")[0]) == TOY
    check_named("toy", None, "models/my-clip", "runs/iit-das", str(here / "models" / "my-clip"))
