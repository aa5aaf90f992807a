"""Tests of the page of a sweep during the computation of its cells."""

from __future__ import annotations

from pathlib import Path

import pytest

from interp.report.sweep_run import read_sweep
from interp.runs.cells import trained_name
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.sweep.outputs import LivePage
from tests.run_folders import write_sweep


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def live(tmp_path: Path, clock: list[float]) -> LivePage:
    """Return the page of a folder with two cells."""
    folder = RunFolder(write_sweep(tmp_path / "run", layers=(6, 7), sizes=(4,)))
    (folder.path / "report.html").unlink(missing_ok=True)
    return LivePage(folder, lambda: clock[0])


def cells_on(page: Path) -> int:
    return page.read_text().count("data-cell=")


def test_the_page_grows_with_the_cells_but_not_too_often(live: LivePage, clock: list[float]):
    page = live.folder.path / "report.html"
    later = live.folder.cell_path("layer07-size004-seed0")
    hidden = later.rename(live.folder.path / "later")
    assert live.look(0) == ""
    assert not page.exists()
    assert live.look(1) == f"page: {page}"
    assert cells_on(page) == 1
    hidden.rename(later)
    clock[0] += 1
    assert live.look(2) == f"page: {page}"
    assert cells_on(page) == 1
    clock[0] += 60
    live.look(2)
    assert cells_on(page) == 2
    written = page.stat().st_mtime_ns
    clock[0] += 60
    live.look(2)
    assert page.stat().st_mtime_ns == written


def test_a_cell_that_cannot_be_read_yet_stops_nothing(live: LivePage, clock: list[float]):
    path = live.folder.cell_path("layer07-size004-seed0")
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    assert live.look(2) == ""
    path.write_bytes(whole)
    clock[0] += 60
    assert live.look(2) != ""


def test_only_cells_with_a_model_of_the_first_pass_are_on_the_page(tmp_path: Path):
    folder = RunFolder(write_sweep(tmp_path / "run", tuned=True, layers=(6, 7), sizes=(4,)))
    (folder.path / trained_name("edit", Place(7, 4, 0))).unlink()
    assert list(read_sweep(folder, unfinished=True).cells) == [Place(6, 4, 0)]
    assert read_sweep(folder, unfinished=True).objective == "iit-das"
    assert len(read_sweep(folder).cells) == 2
    assert read_sweep(folder).objective == ""
