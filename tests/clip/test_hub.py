"""The hub, where nobody answers: one line soon, and a model in its cache is loaded all the same."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import huggingface_hub
import pytest

from interp.clip.loading import load_clip
from interp.clip.model import ModelError

TOY = Path("interp/data/assets/toy-clip").resolve()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a hub at an address where nothing listens."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.hf_api.api.endpoint", "http://127.0.0.1:9")
    return tmp_path


@pytest.mark.usefixtures("cache")
def test_without_a_network_a_hub_id_is_one_line_soon(capfd: pytest.CaptureFixture[str]):
    started = time.perf_counter()
    with pytest.raises(ModelError, match="'a/b': the hub does not answer, and the model is not in the cache"):
        load_clip("a/b")
    assert time.perf_counter() - started < 10
    assert capfd.readouterr() == ("", "")


def test_without_a_network_a_model_in_the_cache_is_loaded(cache: Path):
    repository = cache / "models--a--b"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("1" * 40)
    shutil.copytree(TOY, snapshot := repository / "snapshots" / ("1" * 40))
    assert load_clip("a/b").fingerprint == load_clip("toy").fingerprint
    (snapshot / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="the cache does not hold all of the model"):
        load_clip("a/b")
