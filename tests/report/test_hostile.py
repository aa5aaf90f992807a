"""Whatever stands in the files of a run folder, its page holds no markup but ours, or there is one line of an error."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from html5lib import HTMLParser, treebuilders
from PIL import Image

from interp.data.pairs import Pair, PairSet
from interp.errors import UserError
from interp.report.page import page
from interp.results.sweep_run import RATINGS, load_sweep
from interp.runs import directions
from interp.runs.directions import End, EndText, EndWord, Leading
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from tests.run_folders import reseal, rewrite, write_sweep

pytestmark = pytest.mark.slow

MARKUP = "</td><script>alert(1)</script>"
HOSTILE = {
    "markup": MARKUP, "attribute": '"><img src=x onerror="alert(1)" x="', "words": "a' onfocus=alert(1) autofocus b='",
    "template": "{{ 7 * 7 }}{% raw %}", "surrogate": "\ud800</script>", "list": [MARKUP], "dict": {MARKUP: MARKUP},
}  # fmt: skip
CELL = "cells/layer06-size004-seed0.json"
FILES = ("manifest.json", CELL, "examples.json", RATINGS, directions.FILE)
PAIR = Pair("p", "a red star", "the harbour", "test", "p")
ENDS = [
    End((EndText("description", PAIR.positive, 2.25, "p"),), (EndWord("red", 1.5, 7),)),
    End((EndText("caption", PAIR.negative, -1.25, "p"),), ()),
]


def fill(folder: Path) -> None:
    """What a sweep writes, and made-up runs lack."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"] |= {
        "model": "1a",
        "data": "2b",
        "pairs": 9,
        "device": "cpu",
        "contrast": ["description", "caption"],
    }
    manifest |= {
        "started": "then", "finished": "now", "seconds": 4.0, "python": "3.11", "git": "3c", "versions": {"torch": "2"},
        "machine": {"system": "Linux", "cpus": 2}, "resumed": [{"at": "later"}], "notes": ["a note"],
        "truncated": "3 texts were cut", "cells": ["layer06-size004-seed0", "layer09-size004-seed0"],
    }  # fmt: skip
    manifest["arguments"] |= {"data": "toy", "n_steps": 20, "limit": None}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)
    for path in folder.glob("cells/*.json"):
        cell = json.loads(path.read_text())
        ends = [f"iia_{name}_{end}" for name in ("pca", "means", "random", "whole", "size0") for end in ("c2d", "d2c")]
        cell["measures"] |= {"test_pairs": 9, "attribution_delta": 0.001, **dict.fromkeys(ends, 0.5)}
        cell["measures"] |= {"iia_c2d_low": 0.4, "iia_c2d_high": 0.6, "seconds": 1.0}
        rewrite(path, cell)
    pairs = PairSet("made up", (PAIR,), lambda pair: Image.new("RGB", (8, 8)), lambda pair: pair.id)
    place = Place.of(load_sweep(folder).best)
    directions.keep_directions(RunFolder(folder), place, (Leading("the first", 0.5, 0.75, *ENDS),), pairs)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    write_sweep(folder, layers=(6, 7), sizes=(4,), norms=("imageability",), texts=(("a red star", "the harbour"),))
    fill(folder)
    return folder


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values, lists and mappings too."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from fields(value[key], (*path, key))


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    spoiled = there = copy.deepcopy(content)
    for key in path[:-1]:
        there = there[key]
    there[path[-1]] = value
    return spoiled


def assert_harmless(text: str, where: object) -> None:
    document = HTMLParser(tree=treebuilders.getTreeBuilder("etree"), namespaceHTMLElements=False).parse(text)
    assert [one.get("type") for one in document.iter("script")] in (["application/json", None], [None]), where
    names = [name for element in document.iter() for name in element.attrib]
    assert not [name for name in names if str(name).lower().startswith("on")], where


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("name", FILES)
def test_no_value_becomes_markup(run: Path, tmp_path: Path, name: str, hostile: Any):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    file = folder / name
    content = json.loads(file.read_text())
    for path in fields(content):
        rewrite(file, with_value(content, path, hostile))
        said, text = outcome(folder)
        assert len(said.splitlines()) <= 1, path
        assert bool(said) != bool(text), path
        if text:
            assert_harmless(text, path)


def outcome(folder: Path) -> tuple[str, str]:
    """What the command says, or the page that it makes."""
    try:
        return "", page(load_sweep(folder))
    except UserError as error:
        return str(error), ""


@pytest.mark.parametrize("hostile", [MARKUP, [1], {"a": 1}, True, 1e400, 10**400, "7"], ids=lambda one: str(one)[:20])
def test_what_is_no_number_is_one_line(run: Path, tmp_path: Path, hostile: Any):
    """A count of the chosen cell's words and a measure, as the page got them unescaped or not at all."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    content = json.loads((folder / CELL).read_text())
    for path in (
        ("words", "full", "red", 1),
        ("words", "through", "red", 0),
        ("measures", "iia_pca"),
        ("cell", "size"),
    ):
        rewrite(folder / CELL, with_value(content, path, hostile))
        with pytest.raises(StoreError) as caught:
            page(load_sweep(folder))
        said = str(caught.value)
        assert Path(CELL).name in said
        assert "number" in said
        assert "remove the file and run the sweep" in said
        assert len(said.splitlines()) == 1


def test_only_assets_are_marked_safe():
    report = Path(str(files("interp.report")))
    templates = "".join(path.read_text() for path in sorted((report / "templates").iterdir()))
    code = "".join(path.read_text() for path in sorted(report.glob("*.py")))
    assert templates.count("safe}}") + templates.count("|safe") + templates.count("| safe") == 2
    assert "{{ css|safe }}" in templates
    assert "{{ js|safe }}" in templates
    assert "autoescape" not in templates
    assert "Markup" not in code
