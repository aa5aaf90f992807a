"""Processes of all experiments: all of them end, and a cluster gives the same numbers."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.children import WAITING, alive, wait_for
from training import paper

pytestmark = pytest.mark.slow


CHILD = f"""
import os, subprocess, sys
wait = {WAITING!r}
other = subprocess.Popen([sys.executable, "-c", wait])
print(os.getpid(), other.pid, flush=True)
exec(wait)
"""


PARENT = """
import sys
from pathlib import Path
from training.experiment import Experiment, PaperConfig
Experiment(PaperConfig(out=sys.argv[1]), "base", None, False)._call("asleep", threads=None)
"""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc of Linux")
def test_a_command_that_is_killed_leaves_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "logs").mkdir()
    package = tmp_path / "own" / "training"
    shutil.copytree(Path(paper.__file__).parent, package)
    (package / "asleep.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", f"{package.parent}{os.pathsep}{Path(paper.__file__).parents[1]}")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)], cwd=package.parent, stdin=subprocess.PIPE)
    log = tmp_path / "logs" / "base-asleep.log"
    wait_for(lambda: log.exists() and log.read_text().endswith("\n"), process=parent)
    processes = [int(word) for word in log.read_text().split()]
    assert len(processes) == 2
    assert all(map(alive, processes))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not any(map(alive, processes)))
    parent.communicate()


@pytest.mark.thorough
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")
def test_a_cluster_carries_out_the_experiments_with_the_same_numbers(tmp_path: Path):
    options = ["--seeds", "0", "--max-steps", "2", "--limit", "150", "--jobs", "2"]
    command = [sys.executable, "-m", "training.paper", *options]
    for more in (["--out", "here"], ["--engine", "ray", "--out", "there"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    tables = sorted(path.name for path in (tmp_path / "here" / "tables").glob("*.csv"))
    assert tables
    for name in tables:
        assert (tmp_path / "there/tables" / name).read_bytes() == (tmp_path / "here/tables" / name).read_bytes(), name
