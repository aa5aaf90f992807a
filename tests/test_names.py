"""Test that a top-level name of product code begins with an underscore if no other file uses the name."""

from __future__ import annotations

import ast
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("interp", "training", "figures")


def defined(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))


@pytest.mark.slow
def test_names_that_one_file_alone_uses_begin_with_an_underscore():
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    texts = {path: (ROOT / path).read_text(errors="ignore") for path in tracked if (ROOT / path).is_file()}
    files = Counter(word for text in texts.values() for word in set(re.findall(r"\w+", text)))
    sources = {path: text for path, text in texts.items() if path.startswith(ROOMS) and path.endswith(".py")}
    names = {(path, name) for path, text in sources.items() for name in defined(ast.parse(text))}
    assert len(names) > 1000
    assert [name for name in sorted(names) if files[name[1]] == 1 and not name[1].startswith("_")] == []
