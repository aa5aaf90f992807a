"""The section on directions in Z, for a made-up run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from html5lib import HTMLParser, treebuilders

from interp.report.page.page import page
from interp.report.sweep_run import load_sweep
from interp.runs.directions import FILE, PICTURES
from tests.report.hostile import fill
from tests.run_folders import rewrite, write_sweep


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "run", layers=(6,), sizes=(4,))
    fill(tmp_path / "run")
    return tmp_path / "run"


def section(folder: Path) -> Any:
    document = HTMLParser(tree=treebuilders.getTreeBuilder("etree"), namespaceHTMLElements=False).parse(
        page(load_sweep(folder))
    )
    (details,) = (element for element in document.iter("details") if element.get("id") == "directions")
    return details


def words_of(element: Any) -> str:
    return " ".join(" ".join(element.itertext()).split())


def test_words_texts_and_pictures_stand_at_their_ends(run: Path):
    details = section(run)
    assert words_of(next(details.iter("h3"))) == "1. The first: 50.0 % of the variance in Z, AUC 0.75"
    assert [words_of(element) for element in details.iter("h4")] == ["Upper end of 1", "Lower end of 1"]
    upper, lower = (element for element in details.iter("div") if element.get("class") == "end")
    (word,) = (words_of(row) for row in upper.iter("tr") if row.find("td") is not None)
    assert word == "red +1.50 7"
    assert [words_of(element) for element in upper.iter("li")] == ["a red star (description, +2.2)"]
    assert [words_of(element) for element in lower.iter("li")] == ["the harbour (caption, \N{MINUS SIGN}1.2)"]
    assert [image.get("alt") for image in details.iter("img")] == ["a red star"] * 2
    assert "No word is in so many texts" in words_of(lower)
    assert "in at least 5 texts of 3 articles" in words_of(details)
    assert "trained" not in words_of(details)


def test_what_is_missing_is_said(run: Path):
    (run / PICTURES / "0.jpg").unlink()
    details = section(run)
    assert not list(details.iter("img"))
    assert "The picture 0.jpg is missing. a red star" in words_of(details)


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (None, "a new run keeps them"),
        ({"cell": {"layer": 7, "size": 4, "seed": 0}}, "a new run keeps them"),  # another cell has been chosen since
        ({"directions": []}, "no direction in Z along which held-out texts differ"),
    ],
)
def test_where_nothing_is_known_a_sentence_says_so(run: Path, spoil: dict[str, Any] | None, sentence: str):
    content = json.loads((run / FILE).read_text())
    (run / FILE).unlink()
    if spoil is not None:
        rewrite(run / FILE, content | spoil)
    details = section(run)
    assert sentence in words_of(details)
    assert not list(details.iter("h3"))
