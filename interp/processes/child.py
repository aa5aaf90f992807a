"""Command `python -m interp.processes.child MODULE ...`, which ends together with the process that started it.

Its standard input is a pipe that the parent holds open and never writes to. When the parent is gone, even by SIGKILL,
the pipe ends, and this process ends with its whole group.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
from contextlib import suppress


def main() -> None:
    """Run the module in the arguments, as `python -m` would."""
    threading.Thread(target=_end_with_parent, args=(sys.stdin.fileno(),), daemon=True).start()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _end_with_parent(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():  # the leader of its own group
        with suppress(OSError):
            os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
