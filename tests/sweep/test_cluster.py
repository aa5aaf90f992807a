"""Tests of tasks on a real Ray cluster, whose workers are killed."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from interp.cli.cluster import check_cluster
from interp.errors import UserError
from interp.processes.reaper import descendants, marked, runs
from interp.sweep.executors.ray_cluster import MARK
from interp.sweep.executors.ray_tasks import go_to
from tests.children import commands, disposition, wait_for
from tests.wording import raises, refused

with_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra ray")

DRIVER = """
import json, os, signal, sys, time
from pathlib import Path
from interp import cli
from interp.sweep.executors.ray_cluster import cluster
from interp.sweep.executors.ray_tasks import TRIES
from interp.errors import UserError

def write(item):
    folder, name, deaths = item
    tries = len(list(folder.glob(f"{name}-*")))
    (folder / f"{name}-{tries}").touch()
    if tries < deaths:
        os.kill(os.getpid(), signal.SIGKILL)
    if name == "wrong":
        raise UserError("a task that cannot be done")
    if name == "absent":
        import a_package_that_does_not_exist
    time.sleep(60 if name == "long" else 0)

def outcome(nodes, folder, *items):
    try:
        return list(nodes.as_done(write, [(folder, *item) for item in items]))
    except UserError as error:
        return str(error)

def main():
    folder = Path(sys.argv[1])
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with cluster(None, most=1) as nodes:
        print("ready", flush=True)
        if sys.argv[2:]:
            nodes.run_all(write, [(folder, "long", 0)], lambda: None)
        done = [name for _, name, _ in outcome(nodes, folder, ("one", 0), ("dies", TRIES - 1), ("two", 0))]
        results = {
            "room": nodes.room, "done": done, "wrong": outcome(nodes, folder, ("wrong", 0)),
            "absent": outcome(nodes, folder, ("absent", 0)), "mortal": outcome(nodes, folder, ("mortal", 99)),
            "handlers": handlers == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
        }
    print(json.dumps(results))
    return 0

if __name__ == "__main__":
    sys.exit(cli.run(main, on_interrupt=lambda: "finished cells are kept"))
"""


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    (folder / "driver.py").write_text(DRIVER)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    return subprocess.Popen(
        [sys.executable, str(folder / "driver.py"), str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def mark_of(driver: int) -> str:
    """Return the mark in the environment of a cluster's processes, from the command of its watching process."""
    for command in commands(driver).values():
        if "interp.processes.reaper" in (words := command.split("\0")):
            return next(word for word in words if word.startswith(f"{MARK}="))
    raise AssertionError("no process watches the cluster")


@with_ray
@pytest.mark.slow
@pytest.mark.thorough
def test_tasks_are_done_in_order_and_tried_again_where_a_worker_dies(tmp_path: Path):
    process = start(tmp_path)
    out, error = process.communicate(timeout=240)
    assert process.returncode == 0, error
    outcomes = json.loads(out.splitlines()[-1])
    assert outcomes["room"] == 1
    assert outcomes["done"] == ["one", "dies", "two"]
    assert len(list(tmp_path.glob("one-*"))) == len(list(tmp_path.glob("two-*"))) == 1
    assert out.count("a worker was lost (WorkerCrashedError); its task is tried again (3 of 3)") == 2
    assert outcomes["wrong"] == "a task that cannot be done"
    assert "cannot import a package of a task (No module named 'a_package_that_does_not_exist')" in outcomes["absent"]
    assert "lost its worker 4 times" in outcomes["mortal"]
    assert len(list(tmp_path.glob("mortal-*"))) == 4
    assert outcomes["handlers"]
    assert "Traceback" not in error


@with_ray
@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes as Linux shows them")
@pytest.mark.parametrize(
    ("number", "status", "message"),
    [
        (signal.SIGINT, 130, "interrupted; finished cells are kept\n"),
        (signal.SIGTERM, 143, "ended by SIGTERM; finished cells are kept\n"),
        (signal.SIGKILL, -9, ""),
    ],
)
def test_whatever_ends_a_command_ends_its_cluster(tmp_path: Path, number: signal.Signals, status: int, message: str):
    with disposition(SIGTERM=signal.SIG_DFL):
        process = start(tmp_path, "long")
    assert process.stdout is not None
    process.stdout.readline()
    mark = mark_of(process.pid)
    wait_for((tmp_path / "long-0").exists, process=process)
    family = descendants(process.pid)
    assert len(family) > 3
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == status, error
    assert error.endswith(message)
    assert "Traceback" not in error
    wait_for(lambda: not ({pid for pid in family if runs(pid)} | set(marked(mark))), seconds=10)


@with_ray
def test_a_cluster_that_is_not_there_is_one_line(small, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from interp.sweep import __main__ as sweep

    arguments = ["--model", small.name, "--layers", "4", "--sizes", "2", "--objective", "das", "--limit", "40"]
    for options, value in (
        (["--address", "auto"], ("--address", "--engine ray")),
        (["--gpus-per-cell", "0.5"], ("--gpus-per-cell", "--engine ray")),
        (["--engine", "ray", "--gpus-per-cell", "1.5"], ("--gpus-per-cell", 1.5, 0.01, 64)),
        (["--engine", "ray", "--gpus-per-cell", "-1"], ("--gpus-per-cell", -1.0, 0.01, 64)),
        (["--engine", "ray", "--shard", "1/2"], "--shard"),
        (["--engine", "ray", "--address", "127.0.0.1:1"], ("--address", "'127.0.0.1:1'")),
        (["--engine", "ray", "--address", "ray://there:1"], ("--address", "'ray://there:1'", "HOST:6379")),
        (["--engine", "ray", "--address", "h:99999"], ("--address", "'h:99999'")),
    ):
        refused(sweep.main([*arguments, *options, "--out", str(tmp_path / "run")]), capsys, value)
        assert not (tmp_path / "run").exists()


def test_without_ray_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("interp.cli.cluster.find_spec", lambda name: None)
    check_cluster(None, None, wanted=False)
    with raises(UserError, "'clip-descriptions[ray]'"):
        check_cluster(None, 0.25, wanted=True)


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "start" / "run").mkdir(parents=True)
    for start, needed in ((tmp_path / "other", Path("run")), (tmp_path / "start", Path("runs"))):
        with raises(UserError, f"'{start}'"):
            go_to(start, needed)
        assert Path.cwd() == tmp_path
    go_to(tmp_path / "start", Path("run"))
    assert Path.cwd() == tmp_path / "start"
