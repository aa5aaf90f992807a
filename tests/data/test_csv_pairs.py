from __future__ import annotations

import csv
import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interp.clip.image_features import image_features
from interp.clip.model import Clip
from interp.data import load_pairs
from interp.data.contrast import PAPER, Contrast
from interp.data.csv_pairs import load_csv
from interp.data.pairs import WHOLE, DataError, Pair, PairSet, divide
from tests.wording import raises

HEAD = "image,text_a,text_b"
AB = Contrast("text_a", "text_b")
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
filled = texts.filter(str.strip)


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    for i in range(6):
        Image.new("RGB", (8, 6), (40 * i, 0, 0)).save(tmp_path / f"{i}.png")
    return tmp_path / "mine.csv"


def rows(path: Path, *lines: str, head: str = HEAD) -> Path:
    path.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    return path


def test_a_file_with_nothing_but_images_and_texts(path: Path):
    pairs = load_csv(rows(path, "0.png,a,b", "./1.png, c ,d"), AB)
    assert pairs.pairs == (Pair("0.png", "a", "b", WHOLE, "0.png"), Pair("1.png", "c", "d", WHOLE, "1.png"))
    assert (pairs.name, pairs.contrast, pairs.notes) == (f"csv:{path}", AB, ())
    assert pairs.open_image(pairs.pairs[1]).getpixel((0, 0)) == (40, 0, 0)
    assert pairs.image_key(pairs.pairs[0]) != pairs.image_key(pairs.pairs[1])


def test_columns_in_any_order_and_case_with_others_between(path: Path):
    head = "Notes, SPLIT ,Text_B,IMAGE,,Id,Group,TEXT_A"
    pairs = load_pairs(
        f"csv:{rows(path, 'n,Test,b,0.png,x,first,g,a', head=head)}", as_published=True, kinds=" Text_A ,text_b"
    )
    assert pairs.pairs == (Pair("first", "a", "b", "test", "g"),)
    assert pairs.contrast == Contrast("Text_A", "text_b")  # as the user wrote it


def test_the_kinds_of_the_paper_need_not_be_named(path: Path):
    rows(path, "0.png,c,d", head="image,Caption,Description")
    for pairs in (load_csv(path), load_pairs(f"csv:{path}", as_published=True)):
        assert (pairs.pairs[0].positive, pairs.pairs[0].negative, pairs.contrast) == ("d", "c", PAPER)
    swapped = load_pairs(f"csv:{path}", as_published=True, kinds="caption,description")
    assert (swapped.pairs[0].positive, swapped.contrast.positive) == ("c", "caption")
    assert swapped.fingerprint != pairs.fingerprint
    rows(path, "0.png,a,b")
    with raises(DataError, "'description'"):
        load_pairs(f"csv:{path}")


@pytest.mark.slow
@given(
    st.lists(st.tuples(filled, filled, filled, filled), min_size=1, max_size=6, unique_by=lambda row: row[2].strip())
)
def test_whatever_is_written_is_read_and_a_mark_changes_nothing(table):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        written = [(f"{i}.png", *row) for i, row in enumerate(table)]
        write(path, ["image", "text_a", "text_b", "id", "group"], written)
        plain = load_csv(path, AB)
        assert [(p.positive, p.negative, p.id, p.group) for p in plain.pairs] == [
            tuple(cell.strip() for cell in row) for row in table
        ]
        write(path, ["image", "text_a", "text_b", "id", "group"], written, "utf-8-sig")
        assert load_csv(path, AB).pairs == plain.pairs


@given(st.lists(st.sampled_from(["a", "a (2)", "a (3)", "b"]), max_size=12))
def test_ids_are_unique_and_of_images_that_occur_once_their_names(images):
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "mine.csv", HEAD.split(","), [(image, "x", "y") for image in ["z", *images]])
        pairs = load_csv(path, AB).pairs
    assert len({pair.id for pair in pairs}) == len(pairs)
    firsts = {image: pairs[["z", *images].index(image)].id for image in ["z", *images]}
    assert all(name == image for image, name in firsts.items())
    assert [pair.group for pair in pairs] == ["z", *images]  # rows with one image stay in one split


@given(st.lists(texts, max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_rows_are_counted_as_a_spreadsheet_shows_them(before, end):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator=end)
            writer.writerow(HEAD.split(","))
            for i, text in enumerate(before):
                writer.writerow([f"{i}.png", f"a\n{text}\r\n\n", "b"])
            file.write(end)  # a blank row
            writer.writerow(["last.png", "a", " "])
        with raises(DataError, "mine.csv", len(before) + 3, "text_b", snapshot=False):
            load_csv(path, AB)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ("", ()),
        ("\n \n,,\n", ()),
        (f"{HEAD}\n", ()),
        ("picture,text_a,text_b\n0.png,a,b\n", ("text_a", "text_b")),
        ("image|text_a|text_b\n0.png|a|b\n", "image|text_a|text_b"),
        ("image;text_a;text_b\n0.png;a, and more;b;\n", (2, 4, 3, "semicolons")),
        ("image\ttext_a\n0.png\ta\n", "'text_b'"),
        ("image,text_a,other\n0.png,a,b\n", ("'text_b'", "text_a")),
        (f"{HEAD},IMAGE\n0.png,a,b,1.png\n", "'image'"),
        (f"{HEAD}\n0.png,a,b\n,a,b\n", 3),
        (f"{HEAD}\n0.png,,b\n", (2, "text_a")),
        (f'{HEAD}\n0.png,a," \n "\n', (2, "text_b")),
        (f"{HEAD}\n0.png,a,b,c\n", (2, 4, 3, "text_b")),
        (f"{HEAD}\n0.png,a\n", (2, 3, "text_b")),
        (f'{HEAD}\n0.png,a,b\n1.png,"a "b" c",d\n', 3),
        (f'{HEAD}\n0.png,"a\nb",c\n1.png,"open,d\n2.png,e,f\n', 3),
        (f"{HEAD}\n0.png,a,b\n1.png,a\0,b\n", (3, "text_a")),
        (f"{HEAD}\n/etc/0.png,a,b\n", (2, "'/etc/0.png'")),
        (f"{HEAD}\nx/../0.png,a,b\n", (2, "'x/../0.png'")),
        (f"{HEAD}\n..\\0.png,a,b\n", (2, "image")),
        (f"{HEAD}\nC:\\0.png,a,b\n", (2, "image")),
        (f"{HEAD}\n\\\\host\\share\\0.png,a,b\n", (2, "image")),
        (
            f"{HEAD},split\n0.png,a,b,train\n1.png,a,b,dev\n",
            (3, "'dev'"),
        ),
        (f"{HEAD},split\n0.png,a,b,\n", (2, "split")),
        (f"{HEAD},group\n0.png,a,b,\n", (2, "group")),
        (f"{HEAD},id\n0.png,a,b,\n", (2, "id")),
        (f"{HEAD},id\n0.png,a,b,x\n1.png,a,b,y\n2.png,a,b,x\n", (4, "'x'", 2)),
        (f"{HEAD},group\n0.png,a,b,x\n./0.png,a,b,y\n", (3, "'y'", "'x'", 2)),
    ],
)
def test_what_is_wrong_is_one_line_with_row_column_and_mend(path: Path, content: str, value: object):
    path.write_bytes(content.encode())
    with raises(DataError, value) as caught:
        load_pairs(f"csv:{path}", kinds="text_a,text_b")
    assert str(caught.value).startswith(f"'{path}'")
    assert "--" not in str(caught.value)  # a notebook has no options


def test_unicode_is_read_and_named_and_nothing_is_guessed_of_pairs(path: Path):
    path.write_bytes(f"{HEAD}\n0.png,ein Café,ein Mädchen\n".encode("cp1252"))
    with raises(DataError, 2, "text_a"):
        load_csv(path, AB)
    path.write_bytes(f'{HEAD.replace(",", ";")}\n0.png;"a";b, ü\n'.encode("utf-16"))
    pairs = load_csv(path, AB)
    assert (pairs.pairs[0].positive, pairs.pairs[0].negative) == ("a", "b, ü")
    assert pairs.notes == (f"'{path}' is read as UTF-16, with semicolons between cells",)
    with raises(DataError, "none.csv"):
        load_pairs(f"csv:{path.parent}/none.csv")


def test_columns_that_hold_no_texts_are_no_kinds(path: Path):
    with raises(DataError, "'Image'"):
        load_csv(rows(path, "0.png,a,b"), Contrast("text_a", "Image"))


def test_images_that_cannot_be_read_are_named_with_their_row(path: Path):
    pairs = load_csv(rows(path, "0.png,a,b", "gone.png,a,b", "mine.csv,a,b"), AB)
    assert pairs.open_image(pairs.pairs[0]).size == (8, 6)
    for number, why in ((1, "'gone.png': the file does not exist"), (2, "'mine.csv': not an image")):
        with raises(DataError, "mine.csv", number + 2, why):
            pairs.open_image(pairs.pairs[number])
    assert pairs.image_key(pairs.pairs[1]) == "unreadable"


def test_data_without_splits_are_divided_by_group(path: Path):
    rows(path, *(f"{i}.png,a{i},b{i},g{i // 2}" for i in range(6)), head=f"{HEAD},group")
    pairs = load_pairs(f"csv:{path}", kinds="text_a,text_b", seed=3)
    assert pairs.pairs == divide(load_csv(path, AB).pairs, seed=3)
    assert pairs.notes == ("the data have no splits and were divided by group: 2 train, 2 val, 2 test",)
    with raises(DataError, "'val'", "(6)"):
        load_pairs(f"csv:{path}", kinds="text_a,text_b", split="val")
    rows(path, "0.png,a,b", "0.png,c,d", "1.png,e,f")
    with raises(DataError, 2, 3):
        load_pairs(f"csv:{path}", kinds="text_a,text_b")


def test_groups_that_the_file_divides_are_noted(path: Path):
    splits = ("train", "val", "test", "train")
    table = [f"{i % 3}.png,a,b,{split}" for i, split in enumerate(splits)]
    assert load_pairs(f"csv:{rows(path, *table, head=f'{HEAD},split')}", kinds="text_a,text_b").notes == ()
    table[3] = "0.png,a,b,test"
    (note,) = load_pairs(f"csv:{rows(path, *table, head=f'{HEAD},split')}", kinds="text_a,text_b").notes
    assert note.startswith("1 of 3 groups have pairs in more than one split (first: '0.png'); ")


def as_csv(folder: Path, pairs: PairSet, columns: tuple[str, str]) -> str:
    """Write pairs as a CSV file next to their images, and return its name as data."""
    header = ["id", columns[1], "split", "group", columns[0], "image"]
    table = [(p.id, p.negative, p.split, p.group, p.positive, f"{Path(p.id).stem}.png") for p in pairs.pairs]
    for pair, row in zip(pairs.pairs, table, strict=True):
        if not (folder / row[-1]).exists():
            pairs.open_image(pair).save(folder / row[-1])
    return f"csv:{write(folder / 'pairs.csv', header, table)}"


def test_the_toy_as_a_file_is_the_toy(tmp_path: Path, toy: Clip):
    """Twin: with the kinds swapped, the file differs from the toy."""
    expected = load_pairs("toy", limit=40)
    pairs = load_pairs(as_csv(tmp_path, expected, ("good", "bad")), kinds="good,bad")
    assert pairs.pairs == expected.pairs
    assert torch.equal(image_features(toy, pairs).embeddings, image_features(toy, expected).embeddings)
    assert load_pairs(pairs.name, kinds="bad,good").pairs != expected.pairs


@pytest.mark.slow
def test_one_split_of_a_file_is_divided_as_that_of_any_data(tmp_path: Path):
    expected = load_pairs("toy", split="val", limit=50, seed=2)
    every = load_pairs("toy", seed=2)
    pairs = load_pairs(as_csv(tmp_path, every, ("a", "b")), kinds="a,b", split="val", limit=50, seed=2)
    assert pairs.pairs == expected.pairs
    assert pairs.notes == expected.notes


@pytest.mark.slow
def test_the_published_sample_as_a_file_is_the_sample(
    tmp_path: Path, published: Path, toy: Clip, monkeypatch: pytest.MonkeyPatch
):
    """Pairs, splits, bytes of images and features equal those from Concadia's own format."""
    sample = published / "concadia-sample"
    content = json.loads((sample / "wiki_split.json").read_text(encoding="utf-8"))
    items = content["images"][:60]
    shutil.copytree(sample / "resized", tmp_path / "resized")
    (tmp_path / "wiki_split.json").write_text(json.dumps({"images": items}), encoding="utf-8")
    table = [
        (
            f"resized/{item['filename']}",
            *(item[kind]["raw"] for kind in PAPER.kinds),
            *(item[key] for key in ("article_id", "filename", "split")),
        )
        for item in items
    ]
    write(tmp_path / "sample.csv", ["image", "alt", "caption", "group", "id", "split"], table)
    for asked in ({}, {"seed": 1}, {"split": "val"}, {"limit": 30}, {"as_published": True}):
        expected = load_pairs(f"concadia:{tmp_path}", **asked)
        pairs = load_pairs(f"csv:{tmp_path}/sample.csv", kinds="alt,caption", **asked)
        assert pairs.pairs == expected.pairs
        assert [note.replace("alt", "description") for note in pairs.notes] == list(expected.notes)
        assert pairs.fingerprint == expected.fingerprint
    assert len(pairs) == 60
    embedded = image_features(toy, expected).embeddings
    monkeypatch.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path / "another"))  # computed, not read
    assert torch.equal(image_features(toy, pairs).embeddings, embedded)
    write(tmp_path / "sample.csv", ["image", "alt", "caption", "group", "id"], [row[:-1] for row in table])
    undivided = load_pairs(f"csv:{tmp_path}/sample.csv", kinds="alt,caption")
    assert undivided.pairs == load_pairs(f"concadia:{tmp_path}").pairs


def test_paths_may_be_written_as_on_any_system(tmp_path: Path):
    """Names may have backslashes and composed or decomposed letters; a file name with a backslash comes first."""
    (tmp_path / "bilder").mkdir()
    for number, name in enumerate(["bilder/u\u0308ber.png", "bilder/1.png", "bilder\\2.png", "bilder/2.png"]):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / name)
    rows = "".join(
        f"{name},a{i},b\n" for i, name in enumerate(["bilder\\\u00fcber.png", "bilder\\1.png", "bilder\\2.png"])
    )
    (tmp_path / "pairs.csv").write_text(f"image,description,caption\n{rows}", encoding="utf-8")
    pairs = load_csv(tmp_path / "pairs.csv")
    reds = [pairs.open_image(pair).getpixel((0, 0))[0] for pair in pairs.pairs]
    assert reds == [0, 1, 2]
    assert all(pairs.image_key(pair) != "unreadable" for pair in pairs.pairs)
