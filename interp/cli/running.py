"""Execution of a command: one-line errors, exit statuses, signals, and the cores that it may use. No torch."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from importlib import metadata

from interp.cli.spelling import spelled
from interp.errors import UserError
from interp.processes.signals import StopRequest, as_stopped, status_of, stoppable


def run(main: Callable[[], int], *, on_interrupt: Callable[[], str]) -> int:
    """Run the body of a command, and return the exit status.

    A user error, a full disk or a lack of memory gives one line and status 2. Ctrl-C, SIGTERM and SIGHUP give a hint
    on how to continue, and the statuses 130, 143 and 129.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # replace letters that the terminal's encoding lacks
    try:
        with stoppable():
            return main()
    except UserError as error:
        message = str(error)
    except KeyboardInterrupt as caught:
        request = as_stopped(caught)
        event = f"ended by {request.name}" if isinstance(request, StopRequest) else "interrupted"
        print(f"\n{event}; {on_interrupt()}", file=sys.stderr)
        return status_of(request)
    except BrokenPipeError:  # a reader, such as head, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except OSError as error:
        where = f"'{error.filename}': " if error.filename else ""
        message = f"{where}{error.strerror or error}; correct this, then repeat the command to continue"
    except MemoryError:
        message = "there is not enough memory; use fewer data (--limit) or a smaller model"
    print(f"error: {spelled(' '.join(message.split()))}", file=sys.stderr)
    return 2


def version_line() -> str:
    """Return the line that `--version` prints."""
    try:
        return f"clip-descriptions {metadata.version('clip-descriptions')}"
    except metadata.PackageNotFoundError:
        return "clip-descriptions, not installed"


def cores() -> int:
    """Return the number of cores that this process may use; in a container, the machine can have more."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1
