"""`python -m interp.processes.reaper PID NAME=VALUE`: ends all processes that came of a process, when that is gone.

Its standard input is a pipe that the process holds open and never writes to: when that is gone, even by SIGKILL, the
pipe ends. Until then its descendants are noted, since nobody can tell whose they were when what is between them is
gone; those with NAME=VALUE in their environment are ended too, if they have not overwritten it with a title. Only Linux
shows all this in files; elsewhere this does nothing.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

EVERY = 0.5  # seconds between looks
ROUNDS, _PAUSE = 20, 0.1  # looks for such processes, since one that is ended may just have started another; seconds


def main() -> None:
    """Wait for the end of the pipe, and end the processes."""
    root, mark = int(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    known: dict[int, int] = {}
    while not select.select([sys.stdin], [], [], EVERY)[0] or os.read(sys.stdin.fileno(), 1):
        known |= descendants({root})
    for _ in range(ROUNDS):
        there = _processes()
        known = {process: when for process, when in known.items() if there.get(process, (0, 0))[1] == when}
        known |= descendants(set(known))
        found = {*known, *marked(mark)} - {os.getpid()}
        for process in found:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not found:
            break
        time.sleep(_PAUSE)


def descendants(roots: set[int]) -> dict[int, int]:
    """What came of some processes, and runs: process -> when it started, as the kernel counts."""
    there, family = _processes(), set(roots)
    while more := {process for process, (parent, _) in there.items() if parent in family} - family:
        family |= more
    return {process: there[process][1] for process in family - roots - {os.getpid()}}


def _processes() -> dict[int, tuple[int, int]]:
    """All that run: process -> its parent, and when it started."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            state, parent, *rest = path.read_text().rpartition(")")[2].split()
            if state != "Z":
                found[int(path.parent.name)] = int(parent), int(rest[17])
    return found


def marked(mark: str) -> Iterator[int]:
    """Processes of this user with NAME=VALUE in their environment."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            values = path.read_bytes().split(b"\0")
        except OSError:  # it has ended, or is another user's
            continue
        if mark.encode() in values and int(path.parent.name) != os.getpid():
            yield int(path.parent.name)


if __name__ == "__main__":
    main()
