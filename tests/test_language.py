"""Docstrings have a head, and prose in code has no words that a colleague would not use."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(path for room in ("interp", "training", "figures", "benchmarks") for path in (ROOT / room).rglob("*.py"))
HEADLESS = re.compile(r"(What|Which|Whose|Whether|Of|By|As|Those|In|From)\b")
NO_VERB = re.compile(r"(The|A|An|All|Each|Every|If|How|Where|When|Why|Nothing|No|Some|That|This|It|Two)\b")
UNUSED = re.compile(
    r"\b(anew|beside|likewise|whoever|nobody|shall|heed|is said|is named|is told|to be had|comes of)\b", re.IGNORECASE
)


def docstrings(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Yield each docstring, and whether it is that of a function: properties have nouns."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Module) and (text := ast.get_docstring(node)):
            marks = [ast.unparse(mark) for mark in getattr(node, "decorator_list", [])]
            yield text, isinstance(node, ast.FunctionDef) and not {"property", "cached_property"} & set(marks)


def faults(path: Path) -> list[str]:
    """List docstrings without a head, and unused words in docstrings and comments."""
    found = []
    for text, of_function in docstrings(ast.parse(path.read_text(encoding="utf-8"))):
        if HEADLESS.match(text) or (of_function and NO_VERB.match(text)):
            found.append(text.splitlines()[0])
        found += [f"{word[0]} in: {text.splitlines()[0]}" for word in UNUSED.finditer(text)]
    with path.open("rb") as file:
        comments = (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)
        return found + [comment for comment in comments if UNUSED.search(comment)]


def test_docstrings_and_comments_are_plain():
    assert len(FILES) > 300
    assert {str(path.relative_to(ROOT)): found for path in FILES if (found := faults(path))} == {}


@pytest.mark.parametrize(
    "code",
    [
        '"""Of a run."""',
        'def f():\n    """The mean."""',
        'class A:\n    """What it is."""',
        "# written anew\n",
        '"""A run. Nobody reads it."""',
    ],
)
def test_a_spoiled_docstring_is_found(tmp_path: Path, code: str):
    path = tmp_path / "module.py"
    path.write_text(code)
    assert len(faults(path)) == 1


def test_plain_ones_pass(tmp_path: Path):
    path = tmp_path / "module.py"
    path.write_text(
        '"""A run."""\n\n\nclass A:\n    """Run."""\n\n    @property\n    def b(self):\n        """The mean."""\n'
    )
    assert faults(path) == []
