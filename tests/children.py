"""Helpers for commands that must succeed, for waits until a condition holds, and for processes of Linux.

Tests that kill processes use them to look for remaining processes.
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
    process: subprocess.Popen[str] | None = None,
    every: float = 0.005,
) -> Value:
    """Return the value of a condition as soon as it is true.

    Args:
        condition: function that is called again and again.
        seconds: time after which the wait fails.
        process: process that must run until the condition is true. If it ends before, the wait fails.
        every: seconds between two calls of the condition.
    """
    deadline = time.monotonic() + seconds
    while True:
        ended = process is not None and process.poll() is not None
        if value := condition():
            return value
        status = process.returncode if process else None
        assert not ended, f"the process ended with status {status} before the condition was true"
        assert time.monotonic() < deadline, f"the condition was not true within {seconds:g} s"
        time.sleep(every)


def running(group: int) -> list[psutil.Process]:
    """Return the running processes of a process group."""
    processes = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and runs(process):
                processes.append(process)
        except ProcessLookupError:  # it has ended
            continue
    return processes


@contextmanager
def disposition(**signals: signal.Handlers) -> Iterator[None]:
    """Set the handling of signals in the body and in the processes that the body starts.

    nohup hands SIGHUP down as ignored, and the shell of a background job SIGINT. A command rightly leaves a signal
    ignored, so a test of what a signal does must set its disposition.

    Args:
        signals: name of a signal -> handler, as in ``disposition(SIGHUP=signal.SIG_DFL)``.
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
    """Return whether a process runs; a zombie does not count."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def commands(root: int) -> dict[int, str]:
    """Return the running descendants of a process: id -> command line, with words separated by NUL."""
    lines = {}
    for pid in sorted(process.pid for process in descendants(root)):
        try:
            lines[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
    return lines


def call(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> str:
    """Run a command that must succeed, and return its output."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True, env=env, cwd=cwd, timeout=900
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return done.stdout
