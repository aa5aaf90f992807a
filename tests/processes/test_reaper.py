"""A process that ends all descendants of a killed process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from interp.processes.reaper import descendants, marked, runs
from tests.children import WAITING, wait_for

# The reaper, which also writes the numbers of the processes that it has seen into a file.
REAPER = """
import os, sys
from interp.processes import reaper

look = reaper.descendants

def noted(root):
    seen = look(root)
    with open(sys.argv[3] + ".part", "w") as file:
        file.write(" ".join(str(process.pid) for process in seen))
    os.replace(file.name, sys.argv[3])
    return seen

reaper.descendants = noted
reaper.main()
"""
# A program that starts a child with a child, and an orphan with a mark, and prints the numbers of the processes.
DRIVER = rf"""
import os, subprocess, sys

wait = [sys.executable, "-c", {WAITING!r}]
reaper = subprocess.Popen([sys.executable, "-c", {REAPER!r}, str(os.getpid()), *sys.argv[1:]],
                          stdin=subprocess.PIPE, start_new_session=True)
os.write(1, b'%d\n' % reaper.pid)  # one write for each line: three processes share the pipe
start = "import os, subprocess, sys; child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL); "
start += r"os.write(1, b'%d\n' % child.pid)"
parent = subprocess.Popen([sys.executable, "-c", start + "; sys.stdin.read()", *wait])
os.write(1, b'%d\n' % parent.pid)
name, value = sys.argv[1].split("=")
subprocess.run([sys.executable, "-c", start, *wait], env=os.environ | {{name: value}}, check=True)
sys.stdin.read()
"""


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """Yield a process that the reaper must not end."""
    process = subprocess.Popen([sys.executable, "-c", WAITING], stdin=subprocess.PIPE)
    yield psutil.Process(process.pid)
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_whatever_came_of_a_killed_process_is_ended_and_nothing_else(bystander: psutil.Process, tmp_path: Path):
    mark = f"CLIP_DESCRIPTIONS_TEST={os.getpid()}"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, mark, str(tmp_path / "seen")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as driver:
        assert driver.stdout is not None
        reaper, *others = (psutil.Process(int(driver.stdout.readline())) for _ in range(4))
        try:
            assert all(map(runs, (reaper, *others)))
            wait_for(lambda: len(list(marked(mark))) == 1)  # the orphan's parent is about to end
            (orphan,) = marked(mark)
            assert orphan in others
            assert descendants(driver.pid) == {reaper, *others} - {orphan}
            numbers = {str(process.pid) for process in {*others} - {orphan}}
            wait_for(lambda: (tmp_path / "seen").exists() and {*(tmp_path / "seen").read_text().split()} == numbers)
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
