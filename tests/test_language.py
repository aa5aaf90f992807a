"""Docstrings have a head, names say what they hold, and no text has words that a colleague would not use."""

from __future__ import annotations

import ast
import json
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("interp", "training", "figures", "benchmarks", "docs", "tests")
CODE = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
PAGES = sorted(
    path
    for path in (
        *ROOT.glob("*.md"),
        *(ROOT / name for name in ("Makefile", "mkdocs.yml", "setup.cfg")),
        *(path for room in ("docs", "notebooks") for kind in ("*.md", "*.ipynb") for path in (ROOT / room).rglob(kind)),
        *(path for room in ROOMS for kind in ("*.j2", "*.js", "*.css") for path in (ROOT / room).rglob(kind)),
    )
    if path.name != "changelog.md"
)
HEADLESS = re.compile(r"(What|Which|Whose|Whether|Of|By|As|Those|In|From)\b")
NO_VERB = re.compile(r"(The|A|An|All|Each|Every|If|How|Where|When|Why|Nothing|No|Some|That|This|It|Two)\b")
UNUSED = re.compile(
    r"\b(anew|beside|likewise|whoever|nobody|shall|mend|heed|is said|is named|is told|to be had|comes of)\b",
    re.IGNORECASE,
)
NAMES = {"of", "one", "some", "found", "said", "own", "known", "told"}
WORD_LISTS = {  # their strings are data: English words and texts
    "interp/data/words.py",
    "interp/check/at_length.py",
    "tests/test_language.py",
}


def docstrings(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield each docstring, and whether it must begin with a verb: properties have nouns, and tests state facts."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
            marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]
            is_property = {"property", "cached_property"} & set(marks)
            yield text, isinstance(node, ast.FunctionDef) and not is_property and not node.name.startswith("test_")


def texts(path: Path, tree: ast.Module) -> Iterator[str]:
    """Yield comments and strings, docstrings among them."""
    with path.open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def bound(tree: ast.Module) -> Iterator[str]:
    """Yield local variables and parameters."""
    fields = {field for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for field in node.body}
    hidden = {id(field.target) for field in fields if isinstance(field, ast.AnnAssign)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in hidden:
            yield node.id
        if isinstance(node, ast.arg):
            yield node.arg


def faults(path: Path, *, words: bool = True) -> list[str]:
    """List docstrings without a head, unused words, and names that say nothing.

    Args:
        path: module.
        words: False for a module of word lists.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = [
        text.splitlines()[0]
        for text, of_function in docstrings(tree)
        if HEADLESS.match(text) or (of_function and NO_VERB.match(text))
    ]
    if words:
        lines += [f"{word[0]} in: {text[:100]}" for text in texts(path, tree) for word in UNUSED.finditer(text)]
    return lines + [f"name: {name}" for name in bound(tree) if name in NAMES]


def unused_words(path: Path) -> list[str]:
    """List unused words of a page; a notebook has them in its markdown."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return [f"{word[0]} in: {text[max(0, word.start() - 40) : word.end() + 40]}" for word in UNUSED.finditer(text)]


def test_code_is_plain():
    assert len(CODE) > 300
    every = {str(path.relative_to(ROOT)): path for path in CODE}
    assert {name: lines for name, path in every.items() if (lines := faults(path, words=name not in WORD_LISTS))} == {}


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_code_of_notebooks_is_plain(notebook: Path, tmp_path: Path):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    (tmp_path / "code.py").write_text(re.sub(r"^%.*", "", code, flags=re.MULTILINE), encoding="utf-8")
    assert faults(tmp_path / "code.py") == []


def test_pages_are_plain():
    assert len(PAGES) > 60
    assert {str(path.relative_to(ROOT)): lines for path in PAGES if (lines := unused_words(path))} == {}


@pytest.mark.parametrize(
    "code",
    [
        '"""Of a run."""',
        'def f():\n    """The mean."""',
        'class A:\n    """What it is."""',
        "# written anew\n",
        '"""A run. Nobody reads it."""',
        'raise ValueError("mend the file")',
        'print(f"{1} beside {2}")',
        "found = 1",
        "def f(own): ...",
        "[one for one in range(3)]",
    ],
)
def test_a_spoiled_module_is_found(tmp_path: Path, code: str):
    path = tmp_path / "module.py"
    path.write_text(code)
    assert len(faults(path)) == 1


def test_a_spoiled_page_is_found(tmp_path: Path):
    page, notebook = tmp_path / "page.md", tmp_path / "notebook.ipynb"
    page.write_text("A table beside a picture.")
    cells = [{"cell_type": "markdown", "source": ["Nobody ", "reads it."]}, {"cell_type": "code", "source": ["# anew"]}]
    notebook.write_text(json.dumps({"cells": cells}))
    assert [len(unused_words(path)) for path in (page, notebook)] == [1, 1]


def test_plain_ones_pass(tmp_path: Path):
    path = tmp_path / "module.py"
    body = '"""Run."""\n\n    own: int\n\n    @property\n    def b(self):\n        """The mean."""\n'
    path.write_text(f'"""A run."""\n\n\nclass A:\n    {body}')
    assert faults(path) == []
