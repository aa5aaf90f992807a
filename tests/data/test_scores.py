from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.data.pairs import DataError
from interp.data.scores import read_pair_scores, read_text_scores
from tests.wording import raises

PAIRS = "filename,description_clipscore,caption_clipscore\n"
TEXTS = "description,clipscore\n"
keys = (
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
    .map(str.strip)
    .filter(lambda key: any(letter.isprintable() for letter in key))  # a key of invisible letters is an empty cell
)
scores = st.floats(-1e50, 1e50)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "scores.csv"


@given(st.dictionaries(keys, st.tuples(scores, scores), min_size=1, max_size=8), st.booleans())
def test_what_is_written_is_read(table, clip):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "scores.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(
                ["more", "filename", *(f"{kind}_{'clip' * clip}score" for kind in ("description", "caption"))]
            )
            writer.writerows(["x", key, *map(repr, pair)] for key, pair in table.items())
        assert read_pair_scores(path) == table
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow([f"{'clip' * clip}score", "description"])
            writer.writerows([repr(pair[1]), key] for key, pair in table.items())
        assert read_text_scores(path) == {key: pair[1] for key, pair in table.items()}


def test_both_forms_of_columns(path: Path):
    path.write_text("﻿Filename, Description_Score ,caption_score\n\na.jpg,0.25,-0.5\n", encoding="utf-8")
    assert read_pair_scores(path) == {"a.jpg": (0.25, -0.5)}
    path.write_text("description,score,clipscore\na,0.2,0.5\n")
    assert read_text_scores(str(path)) == {"a": 0.5}
    for column in ("clipscore", "SPURTS_score"):  # as Kreiss et al. 2022 publish them
        path.write_text(f"texts,text_controls,{column},MIMA_score\nA b,a b,0.25,0.5\n")
        assert read_text_scores(path) == {"A b": 0.25}
    path.write_text("filename,description_clipscore,caption_score\na.jpg,0.5,0.2\n")  # two scales at once
    with raises(DataError, "description_clipscore", "caption_clipscore"):
        read_pair_scores(path)


def test_repeated_rows_must_agree(path: Path):
    path.write_text(f"{TEXTS}a text,0.5\nother,0.5\na text,0.50\n")
    assert read_text_scores(path) == {"a text": 0.5, "other": 0.5}
    path.write_text(f"{TEXTS}a text,0.5\na text,0.6\n")
    with raises(DataError, 3, "'a text'"):
        read_text_scores(path)
    path.write_text(f"{PAIRS}a.jpg,1,2\na.jpg,2,1\n")
    with raises(DataError, 3, "'a.jpg'"):
        read_pair_scores(path)


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", ()),
        (b"text,clipscore\na,1\n", "text, clipscore"),
        (b"description\nwith\nmany lines\n", "clipscore"),
        (PAIRS.encode() + b"a.jpg,1,2\n", ()),
        (TEXTS.encode(), ()),
        (TEXTS.encode() + b"a,high\n", (2, "'high'")),
        (TEXTS.encode() + b"a,1\nb,nan\n", (3, "'nan'")),
        (TEXTS.encode() + b"a,-inf\n", (2, "'-inf'")),
        (TEXTS.encode() + b"a,1e308\n", (2, "'1e308'", "clipscore")),
        (TEXTS.encode() + b"a,-1e51\n", (2, "'-1e51'")),
        (TEXTS.encode() + b"a,\n", 2),
        (TEXTS.encode() + b'a,"1\n2"\n', (2, "'1 2'")),
        (TEXTS.encode() + b" ,1\n", 2),
        (TEXTS.encode() + b"a\n", (2, 1)),
        (b"description,clipscore,clipscore\na,1,2\n", "'clipscore'"),
        (TEXTS.encode() + b'a,"1', 2),
        (TEXTS.encode() + b"\xff,1\n", 2),
        (b'"' + b"line\n" * 400 + b'"\n', ()),
    ],
)
def test_malformed_files_are_named(path: Path, content: bytes, value: object):
    path.write_bytes(content)
    with raises(DataError, str(path), value) as caught:
        read_text_scores(path)
    assert len(str(caught.value)) < 600


def test_files_that_are_not_there_or_of_the_other_kind(path: Path):
    for reader in (read_pair_scores, read_text_scores):
        with raises(DataError, "none.csv"):
            reader(path.parent / "none.csv")
        with raises(DataError):
            reader(path.parent)
    path.write_text(f"{TEXTS}a,1\n")
    with raises(DataError):
        read_pair_scores(path)


def test_the_published_scores(published: Path):
    pairs = read_pair_scores(published / "concadia-sample" / "reference_clipscores.csv")
    assert len(pairs) == 200
    assert pairs["33382.jpg"] == (0.71875, 0.8037109375)
    texts = read_text_scores(published / "blv" / "reference_clipscores.csv")
    assert len(texts) == 70
    assert texts["The interior view of a dining room."] == 0.7841796875
