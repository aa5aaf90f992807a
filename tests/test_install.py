"""Tests of the published packages: a wheel and an sdist, an empty environment, and a first project."""

from __future__ import annotations

import os
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path

import pytest

from tests.children import call
from tests.site_pages import blocks

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "first-project.md"
TOOLS = ("pytest", "hypothesis", "ruff", "mypy", "mkdocs", "jupyterlab", "ray", "uv")  # they are in extras only


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the sdist, and the wheel that is built from it, as `uv build` makes them for a release."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    tracked = call("git", "ls-files", cwd=ROOT).splitlines()
    for name in tracked:  # the present state of tracked files, without other files
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes((ROOT / name).read_bytes())
    call(Path(sys.executable).with_name("uv"), "build", "--quiet", "--out-dir", out, source)
    return {path.suffix: path for path in out.iterdir() if path.suffix in (".whl", ".gz")}


def test_a_wheel_holds_the_packages_and_nothing_else(built: dict[str, Path]):
    with zipfile.ZipFile(built[".whl"]) as wheel:
        names = set(wheel.namelist())
    code = {name for name in names if ".dist-info/" not in name}
    ours = [path for room in ("interp", "training", "figures") for path in (ROOT / room).rglob("*")]
    kept = {str(path.relative_to(ROOT)) for path in ours if path.is_file() and "__pycache__" not in path.parts}
    assert code == kept
    with tarfile.open(built[".gz"]) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    assert kept | {"README.md", "LICENSE", "setup.cfg", "pyproject.toml"} <= packed


@pytest.mark.thorough  # two minutes, for a separate environment
@pytest.mark.parametrize("until", ["## A model", "## Next"])
def test_a_strangers_path_from_the_wheel(built: dict[str, Path], tmp_path: Path, until: str):
    """Run the first part of the page in an empty environment, with each Python block in a separate process."""
    call(sys.executable, "-m", "venv", tmp_path / "env")
    python, folder = tmp_path / "env" / "bin" / "python", tmp_path / "work"
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    call(*install, "-c", ROOT / "constraints.txt", built[".whl"])
    installed = call(
        python, "-c", "import importlib.metadata as m; print(*(d.name for d in m.distributions()))"
    ).split()
    assert "clip-descriptions" in installed
    assert not set(TOOLS) & {name.lower() for name in installed}
    folder.mkdir()
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    path = {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "HF_HUB_OFFLINE": "1"}
    page, marker, _ = PAGE.read_text(encoding="utf-8").partition(until)
    assert marker
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    shown = call(
        python, ROOT / "tests" / "site_pages.py", "--apart", tmp_path / "page.md", env=clean | path, cwd=folder
    )
    assert shown.count("== line ") == sum(block.runs for block in blocks(page)) >= 4
    assert (folder / "runs" / "mine" / "report.html").stat().st_size > 100_000
    assert call(python.with_name("clip-descriptions"), "--version") == (
        f"clip-descriptions {metadata.version('clip-descriptions')}\n"
    )
    where = call(python, "-c", "import interp; print(interp.__file__)", cwd=folder)
    assert where.startswith(str(tmp_path / "env"))


def test_extras_are_those_that_are_promised():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    extras = config["options.extras_require"]
    assert {"notebooks", "open-clip", "docs", "ray", "dev", "test", "wandb"} <= set(extras)
    named = (PAGE.parent / "first-steps.md").read_text(encoding="utf-8")
    for extra in ("notebooks", "open-clip", "docs", "ray", "dev", "wandb"):
        assert f"[{extra}]" in named
