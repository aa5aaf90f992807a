from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.data.norms import SOURCES, load_norm, load_norms, main
from interp.data.pairs import DataError
from tests.wording import raises, refused

FINGERPRINTS = {  # fingerprints of the ratings that Python's csv.DictReader reads
    "imageability": "57ef2f9cdfc65141",
    "mrc-familiarity": "01e7edeaace2cec1",
    "concreteness": "1148985e08017d15",
    "glasgow-concreteness": "8908a1fd84b0a07e",
    "mrc-concreteness": "217ad120e50b07a2",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_norms_that_come_with_the_package(name: str):
    norm = load_norm(name)
    assert norm.fingerprint == FINGERPRINTS[name]
    assert len(norm.ratings) > 3000
    assert all(word == word.lower() for word in norm.ratings)


def test_golden_ratings():
    """The published tables say: MRC rates circle 591; Brysbaert et al. rate justice 1.45 and circle 4.46."""
    assert load_norm("imageability").ratings["circle"] == 591
    assert load_norm("mrc-concreteness").ratings["circle"] > 450
    concreteness = load_norm("concreteness").of(["Circle", "justice", "qqq"])
    assert concreteness[0] > 4 > 2.5 > concreteness[1]
    assert np.isnan(concreteness[2])


def test_the_shipped_table_is_the_published_one(published: Path):
    import interp.data

    shipped = Path(interp.data.__file__).parent / "assets" / "mrc.csv"
    assert shipped.read_bytes() == (published / "norms" / "mrc.csv").read_bytes()


def test_any_table_of_words_and_values(tmp_path: Path):
    path = tmp_path / "mine.csv"
    path.write_text("﻿id,Word,Value\n1,Star,2.5\n2,moon,\n3,sun,-1\n")
    norm = load_norm(f"mine={path}")
    assert norm.ratings == {"star": 2.5, "sun": -1}
    assert (norm.name, norm.source) == ("mine", "file mine.csv")


GLASGOW = """Words,Length,AROU,,,VAL,,,IMAG,,,FAM,,,AOA,,
,,M,SD,N,M,SD,N,M,SD,N,M,SD,N,M,SD,N
abattoir,8,4.2,1.2,32,2.5,1.5,33,5.412,1.6,34,4.3,1.9,31,4.8,1.0,30
bank,4,3.9,1.1,32,5.5,1.5,33,6.1,0.6,34,6.3,0.9,31,2.9,1.0,30
bank (river),4,3.9,1.1,32,5.5,1.5,33,1.0,0.6,34,6.3,0.9,31,4.4,1.0,30
"""


def test_the_glasgow_file_as_published(tmp_path: Path):
    path = tmp_path / "glasgow.csv"
    path.write_text(GLASGOW)
    assert load_norm(f"glasgow-imageability={path}").ratings == {"abattoir": 5.412, "bank": 6.1}
    assert load_norm(f"glasgow-familiarity={path}").ratings == {"abattoir": 4.3, "bank": 6.3}
    held = {norm.name: norm.ratings["bank"] for norm in load_norm(f"glasgow-imageability={path}").covariates}
    assert held == {"glasgow-familiarity": 6.3, "glasgow-age-of-acquisition": 2.9}
    path.write_text(GLASGOW.replace("AOA", "GEND"))
    for name in ("age-of-acquisition", "imageability"):  # the second holds the first constant
        with raises(DataError, "'AOA'"):
            load_norm(f"glasgow-{name}={path}")


@pytest.mark.parametrize(
    ("name", "other", "words", "r"),
    [("imageability", "imageability", 2505, 0.8901), ("concreteness", "concreteness", 4455, 0.9279)],
)
def test_the_glasgow_norms_agree_with_others_as_published(published: Path, name: str, other: str, words: int, r: float):
    glasgow = load_norm(f"glasgow-{name}={published / 'norms' / 'glasgow.csv'}").ratings
    rival = load_norm(other).ratings
    both = sorted(glasgow.keys() & rival.keys())
    assert len(both) == words
    correlation = np.corrcoef([glasgow[word] for word in both], [rival[word] for word in both])[0, 1]
    assert correlation == pytest.approx(r, abs=6e-5)


def test_the_glasgow_file_has_ages_and_familiarity(published: Path):
    path = published / "norms" / "glasgow.csv"
    for name, word, value in (("age-of-acquisition", "abattoir", 6.76), ("familiarity", "abbey", 3.324)):
        assert load_norm(f"glasgow-{name}={path}").ratings[word] == value


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("mine", "word,rating\na,1\n", "word, rating"),
        ("mine", "word,value\na,high\n", (2, "'high'")),
        ("mine", "word,value\na\n", (2, 1)),
        ("mine", "", ()),
        ("mine", "word,value\n,1\n", 2),
        ("mine", "word,value\na,nan\n", (2, "'nan'")),
        ("mine", "word|value\na|1\n", "word|value"),
        ("mine", "word,value,,\na,1\n", (2, 4, 3)),
        ("mine", "word,value,\na,1,,\n", (2, 4, 3)),
        ("glasgow-imageability", "word,value\na,1\n", ()),
        ("glasgow-imageability", GLASGOW.replace("5.412", "x"), (3, "'x'")),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, name: str, content: str, value: object):
    path = tmp_path / "norm.csv"
    path.write_text(content)
    with raises(DataError, value):
        load_norm(f"{name}={path}")


def test_names_and_files_that_are_not_there(tmp_path: Path):
    with raises(DataError, "'valence'"):
        load_norm("valence")
    with raises(DataError, "none.csv"):
        load_norm(f"mine={tmp_path}/none.csv")
    (tmp_path / "latin.csv").write_bytes(b"word,value\n\xff,1\n")
    with raises(DataError, 2):
        load_norm(f"mine={tmp_path}/latin.csv")


def test_names_of_norms(tmp_path: Path):
    path = tmp_path / "n.csv"
    path.write_text("word,value\na,1\n")
    assert [norm.name for norm in load_norms(f"imageability, x-1={path}")] == ["imageability", "x-1"]
    for spec in (f"a/b={path}", f"={path}"):
        with raises(DataError):
            load_norms(spec)
    with raises(DataError, "'mine'"):
        load_norms(f"mine={path},mine={path}")


def test_norms_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(SOURCES)]] == list(SOURCES)
    for name, line in zip(SOURCES, lines[1:], strict=False):
        values = load_norm(name).ratings.values()
        assert load_norm(name).source in line
        assert line.split()[-3:] == [f"{len(values):,}", f"{min(values):g}", f"{max(values):g}"]
    refused(main(["show"]), capsys, "'show'")
