"""The page takes the names of the kinds of text and of the methods from the sweep."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from html5lib import HTMLParser, treebuilders

from interp.data.contrast import Contrast
from interp.measures import MethodName
from interp.report.page import controls
from interp.report.page.page import page
from interp.report.sweep_run import SweepRun, load_sweep
from interp.runs.files import StoreError
from tests.report.hostile import fill
from tests.run_folders import reseal, rewrite, write_sweep
from tests.wording import raises

COLOURS = Contrast("red", "blue")
CITED = "Updating CLIP to Prefer Descriptions Over Captions"


@pytest.fixture
def coloured(tmp_path: Path) -> SweepRun:
    """Return a sweep of red and blue texts."""
    write_sweep(tmp_path / "run", layers=(6,), sizes=(4,))
    fill(tmp_path / "run")
    for path in (tmp_path / "run").rglob("*.json"):
        text = path.read_text().replace("c2d", COLOURS.short("up")).replace("d2c", COLOURS.short("down"))
        path.write_text(text.replace('"description"', '"red"').replace('"caption"', '"blue"'))
    reseal(tmp_path / "run")
    path = tmp_path / "run" / "examples.json"
    path.write_text(path.read_text().replace('"red"', '"positive"').replace('"blue"', '"negative"'))
    cell = next((tmp_path / "run" / "cells").iterdir())
    content = json.loads(cell.read_text())
    content["measures"]["iia_b2r"] = 1.0
    rewrite(cell, content)
    reseal(tmp_path / "run")
    return load_sweep(tmp_path / "run")


def words_of(text: str) -> str:
    document = HTMLParser(tree=treebuilders.getTreeBuilder("etree"), namespaceHTMLElements=False).parse(text)
    for parent in list(document.iter()):
        for child in [element for element in parent if element.tag in ("script", "style")]:
            parent.remove(child)
    labels = [value for element in document.iter() for name, value in element.attrib.items() if name == "aria-label"]
    return " ".join(" ".join([*document.itertext(), *labels]).split())


def test_kinds_of_text_are_called_what_the_sweep_calls_them(coloured: SweepRun):
    assert coloured.contrast == COLOURS
    text = words_of(page(coloured))
    assert "description" not in text.replace(CITED, "").lower()
    assert "caption" not in text.replace(CITED, "").lower()
    for phrase in (
        COLOURS.swap("up"),
        COLOURS.swap("down"),
        COLOURS.arrow("up"),
        "blue to red",
        "the model itself scores red above blue in",
    ):
        assert phrase in text
    assert "an IIA of 99 % from blue to red" in text
    assert "from blue to red: 100.0 % [40.0 60.0]" in text


def test_rows_of_the_evidence_are_the_methods_of_the_sweep(coloured: SweepRun, monkeypatch: pytest.MonkeyPatch):
    assert [subspace.title for subspace in controls.evidence(coloured).frozen.subspaces] == [
        "subspace found by DAS",
        "principal components",
        "difference in means",
        "random subspaces",
        "the whole stream, paired",
        "nothing",
    ]
    methods = (MethodName("probe", "probe", "found by a probe"), MethodName("pca", "pc", "<b>components</b>"))
    monkeypatch.setitem(vars(coloured), "methods", methods)  # read together with the run
    shown = controls.evidence(coloured).frozen
    assert [(subspace.title, subspace.key) for subspace in shown.subspaces] == [
        ("found by a probe", ""),
        ("<b>components</b>", "pca"),
        ("the whole stream, paired", "whole"),
        ("nothing", "size0"),
    ]
    assert len(shown.picture.rows) == 4
    text = page(coloured)
    assert "<b>" not in text


def test_a_measure_that_no_cell_has_is_one_line(coloured: SweepRun):
    path = coloured.folder.path
    manifest = json.loads((path / "manifest.json").read_text())
    manifest["settings"]["methods"] = [["das", "das", "found"], ["dii-probe", "probe", "found by a probe"]]
    (path / "manifest.json").write_text(json.dumps(manifest))
    reseal(path)
    with raises(StoreError, '"iia_dii_probe"'):
        load_sweep(path)
