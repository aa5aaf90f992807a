"""A process that ends what came of another one, when that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from interp.processes.reaper import EVERY, descendants, marked, runs

# Starts a child with a child of its own, and a process that is left to itself but has a mark; prints their numbers.
DRIVER = """
import os, subprocess, sys, time

wait = [sys.executable, "-c", "import time; time.sleep(120)"]
print(subprocess.Popen([sys.executable, "-m", "interp.processes.reaper", str(os.getpid()), sys.argv[1]],
                       stdin=subprocess.PIPE, start_new_session=True).pid)
start = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, flush=True)"
print(subprocess.Popen([sys.executable, "-c", start + "; import time; time.sleep(120)", *wait]).pid, flush=True)
name, value = sys.argv[1].split("=")
subprocess.run([sys.executable, "-c", start, *wait], env=os.environ | {name: value}, check=True)
time.sleep(120)
"""


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process that nobody is to end."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    yield psutil.Process(process.pid)
    process.kill()
    process.wait()


@pytest.mark.slow
def test_whatever_came_of_a_killed_process_is_ended_and_nothing_else(bystander: psutil.Process):
    mark = f"CLIP_DESCRIPTIONS_TEST={os.getpid()}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, mark], stdout=subprocess.PIPE, text=True, env=environment
    ) as driver:
        assert driver.stdout is not None
        reaper, *others = (psutil.Process(int(driver.stdout.readline())) for _ in range(4))
        try:
            assert all(map(runs, (reaper, *others)))
            deadline = time.monotonic() + 20
            while len(orphans := list(marked(mark))) > 1 and time.monotonic() < deadline:  # its parent is about to end
                time.sleep(0.05)
            (orphan,) = orphans
            assert orphan in others
            assert descendants(driver.pid) == {reaper, *others} - {orphan}
            time.sleep(6 * EVERY)  # so that the reaper has started, and looked
            driver.send_signal(signal.SIGKILL)
            driver.wait()
            _, left = psutil.wait_procs([reaper, *others], timeout=20)
            assert not left
            assert runs(bystander)
        finally:
            driver.kill()
            for process in filter(runs, others):
                process.kill()


def test_a_process_that_has_ended_does_not_run_and_has_no_descendants(bystander: psutil.Process):
    assert bystander in descendants(os.getpid())
    bystander.kill()
    bystander.wait()
    assert not runs(bystander)
    assert bystander not in descendants(os.getpid())
    assert descendants(bystander.pid) == set()
