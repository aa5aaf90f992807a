"""Import of pyvene without its advice."""

from __future__ import annotations

import sys

import pytest

from tests.children import call


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "from interp.clip.pyvene import register; register()",
        "import interp, torch; from interp.subspaces.as_pyvene import to_pyvene; "
        "to_pyvene(interp.Rotation(torch.eye(4)[:, :2], interp.Site('text', 1)))",
    ],
)
def test_pyvene_is_imported_without_its_advice(code: str):
    """In a process that has not imported it: pyvene prints which of its other backends are not installed."""
    assert call(sys.executable, "-W", "ignore", "-c", code) == ""
