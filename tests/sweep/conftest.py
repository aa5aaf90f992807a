"""Common model, finished sweep and data set of the tests of sweeps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.sweep.sweeping import run


@pytest.fixture(scope="session")
def model(small) -> str:
    return small.name


@pytest.fixture(scope="session")
def done(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a finished sweep, computed in this process."""
    out = tmp_path_factory.mktemp("sweep") / "run"
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert run("--model", model, "--out", str(out), "--jobs", "1") == 0
    return out


@pytest.fixture
def concadia(tmp_path: Path) -> Path:
    folder = tmp_path / "concadia"
    (folder / "resized").mkdir(parents=True)
    rng = np.random.default_rng(0)
    items = []
    for i in range(24):
        Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(folder / "resized" / f"{i}.jpg")
        texts = {"description": {"raw": f"a red <b>star</b> {i}"}, "caption": {"raw": f"the “harbour” of Zürich {i}"}}
        items.append({"article_id": f"A{i // 2}", "filename": f"{i}.jpg", "split": "val", **texts})
    (folder / "wiki_split.json").write_text(json.dumps({"images": items}))
    return folder
