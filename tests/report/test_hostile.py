"""With any content of a run folder, its page has no foreign markup, or the command fails with one line."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from html5lib import HTMLParser, treebuilders

from interp.report.page.page import page
from interp.report.sweep_run import load_sweep
from interp.runs.files import StoreError
from tests.report.hostile import CELL, FILES, fields, outcome, with_value, write_whole
from tests.run_folders import rewrite
from tests.wording import raises

pytestmark = pytest.mark.slow

MARKUP = "</td><script>alert(1)</script>"
HOSTILE = {
    "markup": MARKUP,
    "attribute": '"><img src=x onerror="alert(1)" x="',
    "words": "a' onfocus=alert(1) autofocus b='",
    "template": "{{ 7 * 7 }}{% raw %}",
    "surrogate": "\ud800</script>",
    "list": [MARKUP],
    "dict": {MARKUP: MARKUP},
}
VARIANTS = ("words", "template", "dict")


def _marked(name: str) -> Any:
    """Return a hostile value; variants of other values are for thorough runs."""
    return pytest.param(HOSTILE[name], marks=[pytest.mark.thorough] if name in VARIANTS else [], id=name)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_whole(tmp_path_factory.mktemp("runs") / "run")


def assert_harmless(text: str, where: object) -> None:
    document = HTMLParser(tree=treebuilders.getTreeBuilder("etree"), namespaceHTMLElements=False).parse(text)
    assert [element.get("type") for element in document.iter("script")] in (
        ["application/json", "application/json", None],
        ["application/json", None],
    ), where
    names = [name for element in document.iter() for name in element.attrib]
    assert not [name for name in names if str(name).lower().startswith("on")], where


@pytest.mark.parametrize("hostile", map(_marked, HOSTILE))
@pytest.mark.parametrize("name", FILES)
def test_no_value_becomes_markup(run: Path, tmp_path: Path, name: str, hostile: Any):
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    file = folder / name
    content = json.loads(file.read_text())
    for path in fields(content):
        rewrite(file, with_value(content, path, hostile))
        errors, text = outcome(folder)
        assert len(errors.splitlines()) <= 1, path
        assert bool(errors) != bool(text), path
        if text:
            assert_harmless(text, path)


@pytest.mark.parametrize(
    "hostile", [MARKUP, [1], {"a": 1}, True, 1e400, 10**400, "7"], ids=lambda value: str(value)[:20]
)
def test_what_is_no_number_is_one_line(run: Path, tmp_path: Path, hostile: Any):
    """The values are a count of the chosen cell's words and a measure."""
    folder = Path(shutil.copytree(run, tmp_path / "run"))
    content = json.loads((folder / CELL).read_text())
    for path in (
        ("words", "full", "red", 1),
        ("words", "through", "red", 0),
        ("measures", "iia_pca"),
        ("cell", "size"),
    ):
        rewrite(folder / CELL, with_value(content, path, hostile))
        with raises(StoreError, Path(CELL).name, f'["{path[0]}"]'):
            page(load_sweep(folder))


def test_only_assets_are_marked_safe():
    report = Path(str(files("interp.report")))
    templates = "".join(path.read_text() for path in sorted((report / "templates").iterdir()))
    code = "".join(path.read_text() for path in sorted(report.glob("*.py")))
    assert templates.count("safe}}") + templates.count("|safe") + templates.count("| safe") == 2
    assert "{{ css|safe }}" in templates
    assert "{{ js|safe }}" in templates
    assert "autoescape" not in templates
    assert "Markup" not in code
