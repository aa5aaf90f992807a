"""Pairs of a data set of the hub; a folder with the files takes the place of the hub."""

from __future__ import annotations

from pathlib import Path

import datasets
import huggingface_hub
import pytest
from PIL import Image

from interp.data import DataError, load_pairs
from interp.data.pairs import PairSet
from tests.wording import raises

pytestmark = pytest.mark.usefixtures("own_datasets_cache")

FEATURES = {"photo": datasets.Image(), "description": datasets.Value("string"), "caption": datasets.Value("string")}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of files that the hub sends; each request is written into `asked.txt`."""
    folder = tmp_path / "hub"
    folder.mkdir()

    def snapshot_download(repo: str, **options: object) -> str:
        (tmp_path / "asked.txt").write_text(f"{repo} {options['revision']} {options['local_files_only']}")
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "repo_info", lambda *_args, **_options: None)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return folder


def write(path: Path, n: int, features: dict = FEATURES, start: int = 0, **more: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = range(start, start + n)
    content = {
        "photo": [Image.new("RGB", (12, 10), (5 * i, 0, 255 - 5 * i)) for i in rows],
        "description": [f" description {i} " for i in rows],
        "caption": [f"caption {i}" for i in rows],
    } | more
    kept = {name: content[name] for name in features}
    datasets.Dataset.from_dict(kept, features=datasets.Features(features)).to_parquet(path)


def fails(spec: str, *values: object, **options: str) -> None:
    with raises(DataError, *values):
        load_pairs(spec, **options)  # type: ignore[arg-type]


def test_splits_are_those_of_the_files_names(hub: Path, tmp_path: Path):
    write(hub / "data" / "train-00000-of-00002.parquet", 3)
    write(hub / "data" / "train-00001-of-00002.parquet", 2, start=3)
    write(hub / "data" / "validation-00000-of-00001.parquet", 2, start=10)
    write(hub / "data" / "test-00000-of-00001.parquet", 1, start=20)
    pairs = load_pairs("hf:me/mine@v2")
    assert (tmp_path / "asked.txt").read_text() == "me/mine v2 False"
    assert [pair.split for pair in pairs.pairs] == ["train"] * 5 + ["val"] * 2 + ["test"]
    assert [pair.positive for pair in pairs.pairs][3:6] == ["description 3", "description 4", "description 10"]
    assert pairs.pairs[4].id == "train/4"
    assert pairs.open_image(pairs.pairs[6]).getpixel((0, 0)) == (55, 0, 200)
    assert len({pairs.image_key(pair) for pair in pairs.pairs}) == 8
    again: PairSet = load_pairs("hf:me/mine@v2")
    assert again.fingerprint == pairs.fingerprint


def test_no_file_is_passed_over(hub: Path):
    """A file with a column of splits is used, whatever its name and the names of the other files."""
    write(hub / "data" / "train-00000-of-00001.parquet", 3)
    write(hub / "data" / "more.parquet", 2, start=10)
    fails("hf:me/mine", "'hf:me/mine'", "'data/more.parquet'", "'split'")
    write(
        hub / "data" / "more.parquet",
        2,
        FEATURES | {" Split": datasets.Value("string")},
        start=10,
        **{" Split": ["test", "dev"]},
    )
    pairs = load_pairs("hf:me/mine")
    assert [(pair.id, pair.split, pair.positive) for pair in pairs.pairs] == [
        *((f"train/{i}", "train", f"description {i}") for i in range(3)),
        ("all/0", "test", "description 10"),
        ("all/1", "val", "description 11"),
    ]
    assert pairs.open_image(pairs.pairs[4]).getpixel((0, 0)) == (55, 0, 200)
    (hub / "data" / "other.parquet").write_bytes(b"PAR1")
    fails("hf:me/mine", "'hf:me/mine'")


def test_columns_of_splits_groups_and_ids(hub: Path):
    more = {"split": datasets.Value("string"), "group": datasets.Value("int64"), "ID": datasets.Value("string")}
    write(
        hub / "all.parquet",
        4,
        FEATURES | more,
        split=["train", "dev", "test", "Train"],
        group=[7, 8, 9, 7],
        ID=list("abcd"),
    )
    pairs = load_pairs("hf:me/mine").pairs
    assert [(pair.id, pair.split, pair.group) for pair in pairs] == [
        ("a", "train", "7"),
        ("b", "val", "8"),
        ("c", "test", "9"),
        ("d", "train", "7"),
    ]


def test_other_kinds_and_no_splits(hub: Path):
    features = {"image": datasets.Image(), "Alt": datasets.Value("string"), "title": datasets.Value("string")}
    rows = range(10)
    write(
        hub / "x.parquet",
        10,
        features,
        image=[Image.new("RGB", (4, 4), (i, 0, 0)) for i in rows],
        Alt=[f"alt {i}" for i in rows],
        title=[f"title {i}" for i in rows],
    )
    pairs = load_pairs("hf:me/mine", kinds="alt,title")
    assert {pair.split for pair in pairs.pairs} == {"train", "val", "test"}
    assert any("the data have no splits and were divided by group" in note for note in pairs.notes)
    assert pairs.pairs[0].positive.startswith("alt ")
    fails("hf:me/mine", "'description'")


def test_what_cannot_be_used(hub: Path):
    fails("hf:me/mine", "'me/mine'")
    write(hub / "train.parquet", 2, {name: FEATURES[name] for name in ("description", "caption")})
    fails("hf:me/mine", "description, caption")
    write(hub / "train.parquet", 2, caption=["one", "  "])
    fails("hf:me/mine", 1, "'train'", "'caption'")
    write(hub / "train.parquet", 2, caption=["one", None])
    fails("hf:me/mine", 1, "'train'", "'caption'")
    write(hub / "train.parquet", 2, caption=["one", "t\0wo"])
    fails("hf:me/mine", 1, "'train'", "U+0000", "'caption'")
    write(hub / "train.parquet", 2, FEATURES | {"id": datasets.Value("string")}, id=["a", "a"])
    fails("hf:me/mine", "'a'")
    write(hub / "train.parquet", 2, FEATURES | {"split": datasets.Value("string")}, split=["train", "all"])
    fails("hf:me/mine", "'all'")
    (hub / "train.parquet").write_bytes(b"PAR1")
    fails("hf:me/mine", "'hf:me/mine'")


def test_no_row_names_an_image_of_this_machine(hub: Path, tmp_path: Path):
    Image.new("RGB", (9, 7)).save(tmp_path / "private.png")
    cells = [{"bytes": None, "path": str(tmp_path / "private.png")}, {"bytes": None, "path": "../private.png"}, None]
    features = {
        "photo": {"bytes": datasets.Value("binary"), "path": datasets.Value("string")},
        **{name: FEATURES[name] for name in ("description", "caption")},
    }
    write(hub / "train.parquet", 3, features, photo=cells)
    pairs = load_pairs("hf:me/mine", as_published=True)
    for pair in pairs.pairs:
        with raises(DataError, f"'{pair.id}'"):
            pairs.open_image(pair)
    fails("hf:me/mine", "'photo'", kinds="photo,caption")


def test_a_set_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    fails("hf:me/mine", "'me/mine'", "HF_HUB_OFFLINE")
    fails("hf:", "'hf:'")
