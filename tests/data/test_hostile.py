"""Any data are read as documented or refused in one line; no reader hangs or fills the memory."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from interp.data import images
from interp.data.concadia import load_concadia
from interp.data.csv_pairs import load_csv
from interp.data.errors import DataError
from interp.data.files import MOST_IMAGE
from interp.data.images import checksum, open_rgb
from interp.data.norms import load_norm
from interp.data.scores import read_pair_scores, read_text_scores
from interp.data.tables import read_table
from tests.wording import raises

READERS = (read_table, load_csv, read_text_scores, read_pair_scores, lambda path: load_norm(f"mine={path}"))


def content(picture: Image.Image, form: str, **options: object) -> bytes:
    """Return the content of an image file."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def item(**changed: object) -> dict[str, object]:
    """Return an item of wiki_split.json."""
    texts = {kind: {"raw": f"a {kind}"} for kind in ("description", "caption")}
    return {"filename": "0.jpg", "split": "val", "article_id": "A", **texts, **changed}


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch):
    huge = content(Image.new("1", (13_000, 13_000)), "PNG")
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("it is decoded"))
    with raises(DataError, "'x'", 64):
        open_rgb("x", lambda _: huge)


@pytest.mark.parametrize("setting", [1, None])
def test_pictures_do_not_depend_on_what_another_library_set(monkeypatch: pytest.MonkeyPatch, setting: int | None):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", setting)
    whole = content(Image.effect_noise((60, 40), 50), "PNG")
    assert open_rgb("x", lambda _: whole).size == (60, 40)
    with raises(DataError, "'x'", snapshot=False):  # in the words of Pillow
        open_rgb("x", lambda _: whole[: len(whole) // 2])
    monkeypatch.setattr(images, "MOST_PIXELS", 60 * 40 - 1)
    with raises(DataError, "'x'"):
        open_rgb("x", lambda _: whole)
    assert (True, setting) == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS)


@pytest.mark.parametrize("orientation", range(10))
def test_pictures_are_turned_as_exif_says(orientation: int):
    """Orientation 6 is a quarter turn to the right, as seen by eye. Only the keys of turned pictures end with it."""
    plain = Image.fromarray(np.arange(18, dtype=np.uint8).reshape(2, 3, 3))
    exif = Image.Exif()
    exif[images.ORIENTATION] = orientation
    saved = content(plain, "PNG", exif=exif)
    pixels, key = np.asarray(open_rgb("x", lambda _: saved)), checksum("x", lambda _: saved)
    if 2 <= orientation <= 8:
        assert key.endswith(f"-{orientation}")
        assert not np.array_equal(pixels, np.asarray(plain))
    else:
        assert len(key) == 8
        assert np.array_equal(pixels, np.asarray(plain))
    if orientation == 6:
        assert np.array_equal(pixels, np.rot90(np.asarray(plain), -1))


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": [item()]}))
    with zipfile.ZipFile(tmp_path / "resized.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("resized/0.jpg", bytes(101 * 2**20))
    pairs = load_concadia(tmp_path)
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: pytest.fail("it is unpacked"))
    with raises(DataError, "'0.jpg'", 101, 100):
        pairs.open_image(pairs.pairs[0])


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_ordinary_file_is_named_and_never_waited_for(tmp_path: Path, reader):
    os.mkfifo(tmp_path / "pipe")
    for path, what in (
        (tmp_path, "Is a directory"),
        (tmp_path / "pipe", "it is a pipe"),
        (Path("/dev/zero"), "it is a pipe or a device"),
    ):
        with raises(DataError, what):
            reader(path)


def test_a_file_of_more_than_can_be_meant_is_not_read(tmp_path: Path):
    with (tmp_path / "0.jpg").open("wb") as file:
        file.truncate(MOST_IMAGE + 2**20)
    (tmp_path / "a.csv").write_text("image,description,caption\n0.jpg,a,b\n")
    pairs = load_csv(tmp_path / "a.csv")
    with raises(DataError, 101, 100):
        pairs.open_image(pairs.pairs[0])


@pytest.mark.parametrize(
    ("items", "value"),
    [
        ([item(split=None)], (0, "'split'")),
        ([item(split=" ")], (0, "split")),
        ([item(article_id=None)], (0, "'article_id'")),
        ([item(article_id=True)], (0, "'article_id'")),
        ([item(article_id="")], (0, "article_id")),
        ([item(caption={"raw": "a\0b"})], ("U+0000", "'caption'")),
        ([item(caption={"raw": "\ud800"})], ("U+D800", "'caption'")),
        ([item(caption=[])], ("'raw'", "'caption'")),
        ([item(), item(caption={"raw": "other"})], (1, "'0.jpg'", 0)),
        *(
            ([item(filename=name)], f"'{name}'")
            for name in (
                "../0.jpg",
                "a/../../0.jpg",
                "/etc/passwd",
                "..\\0.jpg",
                "C:\\0.jpg",
                "C:0.jpg",
                "..",
                "\\\\a\\b\\c",
            )
        ),
    ],
)
def test_items_of_concadia_that_cannot_be_used(tmp_path: Path, items, value: object):
    (tmp_path / "resized").mkdir()
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": items}))
    with raises(DataError, value):
        load_concadia(tmp_path)


def test_deep_json_is_a_line(tmp_path: Path):
    (tmp_path / "wiki_split.json").write_text("[" * 100_000)
    with raises(DataError, "wiki_split.json"):
        load_concadia(tmp_path)


def test_another_encoding_is_a_line(tmp_path: Path):
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": [item()]}), encoding="utf-16")
    with raises(DataError, "wiki_split.json"):
        load_concadia(tmp_path)


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path):
    (tmp_path / "secret.png").write_bytes(content(Image.new("RGB", (2, 2)), "PNG"))
    (tmp_path / "resized").mkdir()
    (tmp_path / "resized" / "0.jpg").symlink_to(tmp_path / "secret.png")
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": [item()]}))
    pairs = load_concadia(tmp_path)
    with raises(DataError, "'0.jpg'"):
        pairs.open_image(pairs.pairs[0])
    assert pairs.image_key(pairs.pairs[0]) == "unreadable"


@pytest.mark.parametrize(
    ("table", "value"),
    [
        *((f"word,value\nsun,{cell}\n", f"'{cell}'") for cell in ("nan", "inf", "-inf", "x")),
        ("word,value\n", ()),
        ("word,value\nsun,\n", ()),
        ("word,value\n12,1\n", ()),
        ("word,value\n,1\n", "word"),
        ("word,value\nsun,1\nSun,2\n", (2, "'sun'")),
        ("word,value,value\nsun,1,1\n", "'value'"),
    ],
)
def test_norms_that_cannot_be_used(tmp_path: Path, table: str, value: object):
    (tmp_path / "a.csv").write_text(table)
    with raises(DataError, value):
        load_norm(f"mine={tmp_path / 'a.csv'}")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["filename", "split", "article_id", "description", "caption"])


@pytest.mark.slow
@given(st.lists(json_values | st.dictionaries(keys, json_values).map(lambda changed: item(**changed)), max_size=3))
def test_any_json_is_pairs_or_a_line(items):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "resized").mkdir()
        (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
        try:
            pairs = load_concadia(folder).pairs
        except DataError as error:
            message = str(error)
        else:
            assert len({pair.id for pair in pairs}) == len(items)
            assert all(text.strip() == text != "" for p in pairs for text in (p.positive, p.negative, p.split, p.group))
            return
    assert "\n" not in message
    assert len(message) < 500


@given(
    st.binary(max_size=60)
    | st.text(st.sampled_from('word,value"\r\n1.5-=\0imagedscrptoNF\ud7ff'), max_size=60).map(
        lambda text: b"\xef\xbb\xbfword,value\n" + text.encode()
    )
)
def test_any_bytes_are_a_table_or_a_line(data):
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "a.csv"
        path.write_bytes(data)
        for reader in READERS:
            try:
                result = reader(path)
            except DataError as error:
                message = str(error)
                assert len(message.splitlines()) == 1, message
                assert len(message) < 1000
            else:
                assert result
