from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from interp.data.norms import SOURCES, load_norm, load_norms, main
from interp.data.pairs import DataError

FINGERPRINTS = {  # of the ratings as Python's own csv.DictReader reads them
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
    """From the published tables: MRC rates circle 591; Brysbaert et al. rate justice 1.45 and circle 4.46."""
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


GLASGOW = """Words,Length,AROU,,,VAL,,,IMAG,,,FAM,,
,,M,SD,N,M,SD,N,M,SD,N,M,SD,N
abattoir,8,4.2,1.2,32,2.5,1.5,33,5.412,1.6,34,4.3,1.9,31
bank,4,3.9,1.1,32,5.5,1.5,33,6.1,0.6,34,6.3,0.9,31
bank (river),4,3.9,1.1,32,5.5,1.5,33,1.0,0.6,34,6.3,0.9,31
"""


def test_the_glasgow_file_as_published(tmp_path: Path):
    path = tmp_path / "glasgow.csv"
    path.write_text(GLASGOW)
    assert load_norm(f"glasgow-imageability={path}").ratings == {"abattoir": 5.412, "bank": 6.1}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("mine", "word,rating\na,1\n", "has no column value; it needs word, value, it has: word, rating"),
        ("mine", "word,value\na,high\n", "row 2, value: 'high' is not a number"),
        ("mine", "word,value\na\n", "row 2, has 1 cell, expected 2: value is missing"),
        ("mine", "", "is empty; its first row must name the columns"),
        ("mine", "word,value\n,1\n", "row 2, word: is empty; fill it in"),
        ("mine", "word,value\na,nan\n", "row 2, value: 'nan' is not a number"),
        ("mine", "word;value\na;1\n", "it has: word;value .are its cells divided by semicolons"),
        ("mine", "word,value,,\na,1\n", "row 2, has 2 cells, expected 4: column 3 is missing"),
        ("mine", "word,value,\na,1,,\n", "row 2, has 4 cells, expected 3: something comes after column 3"),
        ("glasgow-imageability", "word,value\na,1\n", "is not the Glasgow norms file"),
        ("glasgow-imageability", GLASGOW.replace("5.412", "x"), "row 3, imag m: 'x' is not a number"),
    ],
)
def test_malformed_files_are_named(tmp_path: Path, name: str, content: str, message: str):
    path = tmp_path / "norm.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        load_norm(f"{name}={path}")


def test_names_and_files_that_are_not_there(tmp_path: Path):
    with pytest.raises(DataError, match="unknown norm 'valence'; known: imageability"):
        load_norm("valence")
    with pytest.raises(DataError, match=r"cannot read '.*none\.csv': No such file"):
        load_norm(f"mine={tmp_path}/none.csv")
    (tmp_path / "latin.csv").write_bytes(b"word,value\n\xff,1\n")
    with pytest.raises(DataError, match="row 2, word: is not text in UTF-8"):
        load_norm(f"mine={tmp_path}/latin.csv")


def test_names_of_norms(tmp_path: Path):
    path = tmp_path / "n.csv"
    path.write_text("word,value\na,1\n")
    assert [norm.name for norm in load_norms(f"imageability, x-1={path}")] == ["imageability", "x-1"]
    for spec in (f"a/b={path}", f"={path}"):
        with pytest.raises(DataError, match="name it with letters, digits"):
            load_norms(spec)
    with pytest.raises(DataError, match="'mine' is used twice"):
        load_norms(f"mine={path},mine={path}")


def test_norms_are_listed(capsys: pytest.CaptureFixture[str]):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(SOURCES)]] == list(SOURCES)
    for name, line in zip(SOURCES, lines[1:], strict=False):
        values = load_norm(name).ratings.values()
        assert load_norm(name).source in line
        assert line.split()[-3:] == [f"{len(values):,}", f"{min(values):g}", f"{max(values):g}"]
    assert main(["show"]) == 2
    assert "unknown action 'show'; known: list" in capsys.readouterr().err
