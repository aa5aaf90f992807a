"""Commands that must succeed, and processes as Linux shows them, for tests that kill some and look for what is left."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from interp.processes.reaper import descendants


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
