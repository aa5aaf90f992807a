"""Command `python -m interp.processes.reaper PID NAME=VALUE`, which ends all descendants of a process after its end.

Its standard input is a pipe that the process holds open and never writes to. When the process is gone, even by SIGKILL,
the pipe ends. Until then, descendants are recorded, since their origin is unknown once the processes between are gone.
Processes with NAME=VALUE in their environment are ended too, unless they have overwritten it with a title.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil

EVERY = 0.5  # seconds between checks
ROUNDS = 20  # searches, since a killed process may just have started another process
_PAUSE = 0.1  # seconds between searches


def main() -> None:
    """Wait for the end of the pipe, and end the processes."""
    root, mark = int(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    recorded: set[psutil.Process] = set()
    while not select.select([sys.stdin], [], [], EVERY)[0] or os.read(sys.stdin.fileno(), 1):
        recorded |= descendants(root)
    for _ in range(ROUNDS):
        recorded = set(filter(runs, recorded))
        running = recorded.union(*(descendants(process.pid) for process in recorded), marked(mark))
        for process in running:
            with suppress(psutil.Error):  # it has ended, or belongs to another user
                process.kill()
        if not running:
            break
        recorded = running
        time.sleep(_PAUSE)


def descendants(root: int) -> set[psutil.Process]:
    """Return the running descendants of a process, without this process."""
    try:
        return set(filter(runs, psutil.Process(root).children(recursive=True))) - {psutil.Process()}
    except psutil.Error:  # the root has ended
        return set()


def runs(process: psutil.Process) -> bool:
    """Return whether a process runs: it has not ended, and no other process has its number."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def marked(mark: str) -> Iterator[psutil.Process]:
    """Yield other processes of this user with NAME=VALUE in their environment."""
    name, _, value = mark.partition("=")
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has ended, or belongs to another user
            if process.environ().get(name) == value and process.pid != os.getpid():
                yield process


if __name__ == "__main__":
    main()
