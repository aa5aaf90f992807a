"""Classification sets of the hub."""

from __future__ import annotations

from pathlib import Path

import datasets
import huggingface_hub
import pytest

from tests.data.test_transfer import FEATURES, assert_error, load_one, picture, write_parquet

pytestmark = pytest.mark.usefixtures("own_datasets_cache")


def hub(folder: Path, asked: list) -> object:
    """Return a replacement of `snapshot_download` that returns the folder and records its arguments."""

    def snapshot_download(repo: str, **options) -> str:
        asked.append((repo, options))
        return str(folder)

    return snapshot_download


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the hub by a hub that has every data set."""
    monkeypatch.setattr(huggingface_hub, "repo_info", lambda *_args, **_options: None)


@pytest.mark.usefixtures("there")
def test_the_hub_is_asked_for_one_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub(tmp_path, asked))
    (tmp_path / "cifar100").mkdir()
    (tmp_path / "cifar100" / "train-00000-of-00001.parquet").write_bytes(b"never read")
    write_parquet(tmp_path / "cifar100" / "test-00000-of-00001.parquet", [0, 2])
    task = load_one("cifar100")
    assert (task.name, task.labels) == ("CIFAR-100", (0, 2))
    patterns = ["test[-_./]*parquet", "*/test[-_./]*parquet"]
    options = {"repo_type": "dataset", "revision": None, "allow_patterns": patterns, "local_files_only": False}
    assert asked == [("uoft-cs/cifar100", options)]
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    for name, repo in (("food101", "ethz/food101"), ("imagenet", "ILSVRC/imagenet-1k")):
        write_parquet(tmp_path / name / "data" / "validation-00000-of-00001.parquet", [1], features)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", hub(tmp_path / name, asked))
        assert load_one(name).labels == (1,)
        assert asked[-1][0] == repo
        assert asked[-1][1]["allow_patterns"][0] == "validation[-_./]*parquet"


@pytest.mark.usefixtures("there")
def test_other_sets_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub(tmp_path, asked))
    assert_error(("'me/mine'", "mine=PATH"), "mine=hub:me/mine")
    assert [options["allow_patterns"][0] for _, options in asked] == [
        "test[-_./]*parquet",
        "validation[-_./]*parquet",
        "val[-_./]*parquet",
        "*.parquet",
    ]
    write_parquet(tmp_path / "data" / "val.parquet", [0, 1, 1])
    task = load_one("mine=hub:me/mine")
    assert (task.name, task.labels, asked[-1][0]) == ("mine", (0, 1, 1), "me/mine")


def test_datasets_is_asked_for_parquet_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """No hub id reaches `datasets`, so no foreign code can run with any version of it."""
    asked: list = []

    def load_dataset(*args, **options):
        asked.append((args, options))
        return datasets.Dataset.from_dict(
            {"img": [picture(1)], "fine_label": [2]}, features=datasets.Features(FEATURES)
        )

    where = write_parquet(tmp_path / "x.parquet", [0])
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert load_one(f"x={where}").labels == (2,)
    assert asked == [(("parquet",), {"data_files": [str(where)], "split": "train"})]


def test_a_hub_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert_error(
        ("'uoft-cs/cifar100'", "cifar100=PATH"),
        "cifar100",
    )
    assert_error(
        (
            "'ILSVRC/imagenet-1k'",
            "https://huggingface.co/datasets/ILSVRC/imagenet-1k",
            "hf auth login",
            "imagenet=PATH",
        ),
        "imagenet",
    )
    assert_error("'no such'", "mine=hub:no such")
