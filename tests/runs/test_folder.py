from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from interp.runs.folder import RunFolder, StoreError, open_run, to_json, write_atomic


def test_a_run_is_started_and_resumed(tmp_path: Path):
    path = tmp_path / "runs" / "one"
    folder = open_run(path, {"seed": 1, "sizes": (2, 4)}, arguments={"x": 1})
    manifest = folder.manifest()
    assert manifest["settings"] == {"seed": 1, "sizes": [2, 4]}
    assert manifest["versions"]["torch"]
    assert manifest["resumed"] == []
    again = open_run(path, {"seed": 1, "sizes": (2, 4)}, arguments={"x": 2})
    assert len(again.manifest()["resumed"]) == 1
    assert again.manifest()["started"] == manifest["started"]
    assert again.manifest()["arguments"] == {"x": 2}


def test_other_settings_are_refused_and_named(tmp_path: Path):
    open_run(tmp_path / "r", {"seed": 1, "data": "a"})
    before = (tmp_path / "r" / "manifest.json").read_text()
    with pytest.raises(StoreError, match="holds a run with seed = 1, not 2"):
        open_run(tmp_path / "r", {"seed": 2, "data": "a"})
    assert (tmp_path / "r" / "manifest.json").read_text() == before


def test_foreign_folders_are_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="not empty and is no run folder"):
        open_run(tmp_path, {})
    with pytest.raises(StoreError, match="is a file"):
        open_run(tmp_path / "thesis.txt", {})
    with pytest.raises(StoreError, match="choose another folder"):
        open_run(tmp_path / "thesis.txt" / "run", {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_cells_are_there_whole_or_not_at_all(tmp_path: Path):
    folder = open_run(tmp_path / "r", {})
    assert folder.read("a") is None
    folder.write("a", {"x": 0.1 + 0.2, "n": math.nan, "words": {"é": [1, math.inf]}})
    assert folder.read("a") == {"x": 0.1 + 0.2, "n": None, "words": {"é": [1, None]}}
    folder.cell_path("a").write_text('{"x": 0.3')
    assert folder.read("a") is None


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_atomic(tmp_path / "f", "old")

    def broken(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(StoreError, match="No space left on device"):
        write_atomic(tmp_path / "f", "new")
    assert (tmp_path / "f").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_json_is_exact():
    assert json.loads(to_json({"x": 1 / 3}))["x"] == 1 / 3


def test_what_is_no_run(tmp_path: Path):
    with pytest.raises(StoreError, match="not a run folder"):
        RunFolder(tmp_path).manifest()
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="cannot read"):
        RunFolder(tmp_path).manifest()
