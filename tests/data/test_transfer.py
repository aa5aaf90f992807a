"""Classification sets: files, folders, prompts and limits."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interp.data.pairs import DataError
from interp.data.transfer import LabelledImages, default_sets, load_transfer
from tests.wording import raises

pytestmark = pytest.mark.usefixtures("own_datasets_cache")


FEATURES = {"img": datasets.Image(), "fine_label": datasets.ClassLabel(names=["maple_tree", "sea", "train"])}


def picture(i: int) -> Image.Image:
    return Image.new("RGB", (12, 10), (20 * i, 0, 255 - 20 * i))


def write_parquet(path: Path, labels: list[int], features: dict = FEATURES, **more: list) -> Path:
    """Write a parquet file with `datasets`; picture(i) is the image of row i."""
    image, label, *_ = features
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {image: [picture(i) for i in range(len(labels))], label: labels, **more}
    datasets.Dataset.from_dict(content, features=datasets.Features(features)).to_parquet(path)
    return path


def write_folders(path: Path, classes: dict[str, int]) -> Path:
    """Write one folder of images for each class; picture(i) is image i of its class."""
    for name, n in classes.items():
        (path / name).mkdir(parents=True)
        for i in range(n):
            picture(i).save(path / name / f"{i}.png")
    return path


def load_one(spec: str, **options) -> LabelledImages:
    (task,) = load_transfer(spec, **options)
    return task


def assert_error(value: object, spec: str, **options) -> None:
    with raises(DataError, value):
        load_transfer(spec, **options)


def test_a_parquet_file_of_ones_own(tmp_path: Path):
    where = write_parquet(tmp_path / "a [b] *" / "mine.parquet", [2, 0, 0, 1])
    task = load_one(f"mine={where}")
    assert (task.name, len(task), task.notes) == ("mine", 4, ())
    assert task.classes == ("maple tree", "sea", "train")
    assert task.texts == (("A picture of maple tree",), ("A picture of sea",), ("A picture of train",))
    assert task.labels == (2, 0, 0, 1)
    image = task.open_image(3)
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (12, 10), (60, 0, 195))


def test_known_sets_keep_their_prompts_and_names_wherever_they_come_from(tmp_path: Path):
    coarse = {"img": datasets.Image(), "coarse_label": datasets.ClassLabel(names=["x"]), **FEATURES}
    first = write_parquet(tmp_path / "c.parquet", [0, 0], coarse, fine_label=[1, 0])
    labels = datasets.ClassLabel(names=["tench, Tinca tinca", "crane", "crane, heron"])
    second = write_parquet(tmp_path / "i.parquet", [2, 0], {"image": datasets.Image(), "label": labels})
    cifar, food, imagenet = load_transfer(f"cifar100={first}, food101={second},imagenet={second}")
    assert (cifar.name, cifar.labels) == ("CIFAR-100", (1, 0))
    assert cifar.texts[0] == ("a photo of a maple tree",)
    assert (food.name, food.texts[0]) == ("Food101", ("A picture of tench, Tinca tinca",))
    assert (imagenet.name, imagenet.texts[0]) == ("ImageNet", ("A picture of tench",))
    assert imagenet.classes == ("tench", "crane", "crane")
    assert imagenet.notes == ("ImageNet: repeated class names: crane; prompts cannot tell these classes apart",)


def test_of_a_folder_of_parquet_files_the_split_is_taken(tmp_path: Path):
    """Like on the hub: test, else validation, else all. ImageNet uses validation, since its test has no labels."""
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=["a", "b"])}
    for split, labels in (("train", [0]), ("validation", [1, 1])):
        write_parquet(tmp_path / "data" / f"{split}-00000-of-00001.parquet", labels, features)
    assert load_one(f"x={tmp_path}").labels == (1, 1)
    write_parquet(tmp_path / "test" / "0000.parquet", [0, 1, 0], features)
    assert load_one(f"x={tmp_path}").labels == (0, 1, 0)
    assert load_one(f"imagenet={tmp_path}").labels == (1, 1)
    for number, labels in enumerate(([0], [1, 1])):
        write_parquet(tmp_path / "all" / f"part{number}.parquet", labels, features)
    assert load_one(f"x={tmp_path / 'all'}").labels == (0, 1, 1)
    (tmp_path / "data" / "validation-00000-of-00001.parquet").rename(
        tmp_path / "data/validation-00000-of-00002.parquet"
    )
    assert_error((1, 2), f"food101={tmp_path}")


def test_a_folder_of_images_for_each_class(tmp_path: Path):
    """A class may have the name of a split; hidden files and files other than images are ignored."""
    write_folders(tmp_path, {"train": 2, "sea_side": 1, "test": 1})
    (tmp_path / "sea_side" / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "train" / "._0.png").write_bytes(b"x")
    task = load_one(f"mine={tmp_path}")
    assert task.classes == ("sea side", "test", "train")
    assert task.labels == (0, 1, 2, 2)
    assert task.open_image(3).getpixel((0, 0)) == (20, 0, 235)
    (tmp_path / "classes.txt").write_text("shore\nexam\n\nlocomotive\n")
    assert load_one(f"mine={tmp_path}").classes == ("shore", "exam", "locomotive")


def test_numbers_need_names(tmp_path: Path):
    features = {"image": datasets.Image(), "label": datasets.Value("int64")}
    where = write_parquet(tmp_path / "x.parquet", [1, 0], features)
    assert_error("/classes.txt'", f"x={where}")
    (tmp_path / "classes.txt").write_text("only\n")
    assert_error(1, f"x={where}")
    (tmp_path / "classes.txt").write_text("first\nsecond\n")
    task = load_one(f"x={where}")
    assert (task.classes, task.labels) == (("first", "second"), (1, 0))


def test_plain_structs_of_bytes_are_images(tmp_path: Path):
    """Only `datasets` marks columns of images in the parquet files that it writes."""
    import io

    import pyarrow as pa
    from pyarrow import parquet

    buffer = io.BytesIO()
    picture(5).save(buffer, "PNG")
    content = pa.table({"image": [{"bytes": buffer.getvalue(), "path": None}], "label": [0]})
    parquet.write_table(content, tmp_path / "x.parquet")
    (tmp_path / "classes.txt").write_text("first\n")
    assert load_one(f"x={tmp_path / 'x.parquet'}").open_image(0).getpixel((0, 0)) == (100, 0, 155)


def test_templates_replace_prompts(tmp_path: Path):
    where = write_folders(tmp_path / "images", {"a_b": 1, "{}": 1})
    path = tmp_path / "t.txt"
    path.write_text("# comment\n\na {} here\n  the {}, {{big}}  \n".replace("{{big}}", "{big}"), encoding="utf-8")
    *_, toy, mine = load_transfer(f"toy,mine={where}", templates=path)
    assert mine.texts == (("a a b here", "the a b, {big}"), ("a {} here", "the {}, {big}"))
    assert toy.texts == load_transfer("toy")[-1].texts
    for text, value in (
        ("a {}\nno place", "no place"),
        ("{} or {}", "{} or {}"),
        ("# nothing\n", "t.txt'"),
    ):
        path.write_text(text)
        assert_error(value, f"mine={where}", templates=path)
    path.write_bytes(b"\xff\xfe\xfa {}")
    assert_error("t.txt'", f"mine={where}", templates=path)
    assert_error("no.txt'", f"mine={where}", templates=tmp_path / "no.txt")


def test_what_cannot_be_used_is_named(tmp_path: Path):
    for spec in ("cifar10", "x=", "=y", "x=hub:", "toy,", "imagenet="):
        assert_error(("cifar100", "NAME=PATH"), spec)
    assert_error(("x", "'/nowhere'"), "x=/nowhere")
    assert_error("y" * 70, "x=" + "y" * 300)
    assert_error(("arrangement", "shape"), "toy,toy")
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("no picture")
    for path in (tmp_path / "empty", tmp_path / "text.txt"):
        assert_error(path.name, f"x={path}")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    assert_error("bad.parquet'", f"x={tmp_path / 'bad.parquet'}")
    write_parquet(tmp_path / "none.parquet", [])
    assert_error("none.parquet'", f"x={tmp_path / 'none.parquet'}")
    number = datasets.Value("int64")
    write_parquet(tmp_path / "unnamed.parquet", [1], {"image": datasets.Image(), "n": number})
    assert_error(("ClassLabel", "image, n"), f"x={tmp_path / 'unnamed.parquet'}")
    assert_error("'fine_label'", f"cifar100={tmp_path / 'unnamed.parquet'}")
    datasets.Dataset.from_dict({"n": [1], "label": [0]}).to_parquet(tmp_path / "blind.parquet")
    assert_error("n, label", f"x={tmp_path / 'blind.parquet'}")
    write_parquet(tmp_path / "hidden.parquet", [-1, 0])
    assert_error((-1, 3), f"x={tmp_path / 'hidden.parquet'}")
    write_folders(tmp_path / "ids", {"n01440764": 1, "n01443537": 1})
    assert_error("n01440764", f"imagenet={tmp_path / 'ids'}")


def test_images_that_cannot_be_read(tmp_path: Path):
    write_folders(tmp_path / "images", {"a": 2})
    (tmp_path / "images/a/0.png").write_bytes(b"no picture")
    task = load_one(f"x={tmp_path / 'images'}")
    (tmp_path / "images/a/1.png").unlink()
    for i, why in enumerate(("not an image that can be decoded", "the file does not exist")):
        with raises(DataError, f"/images/a/{i}.png", why):
            task.open_image(i)
    assert task.image_key(1) == "unreadable"


def test_the_fingerprint_follows_prompts_labels_and_images(tmp_path: Path):
    def fingerprint(**options) -> str:
        return load_one(f"x={tmp_path / 'x'}", **options).fingerprint

    write_folders(tmp_path / "x", {"a": 2, "b": 2})
    (tmp_path / "t.txt").write_text("the {}")
    seen = {fingerprint(), fingerprint(templates=tmp_path / "t.txt"), fingerprint(limit=2)}
    assert fingerprint() in seen
    picture(9).save(tmp_path / "x/b/1.png")
    seen.add(fingerprint())
    (tmp_path / "x/b/1.png").rename(tmp_path / "x/a/2.png")
    assert len({*seen, fingerprint()}) == 5
    where = write_parquet(tmp_path / "x.parquet", [0, 1])
    keys = [load_one(f"x={where}").image_key(i) for i in range(2)]
    assert keys[0] != keys[1]
    write_parquet(where, [0, 1, 1])  # a new file with the same name
    assert [load_one(f"x={where}").image_key(i) for i in range(3)][:2] == keys


@given(st.integers(1, 30), st.integers(0, 100))
def test_limits_keep_the_proportions_of_the_classes(limit: int, seed: int):
    from interp.data.transfer import _draw

    labels = [0, 1] * 5 + [2] * 10
    rows, notes = _draw("x", labels, limit, seed)
    assert rows == sorted(set(rows)) == _draw("x", labels, limit, seed)[0]
    assert len(rows) == min(limit, 20)
    counts = Counter(labels[row] for row in rows)
    for label, share in ((0, 0.25), (1, 0.25), (2, 0.5)):
        assert abs(counts[label] - share * min(limit, 20)) <= 1
    assert notes == ((f"{limit} of the 20 images of x are used",) if limit < 20 else ())


def test_limited_images_keep_their_labels(tmp_path: Path):
    where = write_parquet(tmp_path / "x.parquet", [0, 1, 2, 0, 1, 2, 0, 1])
    whole, part = load_one(f"x={where}"), load_one(f"x={where}", limit=3, seed=4)
    keys = [whole.image_key(i) for i in range(8)]
    rows = [keys.index(part.image_key(i)) for i in range(3)]
    assert rows == sorted(rows)
    assert part.labels == tuple(whole.labels[row] for row in rows)
    assert [part.open_image(i).tobytes() for i in range(3)] == [whole.open_image(row).tobytes() for row in rows]
    assert part.notes == ("3 of the 8 images of x are used",)


@pytest.mark.slow
def test_the_toy_tasks_share_their_images():
    tasks = shape, colour, _, place = load_transfer("toy", limit=20)
    assert [task.name for task in tasks] == ["shape", "colour", "arrangement", "place"]
    assert [len(task.classes) for task in tasks] == [8, 8, 4, 10]
    assert len({tuple(task.image_key(i) for i in range(20)) for task in tasks}) == 1
    assert len({colour.image_key(i) for i in range(20)}) == 20
    assert len({task.fingerprint for task in tasks}) == 4
    assert "a circle" in shape.texts[0]
    assert colour.open_image(3).tobytes() == place.open_image(3).tobytes()
    assert "picture of the harbour" in place.texts[0]
    assert load_transfer("toy", limit=20)[1].labels == colour.labels
    assert load_transfer("toy", limit=20, seed=1)[1].labels != colour.labels


def test_images_need_no_torch():
    code = "import sys; from interp.data import transfer; transfer.load_transfer('toy'); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_no_set_is_asked_for_on_data_of_ones_own():
    assert default_sets("toy") == "toy"
    assert default_sets("concadia:data/concadia") == "cifar100,food101,imagenet"
    for data in ("csv:pairs.csv", "hf:owner/name"):
        assert default_sets(data) == ""
    assert load_transfer("") == []
