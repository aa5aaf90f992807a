"""Fixtures of models and runs that tests damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interp.clip.model import Clip
from tests.clip.spoiling import adapter


@pytest.fixture
def model(small: Clip, tmp_path: Path) -> Path:
    """Return the folder of a model that the test may damage."""
    return shutil.copytree(small.name, tmp_path / "model")


@pytest.fixture(scope="module")
def unspoiled(toy: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter(toy, "toy", tmp_path_factory.mktemp("adapter") / "run")


@pytest.fixture
def toy_run(unspoiled: Path, tmp_path: Path) -> Path:
    """Return the folder of an adapter of the toy that the test may damage."""
    return shutil.copytree(unspoiled, tmp_path / "run")
