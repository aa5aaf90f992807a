"""Models and runs to be spoiled."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interp.clip.model import Clip
from tests.clip.spoiling import adapter


@pytest.fixture
def model(small: Clip, tmp_path: Path) -> Path:
    """A model's folder, to be spoiled."""
    return shutil.copytree(small.name, tmp_path / "model")


@pytest.fixture(scope="module")
def unspoiled(toy: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter(toy, "toy", tmp_path_factory.mktemp("adapter") / "run")


@pytest.fixture
def toy_run(unspoiled: Path, tmp_path: Path) -> Path:
    """An adapter of the toy, to be spoiled."""
    return shutil.copytree(unspoiled, tmp_path / "run")
