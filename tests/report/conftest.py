"""Sweeps with texts that contain markup."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from interp.sweep import __main__ as sweep
from tests.report.pages import OPTIONS, write_pairs


@pytest.fixture(scope="session")
def done(small, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a sweep with texts that contain markup."""
    folder = tmp_path_factory.mktemp("hostile")
    write_pairs(folder / "data")
    arguments = ["--model", small.name, "--data", f"concadia:{folder / 'data'}", "--jobs", "1"]
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(folder / "cache"))
        assert sweep.main([*OPTIONS, *arguments, "--out", str(folder / "run")]) == 0
    return folder / "run"


@pytest.fixture
def copy(done: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "run"))
