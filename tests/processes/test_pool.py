"""Processes of a sweep that are killed, and signals that are sent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from interp import cli
from interp.errors import UserError
from interp.processes.pool import LOOK, PATIENCE, processes
from interp.processes.signals import StopRequest, deaf_children, stoppable
from tests.children import disposition, wait_for
from tests.wording import raises, refused

pytestmark = pytest.mark.slow

# A parent would hang if it sent more than fits into a pipe to a child that is killed before it reads. These processes
# only wait. Each leaves a file when it imports this file, when it is prepared, and when it has a task.
DRIVER = """
import os, sys, time
from pathlib import Path

def reached(moment):
    Path(f"{__file__}.{os.getpid()}.{moment}").touch()

if __name__ == "__mp_main__":
    reached("importing")

from interp import cli
from interp.processes.pool import processes

def prepare(path):
    reached("preparing")
    time.sleep(float(path))

def wait(seconds):
    reached("working")
    time.sleep(seconds)

def main():
    with processes(2, prepare, sys.argv[1]) as pool:
        print("ready", flush=True)
        pool.run_all(wait, [float(sys.argv[2])] * 8, lambda: None)
    return 0

if __name__ == "__main__":
    sys.exit(cli.run(main, on_interrupt=lambda: "finished cells are kept"))
"""


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """Let signals end a process at once, however pytest was started."""
    with disposition(SIGTERM=signal.SIG_DFL, SIGHUP=signal.SIG_DFL):
        yield


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    path = tmp_path / "driver.py"
    path.write_text(DRIVER)
    return path


def start(driver: Path, preparing: float, working: float) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])}
    return subprocess.Popen(
        [sys.executable, str(driver), str(preparing), str(working)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def children(pid: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            number, rest = int(path.parent.name), path.read_text().rpartition(")")[2].split()
            command = (path.parent / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if int(rest[1]) == pid and rest[0] != "Z" and b"spawn_main" in command:
            yield number


def until(count: int, process: subprocess.Popen[str], moment: str = "started") -> list[int]:
    """Return the children of a process when there are at least `count` and the last of these has reached a moment."""

    def numbers_then() -> list[int]:
        numbers = sorted(children(process.pid))
        if len(numbers) < count:
            return []
        file = Path(f"{process.args[1]}.{numbers[count - 1]}.{moment}")  # type: ignore[index]
        return numbers if moment == "started" or file.exists() else []

    return wait_for(numbers_then, process=process, every=0.002)


MOMENTS = ["started", "importing", "preparing", "working"]


@pytest.mark.parametrize("count", [1, 2], ids=["first", "second"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_process_is_noticed_within_seconds(driver: Path, count: int, moment: str):
    process = start(driver, 0.5, 3.0)
    victims = until(count, process, moment)
    os.kill(victims[count - 1], signal.SIGKILL)
    _, error = process.communicate(timeout=4 * LOOK + PATIENCE)
    refused(process.returncode, error)
    assert not list(children(process.pid))


@pytest.mark.parametrize(
    ("number", "status", "event"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
@pytest.mark.parametrize("moment", MOMENTS)
def test_signals_end_a_command_and_its_processes_whenever_they_come(
    driver: Path, number: signal.Signals, status: int, event: str, moment: str
):
    process = start(driver, 0.5, 60.0)
    assert process.stdout is not None
    process.stdout.readline()
    workers = until(1, process, moment)
    process.send_signal(number)
    _, error = process.communicate(timeout=20)
    assert process.returncode == status, error
    assert error.strip().splitlines()[-1] == f"{event}; finished cells are kept"
    assert not re.search("Traceback|Exception", error)
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)


def test_processes_end_with_a_parent_that_is_killed(driver: Path):
    process = start(driver, 0.0, 60.0)
    workers = until(2, process)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), seconds=10)


def test_what_fails_while_a_process_is_prepared_is_said_in_one_line(tmp_path: Path):
    code = DRIVER.replace(
        "    time.sleep(float(path))", "    from interp.errors import UserError\n    raise UserError('gone')"
    )
    (tmp_path / "driver.py").write_text(code)
    process = start(tmp_path / "driver.py", 0.0, 1.0)
    _, error = process.communicate(timeout=30)
    refused(process.returncode, error, "gone")


def test_each_task_is_done_once(tmp_path: Path):
    code = DRIVER.replace("    time.sleep(seconds)", "    open(f'{sys.argv[0]}.done.{seconds}', 'x').close()")
    code = code.replace("[float(sys.argv[2])] * 8", "range(9)")
    (tmp_path / "driver.py").write_text(code)
    _, error = start(tmp_path / "driver.py", 0.0, 1.0).communicate(timeout=60)
    assert error == ""
    assert sorted(path.suffix for path in tmp_path.glob("driver.py.done.*")) == [f".{number}" for number in range(9)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("threads", [0, 3])
def test_a_signal_that_comes_while_processes_start_is_told_when_they_have(number: signal.Signals, threads: int):
    started, over = [], threading.Event()
    for _ in range(threads):  # any of these threads may be given the signal
        threading.Thread(target=over.wait, daemon=True).start()
    with stoppable(), pytest.raises(KeyboardInterrupt) as caught:
        with deaf_children():
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            started.append(number)
        started.append("told too late")
    assert started == [number]
    assert not isinstance(caught.value, StopRequest) or caught.value.number == number
    with stoppable(), pytest.raises(KeyboardInterrupt):  # afterwards, signals act as usual
        os.kill(os.getpid(), number)
        wait_for(lambda: False, seconds=5)
    over.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_is_ignored_ends_nothing(driver: Path, number: signal.Signals):
    """Under nohup, the signal ends neither this process nor a command that it starts."""
    with disposition(**{number.name: signal.SIG_IGN}):
        with stoppable():
            os.kill(os.getpid(), number)
            time.sleep(0.01)
        process = start(driver, 0.0, 0.2)
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) == (0, "")


def test_a_signal_is_named_though_a_library_has_replaced_it(capsys: pytest.CaptureFixture[str]):
    def main() -> int:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            wait_for(lambda: False, seconds=5)
        except KeyboardInterrupt:
            raise KeyboardInterrupt from None
        return 0

    assert cli.run(main, on_interrupt=lambda: "go on") == 143
    assert capsys.readouterr().err == "\nended by SIGTERM; go on\n"


def test_a_fault_of_the_executors_own_thread_is_an_error_and_not_printed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """The thread of Python 3.11 fails if a process dies while another starts, and the executor would wait forever."""

    def fail(_thread: object) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr("concurrent.futures.process._ExecutorManagerThread.run", fail)
    before = threading.excepthook
    with raises(UserError), processes(1, print, "") as pool:
        pool.run_all(print, ["task"], lambda: None)
    assert capfd.readouterr().err == ""
    assert threading.excepthook is before
