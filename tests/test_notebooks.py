"""Tests that notebooks run from top to bottom, reproduce the committed outputs, and use public names only."""

from __future__ import annotations

import ast
import re
from itertools import groupby
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
OURS = ("interp", "training", "figures")
SHORT = ("01_quickstart",)  # each of the others takes from 15 seconds to minutes
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
ran = pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, marks=[] if path.stem in SHORT else [pytest.mark.thorough], id=path.stem)
        for path in NOTEBOOKS
    ],
)


def code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(cell: Any) -> list[tuple[str, ...]]:
    """Return the kinds of output of a cell, without progress output."""
    shown = [output for output in cell.outputs if output.get("name") != "stderr"]
    all_of_it = [tuple(sorted(output["data"])) if "data" in output else (output["output_type"],) for output in shown]
    return [kind for kind, _ in groupby(all_of_it)]


def numbers(notebook: Any) -> list[float]:
    """Return all printed numbers."""
    text = " ".join(
        output["text"] for cell in code(notebook) for output in cell.outputs if output.get("name") == "stdout"
    )
    return [float(number) for number in re.findall(r"[-+]?\d+(?:\.\d+)?(?:e[-+]\d+)?", text)]


@ran
def test_a_notebook_runs_and_shows_what_is_committed(path: Path, tmp_path: Path):
    committed = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    for cell in code(notebook):
        cell.outputs = []
    folder = tmp_path / "notebooks"
    folder.mkdir()
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(folder)}})
    client.execute()  # raises at the first cell that fails
    for done, before in zip(code(notebook), code(committed), strict=True):
        assert kinds(done) == kinds(before), done.source
    both = numbers(notebook), numbers(committed)
    assert len(both[0]) == len(both[1]) > 0
    # Not to the last digit, since processors round differently and a search enlarges the difference.
    close = [abs(value - other) <= 0.02 + 0.1 * abs(other) for value, other in zip(*both, strict=True)]
    assert sum(close) >= 0.9 * len(close)
    assert sum(bool(kinds(cell)) for cell in code(committed)) >= 3


@named
def test_a_notebook_teaches_in_short_cells_and_uses_public_names(path: Path):
    notebook = nbformat.read(path, as_version=4)
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert prose[0].startswith("# ")
    assert len(prose) >= len(code(notebook)) / 2
    first = code(notebook)[0].source
    assert "REAL = False" in first
    assert "openai/clip-vit-base-patch32" in first
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 40
        tree = ast.parse(re.sub(r"^%.*$", "", cell.source, flags=re.MULTILINE))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in OURS:
                assert not any(name.name.startswith("_") for name in node.names)
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_")
        assert cell.execution_count is not None
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                assert len(output["metadata"]["image/png"]["alt"]) > 20
        assert not any(output.output_type == "error" for output in cell.outputs)
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|tmp|Users)/|C:\\\\", text)


def test_a_quickstart_is_ten_cells_at_most():
    assert 5 <= len(code(nbformat.read(NOTEBOOKS[0], as_version=4))) <= 10


def test_all_notebooks_are_there_and_the_library_needs_none_of_it():
    assert [path.stem[:2] for path in NOTEBOOKS] == [f"{number:02}" for number in range(1, 14)]
    for package in OURS:
        for module in (ROOT / package).rglob("*.py"):
            assert "IPython" not in module.read_text(encoding="utf-8"), module
