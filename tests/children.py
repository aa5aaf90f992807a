"""Commands that must succeed, waits for a condition, and processes as Linux shows them.

Tests that kill processes look for what is left of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psutil

from interp.processes.reaper import descendants, runs

Value = TypeVar("Value")
# A process that waits for the end of its standard input, which ends with the process that holds the other end.
WAITING = "import sys; sys.stdin.read()"


def wait_for(
    condition: Callable[[], Value],
    seconds: float = 60,
    *,
    of: subprocess.Popen[str] | None = None,
    every: float = 0.005,
) -> Value:
    """Return the value of a condition as soon as it is true.

    Args:
        condition: what is asked again and again.
        seconds: time after which the wait fails.
        of: process that must run until then; what comes of it after its end cannot make the condition true.
        every: seconds between two calls of the condition.
    """
    deadline = time.monotonic() + seconds
    while True:
        ended = of is not None and of.poll() is not None
        if value := condition():
            return value
        assert not ended, f"the process ended with status {of.returncode if of else None} before the condition was true"
        assert time.monotonic() < deadline, f"the condition was not true within {seconds:g} s"
        time.sleep(every)


def running(group: int) -> list[psutil.Process]:
    """Return the processes of a process group that run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and runs(process):
                found.append(process)
        except ProcessLookupError:  # it has ended
            continue
    return found


@contextmanager
def disposition(**signals: signal.Handlers) -> Iterator[None]:
    """Handle signals in a given way, in here and in the processes that are started in here.

    nohup hands SIGHUP down as ignored, and the shell of a background job SIGINT. A command rightly leaves a signal
    ignored, so a test of what a signal does must set its disposition.

    Args:
        signals: name of a signal -> how it is handled, as in ``disposition(SIGHUP=signal.SIG_DFL)``.
    """
    before = {signal.Signals[name]: signal.getsignal(signal.Signals[name]) for name in signals}
    for name, handler in signals.items():
        signal.signal(signal.Signals[name], handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has asked after is none."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def commands(root: int) -> dict[int, str]:
    """What came of a process, and runs: process -> its command line, words divided by NUL."""
    found = {}
    for pid in sorted(process.pid for process in descendants(root)):
        try:
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
    return found


def call(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command that must succeed; what it printed."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, env=env, cwd=cwd, timeout=900
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
