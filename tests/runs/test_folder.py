from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typing_extensions import TypedDict

from interp.runs.content import Real, to_json
from interp.runs.files import StoreError
from interp.runs.folder import CachedRunFolder, RunFolder, open_run, update_manifest
from interp.runs.versions import VERSIONS
from tests.reading import reading
from tests.run_folders import make_other_version, versioned
from tests.wording import raises


class Cell(TypedDict):
    x: Real
    n: Real


KIND = versioned("sweep")


def start(path: Path, settings: dict[str, object], **facts: object) -> RunFolder:
    """Start a run as `open_run` does, and leave it at once."""
    with open_run(path, KIND | settings, **facts) as folder:
        return folder


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_a_run_is_started_and_resumed(tmp_path: Path):
    path = tmp_path / "runs" / "one"
    folder = start(path, {"seed": 1, "sizes": (2, 4)}, arguments={"x": 1})
    manifest = folder.manifest()
    assert manifest["settings"] == {**KIND, "seed": 1, "sizes": [2, 4]}
    assert manifest["versions"]["torch"]
    assert manifest["resumed"] == []
    again = start(path, {"seed": 1, "sizes": (2, 4)}, arguments={"x": 2})
    assert len(again.manifest()["resumed"]) == 1
    assert again.manifest()["started"] == manifest["started"]
    assert again.manifest()["arguments"] == {"x": 2}


def test_other_settings_are_refused_and_named(tmp_path: Path):
    start(tmp_path / "r", {"seed": 1, "data": "a"})
    (tmp_path / "r" / ".lock").unlink(missing_ok=True)
    before = contents(tmp_path)
    with raises(StoreError, "seed = 1", 2):
        start(tmp_path / "r", {"seed": 2, "data": "a"})
    assert contents(tmp_path) == before


def test_foreign_folders_are_left_alone(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("mine")
    with raises(StoreError, f"'{tmp_path}'"):
        start(tmp_path, {})
    with raises(StoreError, "thesis.txt'"):
        start(tmp_path / "thesis.txt", {})
    with raises(StoreError, "thesis.txt"):
        start(tmp_path / "thesis.txt" / "run", {})
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_second_process_writes_nothing(tmp_path: Path):
    """Start another process with equal or other settings while the first process is at work."""
    code = (
        "import sys; from pathlib import Path; from interp.runs.folder import open_run\n"
        f"with open_run(Path(sys.argv[1]), {KIND} | {{'steps': int(sys.argv[2])}}, note=sys.argv[2]): pass"
    )
    with open_run(tmp_path / "r", KIND | {"steps": 10}, note="first"):
        before = contents(tmp_path)
        for steps in ("10", "20"):
            done = subprocess.run(
                [sys.executable, "-c", code, str(tmp_path / "r"), steps], capture_output=True, check=False
            )
            assert b"StoreError" in done.stderr
            assert (b"steps = 10" in done.stderr) == (steps == "20")
            assert contents(tmp_path) == before
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "r"), "10"], check=False).returncode == 0


def test_a_run_that_was_killed_before_it_had_a_manifest_can_be_started(tmp_path: Path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".lock").touch()
    (tmp_path / "r" / ".manifest.json.abc.part").write_text("{")
    folder = start(tmp_path / "r", {})
    assert sorted(path.name for path in folder.path.iterdir()) == [".lock", "manifest.json"]


def test_what_a_killed_process_left_half_written_is_removed_at_the_next_start(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    inner = start(tmp_path / "r" / "tuned" / "a", {})
    folder.write("a", {})
    left = [folder.path / ".manifest.json.x.part", folder.path / "cells" / ".a.json.y.part"]
    others = [inner.path / ".history.csv.z.part", folder.path / "cells" / "mine.part"]
    for path in (*left, *others):
        path.write_text("{")
    start(folder.path, {})
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in others)  # of another run, which may be at work; of the user


@pytest.mark.parametrize("name", ["cells", "cells/a.json", "examples", ".lock", "manifest.json", "tuned/x/y"])
def test_links_that_lead_out_are_not_followed(tmp_path: Path, name: str):
    private = tmp_path / "private"
    private.mkdir()
    (private / "manifest.json").write_text('{"settings": {}}')
    folder = start(tmp_path / "r", {})
    folder.write("a", {})
    path = folder.path / name
    target = private if name in ("cells", "examples") else private / "manifest.json"
    path.rename(tmp_path / "moved") if path.exists() else path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
    before = contents(private)
    with raises(StoreError, str(folder.path)):
        start(folder.path, {})
    with raises(StoreError, f"'{path}'"):
        folder.manifest()
    assert contents(private) == before


def test_links_within_a_run_folder_and_to_it_are_followed(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    folder.write("a", {"x": 1})
    (folder.path / "cells" / "b.json").symlink_to("a.json")
    (tmp_path / "link").symlink_to(folder.path)
    again = start(tmp_path / "link", {})
    assert again.names() == ["a", "b"]
    assert again.manifest()["settings"] == KIND


def test_a_pipe_does_not_wait_for_a_writer(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    os.mkfifo(folder.path / "pipe")
    with raises(StoreError, "pipe'"):
        folder.manifest()
    (folder.path / "pipe").unlink()
    folder.manifest_path.unlink()
    os.mkfifo(folder.manifest_path)
    with raises(StoreError, "manifest.json'"):
        folder.manifest()


def test_a_folder_in_the_place_of_a_file_is_refused_before_anything_is_written(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    before = folder.manifest_path.read_bytes()
    (folder.path / "examples.json").mkdir()
    with raises(StoreError, "examples.json'"):
        start(tmp_path / "r", {})
    assert folder.manifest_path.read_bytes() == before


def test_cells_are_there_whole_or_not_at_all(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    assert folder.read("a", Cell) is None
    folder.write("a", {"x": 0.1 + 0.2, "n": math.nan, "words": {"é": [1, math.inf]}})
    cell = folder.read("a", Cell)
    assert cell is not None
    assert cell["x"] == 0.1 + 0.2
    assert math.isnan(cell["n"])
    assert json.loads(folder.cell_path("a").read_text())["words"] == {"é": [1, None]}
    folder.cell_path("a").write_text('{"x": 0.3')
    with raises(StoreError, "a.json'"):
        folder.read("a", Cell)


def test_a_file_that_was_changed_or_is_of_another_run_is_refused(tmp_path: Path):
    folder, other = start(tmp_path / "r", {"steps": 10}), start(tmp_path / "s", {"steps": 20})
    folder.write("a", {"x": 0.5, "n": 1})
    other.write("a", {"x": 0.5, "n": 1})
    text = folder.cell_path("a").read_text()
    for changed in (text.replace("0.5", "0.6"), text + " ", text.replace('"n"', '"m": 2, "n"')):
        folder.cell_path("a").write_text(changed)
        with raises(StoreError, "a.json'"):
            folder.read("a", Cell)
    folder.cell_path("a").write_text(other.cell_path("a").read_text())
    with raises(StoreError, "a.json'"):
        folder.read("a", Cell)
    folder.cell_path("a").write_text(text)
    assert folder.read("a", Cell) == {"x": 0.5, "n": 1}


def test_a_file_without_a_checksum_is_refused(tmp_path: Path):
    folder = start(tmp_path / "r", {})
    folder.write("a", {"x": 0.5, "n": 1})
    content = json.loads(folder.cell_path("a").read_text())
    del content["checksum"]
    folder.cell_path("a").write_text(json.dumps(content))
    with raises(StoreError, "a.json'"):
        folder.read("a", Cell)


@pytest.mark.parametrize("kind", VERSIONS)
def test_a_run_of_another_version_is_refused_in_one_line_that_says_what_to_do(kind: str, tmp_path: Path):
    current = start(tmp_path / "own", versioned(kind))
    assert current.settings == versioned(kind)
    other = start(tmp_path / "other", versioned(kind))
    version = make_other_version(other.path)
    before = contents(other.path)
    readers = [
        lambda: RunFolder(other.path).settings,
        lambda: update_manifest(RunFolder(other.path), note="x"),
        lambda: start(other.path, versioned(kind)),
    ]
    for reader in readers:
        with raises(StoreError, f"'{kind}'", version, VERSIONS[kind]):
            reader()
    assert contents(other.path) == before


@pytest.mark.parametrize("settings", [{}, {"kind": "sweep"}, {"version": 7}, {"kind": "sweep", "version": "7"}])
def test_a_run_that_does_not_say_its_kind_and_version_is_one_line(settings: dict[str, object], tmp_path: Path):
    (tmp_path / "manifest.json").write_text(json.dumps({"settings": settings}))
    with raises(StoreError, 'manifest.json" ["settings"]'):
        RunFolder(tmp_path).manifest()


def test_json_is_exact():
    assert json.loads(to_json({"x": 1 / 3}))["x"] == 1 / 3


def test_what_is_no_run(tmp_path: Path):
    with raises(StoreError, f"'{tmp_path}'"):
        RunFolder(tmp_path).manifest()
    (tmp_path / "manifest.json").write_text("{")
    with raises(StoreError, "manifest.json'"):
        RunFolder(tmp_path).manifest()


def test_a_manifest_does_not_say_whose_it_is(tmp_path: Path):
    import platform
    import socket

    text = start(tmp_path / "r", {}).manifest_path.read_text()
    for private in (socket.gethostname(), platform.release(), str(Path.home()), str(tmp_path)):
        assert private not in text


def test_a_command_reads_a_file_once_unless_it_is_replaced(tmp_path: Path):
    """Compare with a folder that reads each time."""
    plain = start(tmp_path / "run", {})
    once = CachedRunFolder(plain.path)
    assert once.read("one", Cell) is None
    plain.write("one", {"x": 1.0, "n": 2})
    with reading() as reads:
        assert once.read("one", Cell) == plain.read("one", Cell)
        assert once.read("one", Cell) is once.read("one", Cell)
    path = plain.cell_path("one")
    assert reads.files[path] == reads.checked[path.read_bytes()] == 2  # one read by each folder
    assert once.read("one", dict) == plain.read("one", dict)  # another record of the same file

    plain.write("one", {"x": 5.0, "n": 2})
    with reading() as reads:
        assert once.read("one", Cell) == plain.read("one", Cell)
    assert reads.files[path] == 2
    assert once.read("one", Cell)["x"] == 5

    path.write_bytes(path.read_bytes().replace(b'"x": 5.0', b'"x": 15.0'))
    for _ in range(2):
        with raises(StoreError, "checksum"):
            once.read("one", Cell)
    path.unlink()
    assert once.read("one", Cell) is None
    assert once == CachedRunFolder(plain.path)
