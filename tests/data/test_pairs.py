from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interp.clip.model import Clip, tokenize
from interp.data import DATA_SETS, load_pairs
from interp.data.concadia import load_concadia
from interp.data.pairs import DataError, Pair, PairSet, divide, same_text
from interp.data.toy.pairs import ToySize, load_toy
from tests.wording import raises

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write twelve items of six articles in Concadia's format, all but one in the split val."""
    (tmp_path / "resized").mkdir()
    items = []
    for i in range(12):
        Image.new("RGB", (30, 20), (20 * i, 0, 255 - 20 * i)).save(tmp_path / "resized" / f"{i}.jpg")
        texts = {
            kind: {"raw": f" {kind} {i} ", "tokens": [kind, str(i)]} for kind in ("description", "caption", "context")
        }
        items.append(
            {"article_id": f"Article {i // 2}", "filename": f"{i}.jpg", "orig_filename": "x", "split": "val", **texts}
        )
    items[0]["split"] = "train"
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": items}))
    return tmp_path


def test_concadia_as_published(folder: Path):
    pairs = load_concadia(folder)
    assert pairs.pairs[3] == Pair("3.jpg", "description 3", "caption 3", "val", "Article 1")
    image = pairs.open_image(pairs.pairs[11])
    assert (image.size, image.mode) == ((30, 20), "RGB")


def test_zipped_images_are_read_in_place(folder: Path):
    loose = load_concadia(folder)
    with zipfile.ZipFile(folder / "resized.zip", "w") as archive:
        for path in sorted((folder / "resized").iterdir()):
            archive.write(path, f"resized/{path.name}")
    shutil.rmtree(folder / "resized")
    pairs = load_concadia(folder)
    before = sorted(path.name for path in folder.iterdir())
    assert pairs.open_image(pairs.pairs[5]).getpixel((3, 3)) is not None
    assert pairs.pairs == loose.pairs
    assert sorted(path.name for path in folder.iterdir()) == before
    spoiled = bytearray((folder / "resized.zip").read_bytes())
    spoiled[60:120] = bytes(60)  # inside the first image
    (folder / "resized.zip").write_bytes(spoiled)
    with raises(DataError, "'0.jpg'"):
        load_concadia(folder).open_image(pairs.pairs[0])
    (folder / "resized.zip").write_bytes((folder / "resized.zip").read_bytes()[:200])
    with raises(DataError, "resized.zip"):
        load_concadia(folder)


def test_one_split_is_divided_by_group_and_says_so(folder: Path):
    with raises(DataError, "'test'", "'train'"):
        load_pairs(f"concadia:{folder}")
    with raises(DataError, "'dev'", "(1)", "(11)"):
        load_pairs(f"concadia:{folder}", split="dev")
    pairs = load_pairs(f"concadia:{folder}", split="val")
    assert Counter(pair.split for pair in pairs.pairs).keys() == {"train", "val", "test"}
    assert any("split 'val' alone was divided by group: " in note for note in pairs.notes)


@pytest.mark.slow
def test_a_limit_does_not_move_pairs_between_splits(published: Path):
    spec = f"concadia:{published / 'concadia-sample'}"
    whole = {pair.id: pair.split for pair in load_pairs(spec).pairs}
    for limit in (40, 64, 150):
        limited = load_pairs(spec, limit=limit).pairs
        assert abs(len(limited) - limit) <= 2
        assert all(whole[pair.id] == pair.split for pair in limited)
    assert len(set(whole.values())) == 3


def test_data_of_a_single_split_are_divided_unasked(folder: Path):
    texts = (folder / "wiki_split.json").read_text()
    (folder / "wiki_split.json").write_text(texts.replace('"split": "train"', '"split": "val"'))
    alone, asked = load_pairs(f"concadia:{folder}"), load_pairs(f"concadia:{folder}", split="val")
    assert alone.pairs == asked.pairs
    assert {pair.split for pair in alone.pairs} == {"train", "val", "test"}
    assert "split 'val' alone was divided by group" in alone.notes[0]
    published = load_pairs(f"concadia:{folder}", as_published=True)
    assert {pair.split for pair in published.pairs} == {"val"}
    assert published.notes == ()


def test_limits_keep_proportions():
    pairs = load_pairs("toy", limit=92)
    assert Counter(pair.split for pair in pairs.pairs) == {"train": 64, "val": 12, "test": 16}
    assert pairs.pairs == load_pairs("toy", limit=92).pairs
    assert "92 of 1472 pairs are used" in pairs.notes[0]


def test_the_fingerprint_follows_texts_and_images(folder: Path):
    before = load_concadia(folder).fingerprint
    assert load_concadia(folder).fingerprint == before
    image = folder / "resized" / "0.jpg"
    content = bytearray(image.read_bytes())
    content[-20] ^= 1  # as many bytes as before
    image.write_bytes(content)
    with_other_image = load_concadia(folder).fingerprint
    content = json.loads((folder / "wiki_split.json").read_text())
    content["images"][0]["caption"]["raw"] = "changed"
    (folder / "wiki_split.json").write_text(json.dumps(content))
    assert len({before, with_other_image, load_concadia(folder).fingerprint}) == 3


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (lambda f: (f / "wiki_split.json").unlink(), "wiki_split.json"),
        (lambda f: (f / "wiki_split.json").write_text('{"images": [{"fil'), "wiki_split.json'"),
        (lambda f: (f / "wiki_split.json").write_text("[]"), "'images'"),
        (lambda f: (f / "wiki_split.json").write_text('{"images": []}'), "wiki_split.json'"),
        (lambda f: (f / "wiki_split.json").write_text('{"images": [{"filename": "x"}]}'), (0, "'description'")),
        (lambda f: (f / "wiki_split.json").write_text('{"images": [7]}'), 0),
        (lambda f: shutil.rmtree(f / "resized"), "resized.zip"),
    ],
)
def test_what_is_missing_or_malformed_is_named(folder: Path, spoil, value: object):
    spoil(folder)
    with raises(DataError, value):
        load_concadia(folder)


def test_images_that_cannot_be_read(folder: Path):
    (folder / "resized" / "1.jpg").write_bytes(b"no picture")
    (folder / "resized" / "2.jpg").unlink()
    whole = (folder / "resized" / "3.jpg").read_bytes()
    (folder / "resized" / "3.jpg").write_bytes(whole[: len(whole) - 60])
    pairs = load_concadia(folder)
    for i in (1, 2, 3):
        with raises(DataError, f"'{i}.jpg'", snapshot=i != 3):  # Pillow words the last error
            pairs.open_image(pairs.pairs[i])


def test_unknown_data():
    for spec in ("concadia", "concadia:", "csv:", "toy:", "toy:x", "", "coco:there"):
        with raises(DataError, f"'{spec}'", "concadia:FOLDER", "csv:FILE"):
            load_pairs(spec)
    with raises(DataError, "'/nowhere'"):
        load_pairs("concadia:/nowhere")
    with raises(DataError, "x" * 70):
        load_pairs("concadia:" + "x" * 300)


@pytest.mark.slow
def test_data_with_kinds_of_their_own_have_no_others(folder: Path):
    for spec in ("toy", f"concadia:{folder}"):
        named = load_pairs(spec, kinds=" Description,caption", split="train", as_published=True)
        assert named.pairs == load_pairs(spec, split="train", as_published=True).pairs
        for kinds in ("alt,caption", "caption,description"):
            with raises(DataError, kinds):
                load_pairs(spec, kinds=kinds)
        with raises(DataError, "'alt'"):
            load_pairs(spec, kinds="alt")


def test_data_are_named_in_help_texts_without_loading_anything():
    """A command's help must appear at once."""
    code = "import sys, interp.data as d; print(d.DATA_HELP, *{'numpy', 'torch', 'PIL'} & set(sys.modules), sep='|')"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == "toy, toy:charts, concadia:FOLDER, csv:FILE, hf:OWNER/NAME\n"


def test_another_data_set_is_one_line_in_the_registry(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(
        DATA_SETS, "mine:NUMBER", lambda where, seed, _: load_toy(ToySize(*[int(where)] * 3), seed=seed)
    )
    assert len(load_pairs("mine:7")) == 21
    with raises(DataError, "'mine:'"):
        load_pairs("mine:")


@given(st.lists(st.integers(0, 12), min_size=5, max_size=60), st.integers(0, 5))
def test_divided_groups_stay_whole(owners, seed):
    pairs = tuple(Pair(str(i), "d", "c", "val", f"g{group}") for i, group in enumerate(owners))
    if len(set(owners)) < 3:
        with raises(DataError, len(set(owners)), 3, snapshot=False):
            divide(pairs, seed=seed)
        return
    divided = divide(pairs, seed=seed)
    assert [replace(pair, split="val") for pair in divided] == list(pairs)
    homes = {group: {pair.split for pair in divided if pair.group == group} for group in {pair.group for pair in pairs}}
    assert all(len(home) == 1 for home in homes.values())
    assert {pair.split for pair in divided} == {"train", "val", "test"}
    assert divide(pairs, seed=seed) == divided


def test_pairs_of_the_same_text_twice_are_left_out_and_counted(folder: Path):
    path = folder / "wiki_split.json"
    items = json.loads(path.read_text())["images"]
    for number, text, other in ((2, "Caf\u00e9  3", "cafe\u0301 3"), (7, "a dog", "a dog"), (9, " A Dog ", "a dog.")):
        items[number]["description"]["raw"], items[number]["caption"]["raw"] = text, other
    path.write_text(json.dumps({"images": items}))
    pairs = load_pairs(f"concadia:{folder}", split="val")
    assert len(pairs) == 9
    assert pairs.notes[0] == "2 of 11 pairs are left out: the same text is description and caption"
    assert {"2.jpg", "7.jpg"}.isdisjoint(pair.id for pair in pairs.pairs)
    assert "9.jpg" in {pair.id for pair in pairs.pairs}
    assert len(load_pairs(f"concadia:{folder}", as_published=True)) == 12
    for item in items:
        item["caption"] = item["description"]
    path.write_text(json.dumps({"images": items}))
    with raises(DataError):
        load_pairs(f"concadia:{folder}", split="val")


@given(st.text(), st.text())
def test_texts_are_the_same_if_case_and_spaces_are_all_that_differs(text: str, other: str):
    assert same_text(text, text)
    assert same_text(f" {text}\n", text)
    assert same_text(text, other) == same_text(other, text)
    assert not same_text(text, f"{text} x")


def test_texts_are_the_same_if_the_tokenizer_reads_them_alike(toy: Clip):
    for text, other, same in (
        ("A  red\ncar", "a red car", True),
        ("Caf\u00e9", "cafe\u0301", True),
        ("a red car", "a red car.", False),
        ("ab", "a b", False),
    ):
        ids = [tokenize(toy, [each]).ids.tolist() for each in (text, other)]
        assert same_text(text, other) is same
        assert (ids[0] == ids[1]) is same


@pytest.mark.slow
def test_no_pair_of_the_toy_world_has_the_same_text_twice():
    for seed in range(3):
        assert not any(same_text(pair.positive, pair.negative) for pair in load_toy(seed=seed).pairs)
    assert len(load_pairs("toy")) == len(load_toy())


def test_the_published_sample(published: Path):
    pairs = load_pairs(f"concadia:{published / 'concadia-sample'}", split="val")
    assert len(pairs) == 197
    assert pairs.notes[0] == "3 of 200 pairs are left out: the same text is description and caption"
    counts = Counter(pair.split for pair in pairs.pairs)
    assert abs(counts["train"] - 120) <= 3
    assert pairs.pairs[0].positive == "Wooded riverbank at twilight"
    picture = np.asarray(pairs.open_image(pairs.pairs[0]))
    assert picture.ndim == 3
    assert isinstance(pairs, PairSet)


@pytest.mark.parametrize("computed", [False, True])
def test_another_process_gets_pairs_and_their_fingerprint_but_opens_no_image(computed: bool):
    pairs = load_pairs("toy", limit=6)
    fingerprint = pairs.fingerprint if computed else None
    sent = pickle.loads(pickle.dumps(pairs))
    assert (sent.pairs, sent.name, sent.contrast) == (pairs.pairs, pairs.name, pairs.contrast)
    with raises(DataError, pairs.pairs[0].id):
        sent.open_image(pairs.pairs[0])
    assert pairs.open_image(pairs.pairs[0]).size
    if computed:
        assert sent.fingerprint == fingerprint
    else:
        with pytest.raises(DataError):
            _ = sent.fingerprint
    with pytest.raises(DataError):
        _ = replace(sent, pairs=sent.pairs[:3]).fingerprint
