"""Tests of sweeps on a full disk, and in a folder that is removed during the run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import wait_for
from tests.sweep.sweeping import command as small_sweep

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

# make a small disk, run the command, enlarge the disk, run the command again, and copy the results
FILLED = """
mount -t tmpfs -o size=$1 tmpfs "$2" || exit 77
shift 2
"$@" > full.out 2> full.err; echo $? > full.status
ls -A "$DISK/run" > full.left
mount -o remount,size=100m "$DISK" || exit 77
"$@" > again.out 2> again.err; echo $? > again.status
cp -r "$DISK/run" again
"""


def command(model: str, out: Path) -> list[str]:
    return small_sweep("--jobs", "2", "--model", model, "--out", str(out))


@pytest.fixture(scope="module")
def good(small, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("good") / "run"
    environment = os.environ | {"CLIP_DESCRIPTIONS_CACHE": str(out.parent / "cache")}
    subprocess.run(command(small.name, out), check=True, capture_output=True, env=environment)
    return (out / "results.csv").read_bytes()


@pytest.mark.parametrize("size", ["100k", "1m"], ids=["in what the cells share", "later"])
def test_a_full_disk_is_one_line_and_the_same_command_goes_on(small, tmp_path: Path, size: str, good: bytes):
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["unshare", "--map-root-user", "--mount", "sh", "-c", FILLED, "sh", size, str(disk)]
    done = subprocess.run(
        [*words, *command(small.name, disk / "run")],
        cwd=tmp_path,
        env=os.environ
        | {
            "DISK": str(disk),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if not (tmp_path / "full.status").exists():
        pytest.skip(f"no small disk can be made here: {done.stderr.strip()}")
    error = (tmp_path / "full.err").read_text()
    assert (tmp_path / "full.status").read_text().strip() == "2", error
    last = error.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "No space left on device" in last
    assert "Traceback" not in error
    assert "cache" not in (tmp_path / "full.left").read_text().split()
    assert (tmp_path / "again.status").read_text().strip() == "0", (tmp_path / "again.err").read_text()
    assert (tmp_path / "again" / "results.csv").read_bytes() == good
    assert not list((tmp_path / "again").rglob("*.part"))


def test_a_folder_that_vanishes_is_one_line_and_the_same_command_starts_again(small, tmp_path: Path, good: bytes):
    out = tmp_path / "run"
    process = subprocess.Popen(
        command(small.name, out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for((out / "cache" / "work").exists, process=process)
    out.rename(tmp_path / "gone")
    shutil.rmtree(tmp_path / "gone")
    _, error = process.communicate(timeout=60)
    assert process.returncode == 2, error
    assert error.strip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in error
    assert subprocess.run(command(small.name, out), capture_output=True, check=False).returncode == 0
    assert (out / "results.csv").read_bytes() == good
