"""Fixtures and hooks of all tests. Shape annotations are checked at run time in tests only."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

from jaxtyping import install_import_hook

import tests.typecheck  # noqa: F401  (the hook finds it among the loaded modules)

ROOT = Path(__file__).parents[1]
# They handle words and cells of tables, without arrays, in so many calls that checks would take most of the time.
UNCHECKED = {"interp.data.tables", "interp.data.toy"}
ROOMS = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("interp", "interp/data")
    for path in sorted((ROOT / folder).glob("[a-z]*"))
    if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.name != "data"
]
hook = install_import_hook(["training", "figures", *(set(ROOMS) - UNCHECKED)], "tests.typecheck.check")

import pandas as pd  # noqa: E402
import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

from interp.clip.loading import load_clip  # noqa: E402
from interp.clip.model import Clip  # noqa: E402
from interp.report import heatmaps  # noqa: E402
from interp.report.layout import Layout  # noqa: E402
from interp.sweep import outputs  # noqa: E402
from tests.accelerating import forget_precision  # noqa: E402
from tests.hub_server import hub  # noqa: E402, F401
from tests.oracles.plain_forward import random_clip  # noqa: E402
from tests.report.browser import browser  # noqa: E402, F401
from tests.wording import (  # noqa: E402
    keep_collected,
    pytest_addoption,  # noqa: F401
    pytest_runtest_call,  # noqa: F401
    pytest_sessionfinish,  # noqa: F401
)

# The background of a shell ignores Ctrl-C, and the processes that tests start would inherit this.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", deadline=None)  # a busy machine must not fail a test
settings.load_profile("steady")

collect_ignore = ["fuzz.py"]  # needs an extra, and is a command

PUBLISHED = Path(os.environ.get("CLIP_PUBLISHED_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def _keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set a key that marks the runs of the tests, instead of the user's key (`interp.runs.ownership`)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture
def stranger(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the key of another user, so that earlier run folders belong to a stranger."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("stranger")))


@pytest.fixture(scope="session")
def published() -> Path:
    """Return the folder of published data (Concadia sample, BLV ratings); skip the test if it is missing."""
    if not PUBLISHED.is_dir():
        pytest.skip(f"no published data at {PUBLISHED}; set CLIP_PUBLISHED_DATA")
    return PUBLISHED


@pytest.fixture(scope="session")
def toy() -> Clip:
    return load_clip("toy")


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """Return a CLIP with large random weights: 5 text and 3 vision blocks, width 24 and 32."""
    return load_clip(str(random_clip(tmp_path_factory.mktemp("small"))))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test a separate cache of image features."""
    monkeypatch.setenv("CLIP_DESCRIPTIONS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(autouse=True)
def one_heatmap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw one heatmap of a sweep in this process, and copy it under the other names, which saves three seconds.

    The tests of heatmaps check their content, and the commands in `test_sweep.py` draw every heatmap.
    """

    def write(frame: pd.DataFrame, folder: Path, layout: Layout) -> list[Path]:
        first, *others = (measure.column for measure in heatmaps.trained_first(layout.at("heatmap")))
        (drawn,) = heatmaps.write_heatmaps(frame, folder, Layout((layout.of_column(first),)))
        copies = [folder / f"heatmap-{column.replace('_', '-')}.png" for column in others]
        for path in copies:
            path.write_bytes(drawn.read_bytes())
        return [drawn, *copies]

    monkeypatch.setattr(outputs, "write_heatmaps", write)


@pytest.fixture(autouse=True)
def own_precision() -> None:
    """Let each test choose the precision of its fine-tuning."""
    forget_precision()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


LONG = (
    "test_install.py",
    "test_tuned.py",
    "test_notebooks.py",
    "test_resume.py",
    "test_site.py",
    "test_on_ray.py",
    "test_small_sweep.py",
)


@pytest.hookimpl(tryfirst=True)  # before any test is deselected
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the longest tests, so that no process runs them at the end while others wait."""
    keep_collected(config, items)
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
