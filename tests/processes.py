"""Processes as Linux shows them, for tests that kill some and look for what is left."""

from __future__ import annotations

from pathlib import Path

from interp.watching import descendants


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has asked after is none."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def commands(root: int) -> dict[int, str]:
    """What came of a process, and runs: process -> its command line, words divided by NUL."""
    found = {}
    for pid in sorted(descendants({root})):
        try:
            found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
        except OSError:  # it has just ended
            continue
    return found
