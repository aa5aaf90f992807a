from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_every_test_that_a_guarantee_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8"))
    assert len(named) > 30
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (file, name)


def test_every_row_of_the_guarantees_has_a_test():
    rows = [
        row for row in (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8").splitlines() if row[:2] == "| "
    ]
    assert [row for row in rows if "tests/" not in row] == ["| promise | test |", "| --- | --- |"] * 2
