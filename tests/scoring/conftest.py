"""Table of a practitioner, scored by a small random CLIP."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.clip.model import Clip
from interp.scoring.__main__ import main
from tests.scoring.tables import make_pictures, write_table


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the pictures and with the table in three formats."""
    out = tmp_path_factory.mktemp("scoring") / "mit Umlaut ü"
    out.mkdir()
    make_pictures(out)
    for suffix in ("csv", "xlsx", "ods"):
        write_table(out, suffix)
    return out


@pytest.fixture(scope="session")
def scored(folder: Path, small: Clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the results of the command, which runs in this process."""
    out = tmp_path_factory.mktemp("scored") / "out"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert main([str(folder / "alt texte.xlsx"), "--model", small.name, "--out", str(out)]) == 1
    return out
