"""Model and finished fine-tunings that tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.finetuning import CALIBRATED, run


@pytest.fixture(scope="session")
def model(small) -> str:
    return small.name


@pytest.fixture(scope="session")
def done(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finish an IIT-DAS run of 12 steps."""
    out = tmp_path_factory.mktemp("finetune") / "run"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", model, "--out", str(out), "--max-steps", "12", "--look-every", "4") == 0
    return out


@pytest.fixture(scope="session")
def calibrated(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Finish a run of calibrated IIT-DAS."""
    out = tmp_path_factory.mktemp("calibrated") / "run"
    assert run("--model", model, "--out", str(out), *CALIBRATED) == 0
    return out
