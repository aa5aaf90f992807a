from __future__ import annotations

import subprocess
import sys

import pytest

import interp


@pytest.mark.parametrize("name", interp.__all__)
def test_public_names_are_there_and_documented(name: str):
    value = getattr(interp, name)
    assert value.__doc__
    assert not value.__doc__.startswith(f"{name}(")  # which a dataclass says of itself, if nobody says more
    assert not isinstance(value, type(interp))


def test_importing_costs_nothing():
    code = "import sys, interp; print([m for m in ('torch', 'numpy', 'transformers') if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.strip() == "[]"


def test_unknown_names():
    with pytest.raises(AttributeError, match="No interp attribute nonsense"):
        _ = interp.nonsense
