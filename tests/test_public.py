from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from tests.children import call

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", interp.__all__)
def test_public_names_are_there_and_documented(name: str):
    value = getattr(interp, name)
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")  # the default docstring of a dataclass
    assert not isinstance(value, type(interp))


def test_importing_costs_nothing():
    code = "import sys, interp; print([m for m in ('torch', 'numpy', 'transformers') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_unknown_names():
    with pytest.raises(AttributeError, match="No interp attribute nonsense"):
        _ = interp.nonsense


@pytest.mark.slow
def test_the_first_python_of_the_readme_runs_alone_and_prints_what_it_says(tmp_path: Path):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    first = page.partition("```python\n")[2].partition("```")[0]
    shown = call(sys.executable, "-c", first, cwd=tmp_path)
    assert "tensor([0.4546, 0.6214])" in shown
    assert re.search(r"top\s+-0\.1203", shown)
    assert shown.strip().splitlines()[-1].startswith("tensor([0.")
