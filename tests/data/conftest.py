"""Fixtures of the tests of data."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def own_datasets_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the copies that `datasets` makes of parquet files into a temporary folder, and restore its settings."""
    import datasets  # here, since the import takes a second

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    level = datasets.logging.get_verbosity()
    yield
    datasets.logging.set_verbosity(level)
