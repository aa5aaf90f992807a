from __future__ import annotations

import csv
import math
import shutil
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from interp import stats
from interp.data.blv import QUESTIONS, RatedText, load_blv
from interp.data.pairs import DataError
from interp.data.scores import read_text_scores
from tests.wording import raises

HEADER = ["participant", "context", "description", "imgstem", *QUESTIONS.values()]
ROWS = [
    ["p1", "Roof", "A church.", "süd", "4", "5", "1", "3"],
    ["p1", "Dinner", "A table, laid.", "table.v2", "2", "2", "2", "2"],
    ["p2", "Roof", "A church.", "süd", "1", "4", "NA", ""],
    ["p2", "Cross", "A church.", "süd", "NA", "1", "1", "1"],
    ["p3", "Roof", "A church.", "süd", "2.5", "3", "2", ""],
]


def write(folder: Path, rows: list[list[str]], header: list[str] = HEADER) -> None:
    with (folder / "blv_ratings.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, ROWS)
    (tmp_path / "images").mkdir()
    for shade, name in enumerate(("süd.jpg", "table.v2.png")):
        Image.new("RGBA" if shade else "RGB", (30, 20), (200 * shade, 0, 90)).save(tmp_path / "images" / name)
    return tmp_path


def test_ratings_are_averaged_in_order_of_appearance(folder: Path):
    rated = load_blv(folder)
    assert rated.name == f"blv:{folder}"
    assert len(rated) == 3
    means = {"overall": 2.5, "imaginability": 4, "relevance": 1.5, "irrelevance": 3}
    church = RatedText("A church.", "Roof", "süd", means, ("p1", "p2", "p3"), rated.texts[0].answers)
    assert church.raters == 3
    assert rated.texts[0] == church
    assert [[str(rating) for rating in answer] for answer in zip(*church.answers.values(), strict=True)] == [
        ["4.0", "5.0", "1.0", "3.0"],
        ["1.0", "4.0", "nan", "nan"],
        ["2.5", "3.0", "2.0", "nan"],
    ]
    assert [text.context for text in rated.texts] == ["Roof", "Dinner", "Cross"]
    assert math.isnan(rated.texts[2].ratings["overall"])
    image = rated.open_image("table.v2")
    assert (image.size, image.mode, image.getpixel((3, 3))) == ((30, 20), "RGB", (200, 0, 90))


def clone_of(folder: Path, root: Path) -> Path:
    """Copy the ratings and images of a folder to the places that a clone of the authors' repository has."""
    for part, place in (
        ("blv_ratings.csv", "analyses/contextclip/context_blv_data.csv"),
        ("images", "behavioral_experiments/writing/data"),
    ):
        (root / place).parent.mkdir(parents=True)
        (shutil.copytree if (folder / part).is_dir() else shutil.copyfile)(folder / part, root / place)
    return root


def test_a_clone_of_the_repository_that_publishes_the_ratings(folder: Path, tmp_path_factory: pytest.TempPathFactory):
    clone = clone_of(folder, tmp_path_factory.mktemp("clone"))
    images = clone / "behavioral_experiments" / "writing" / "data"
    (images / "attentionchecks").mkdir()
    rated = load_blv(clone)
    assert (rated.texts, rated.fingerprint) == (load_blv(folder).texts, load_blv(folder).fingerprint)
    write(clone, ROWS[:2])  # a table with our name has priority, and then images need our name too
    with raises(DataError, "images"):
        load_blv(clone)
    (clone / "blv_ratings.csv").unlink()
    # like one of the published images: the file name has an accent, the name in the table has none
    (images / "table.v2.png").rename(images / "táble.v2.PNG")
    assert load_blv(clone).open_image("table.v2").getpixel((3, 3)) == (200, 0, 90)
    shutil.copyfile(images / "táble.v2.PNG", images / "tàble.v2.png")  # both files match
    with raises(DataError, "'table.v2'"):
        load_blv(clone)


texts = st.sampled_from(["a", "b", "ä ö", "two\nlines"])
answers = st.sampled_from(["1", "2", "3", "4", "5", "", "NA", " 2 "])


@given(st.lists(st.tuples(texts, texts, st.tuples(*[answers] * 4)), min_size=1, max_size=20))
def test_means_are_those_of_a_loop(rows):
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "images").mkdir()
        (Path(name) / "images" / "i.jpg").touch()
        write(Path(name), [["p", context, description, "i", *ratings] for description, context, ratings in rows])
        loaded = load_blv(name).texts
    assert [(text.description, text.context) for text in loaded] == list(dict.fromkeys(row[:2] for row in rows))
    for text in loaded:
        asked = [
            ratings
            for description, context, ratings in rows
            if (description, context) == (text.description, text.context)
        ]
        assert text.raters == len(asked)
        for mean, cells in zip(text.ratings.values(), zip(*asked, strict=True), strict=True):
            numbers = [float(cell) for cell in cells if cell not in ("", "NA")]
            assert mean == pytest.approx(sum(numbers) / len(numbers) if numbers else math.nan, nan_ok=True)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_names_of_images_in_either_form_of_unicode(folder: Path, form):
    before = load_blv(folder)
    fingerprint = before.fingerprint
    (folder / "images" / "süd.jpg").rename(folder / "images" / unicodedata.normalize(form, "süd.jpg"))
    written = [unicodedata.normalize(("NFC", "NFD")[i % 2], row[3]) for i, row in enumerate(ROWS)]
    write(folder, [[*row[:3], image, *row[4:]] for row, image in zip(ROWS, written, strict=True)])
    assert len(set(written)) == 3
    after = load_blv(folder)
    assert [text.image for text in after.texts] == [text.image for text in before.texts]
    assert after.fingerprint == fingerprint
    assert after.open_image("süd").size == (30, 20)


def test_the_fingerprint_follows_texts_ratings_and_images(folder: Path):
    seen = [load_blv(folder).fingerprint]
    assert load_blv(folder).fingerprint == seen[0]
    for change in (["A chapel.", *ROWS[1][3:]], ["A table, laid.", "table.v2", "2", "2", "2", "3"]):
        write(folder, [ROWS[0], [*ROWS[1][:2], *change], *ROWS[2:]])
        seen.append(load_blv(folder).fingerprint)
    write(folder, [*ROWS, ["p4", "Cross", "A church.", "süd", "", "", "", ""]])
    seen.append(load_blv(folder).fingerprint)
    write(folder, ROWS)
    image = folder / "images" / "süd.jpg"
    content = bytearray(image.read_bytes())
    content[-20] ^= 1  # as many bytes as before
    image.write_bytes(content)
    seen.append(load_blv(folder).fingerprint)
    assert len(set(seen)) == 5


@pytest.mark.parametrize("cell", ["6", "0", "0.9", "nan", "inf", "four", "n/a", "-", "3\n4"])
def test_what_is_no_rating_is_named_with_its_row(folder: Path, cell: str):
    write(folder, [*ROWS[:2], [*ROWS[2][:5], cell, "1", "1"], *ROWS[3:]])
    with raises(DataError, "blv_ratings.csv", 4, "q_reconstructivity", 1, 5):
        load_blv(folder)


@pytest.mark.parametrize(
    ("spoil", "value"),
    [
        (shutil.rmtree, "github.com/elisakreiss/contextual-description-evaluation"),
        (lambda f: (f / "blv_ratings.csv").unlink(), "blv_ratings.csv"),
        (
            lambda f: (f / "blv_ratings.csv").write_text(""),
            "blv_ratings.csv",
        ),
        (lambda f: write(f, ROWS, [*HEADER[:-1], "q_imgfit"]), ("q_irrelevance", "q_imgfit")),
        (lambda f: write(f, []), ()),
        (lambda f: write(f, [*ROWS, ["p", "", *ROWS[0][2:]]]), 7),
        (lambda f: write(f, [ROWS[0][:-2]]), (2, 6, 8)),
        (lambda f: (f / "blv_ratings.csv").write_text('context,"descr'), 1),
        (lambda f: (f / "blv_ratings.csv").write_bytes(b"\xff\xc0c\0"), 1),
        (lambda f: shutil.rmtree(f / "images"), ()),
        (lambda f: (f / "images" / "süd.jpg").unlink(), "'süd'"),
    ],
)
def test_what_is_missing_or_malformed_is_named(folder: Path, spoil, value: object):
    spoil(folder)
    with raises(DataError, value):
        load_blv(folder)


def test_images_that_cannot_be_read(folder: Path):
    rated = load_blv(folder)
    key = rated.image_key("süd")
    (folder / "images" / "süd.jpg").write_bytes(b"no picture")
    with raises(DataError, "'süd'"):
        rated.open_image("süd")
    assert rated.image_key("süd") not in (key, "unreadable")
    (folder / "images" / "süd.jpg").unlink()
    with raises(DataError, "'süd'"):
        rated.open_image("süd")
    assert rated.image_key("süd") == "unreadable"


def test_the_published_ratings(published: Path):
    """Golden: Pearson r with the mean ratings, published for the CLIPScores; a text's length does far better."""
    rated = load_blv(published / "blv")
    assert (len(rated), sum(text.raters for text in rated.texts)) == (68, 272)
    assert len({text.image for text in rated.texts}) == 18
    assert rated.open_image(rated.texts[0].image).mode == "RGB"
    scores = read_text_scores(published / "blv" / "reference_clipscores.csv")
    clip = [scores[text.description] for text in rated.texts]
    length = [len(text.description) for text in rated.texts]
    ratings = {question: [text.ratings[question] for text in rated.texts] for question in QUESTIONS}
    correlations = {question: round(stats.pearson(clip, ratings[question]), 3) for question in QUESTIONS}
    assert correlations == {"overall": 0.075, "imaginability": 0.105, "relevance": 0.085, "irrelevance": 0.089}
    assert round(stats.pearson(length, ratings["overall"]), 2) == 0.57
    images = [text.image for text in rated.texts]
    gap = stats.difference(length, clip, ratings["overall"], images)
    assert gap.low > 0
    assert stats.difference(length, clip, ratings["overall"], images, given=length).n == 68
