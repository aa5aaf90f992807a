"""`python -m interp.watching NAME=VALUE`: ends all processes with that in their environment when its parent is gone.

Its standard input is a pipe that the parent holds open and never writes to: when the parent is gone, even by SIGKILL,
the pipe ends. Only Linux shows what is in the environment of other processes; elsewhere this does nothing.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

ROUNDS, PAUSE = 20, 0.1  # looks for such processes, since one that is ended may just have started another; seconds


def main() -> None:
    """Wait for the end of the pipe, and end the processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(sys.stdin.fileno(), 1):
        pass
    for _ in range(ROUNDS):
        found = list(marked(sys.argv[1]))
        for process in found:
            with suppress(OSError):
                os.kill(process, signal.SIGKILL)
        if not found:
            break
        time.sleep(PAUSE)


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
