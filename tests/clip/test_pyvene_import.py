"""Test of the import of pyvene without its printed advice."""

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
    """Import pyvene in a new process, where it would print its missing backends."""
    assert call(sys.executable, "-W", "ignore", "-c", code) == ""
