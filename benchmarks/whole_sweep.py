"""Sweep as a user runs it, timed from outside, with the total memory of all its processes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from interp.processes.reaper import descendants

LOOK_EVERY = 3.0  # seconds; a look visits all pages, which takes a tenth of a second


@dataclass(frozen=True)
class Cost:
    """Cost of a command.

    Attributes:
        seconds: time from start to end.
        peak: largest number of bytes in memory; pages that processes share are counted once.
    """

    seconds: float
    peak: int


def sweep_cost(model: Path | str, data: Path, out: Path, cache: Path, options: Sequence[str]) -> Cost:
    """Run `python -m interp.sweep` in a separate process.

    Raises:
        RuntimeError: the sweep failed; the message is its output.
    """
    command = [sys.executable, "-m", "interp.sweep", "--model", str(model), "--data", f"concadia:{data}"]
    command += ["--objective", "das"]
    environment = os.environ | {"CLIP_DESCRIPTIONS_CACHE": str(cache)}
    log, peak, started = out.with_suffix(".log"), 0, time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "--out", str(out), *options], stdout=file, stderr=subprocess.STDOUT, env=environment
        )
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(LOOK_EVERY)
    if process.returncode:
        raise RuntimeError(f"the sweep failed:\n{log.read_text()}")
    return Cost(time.perf_counter() - started, peak)


def memory(root: int) -> int:
    """Return the bytes that a process and its descendants hold (PSS); Linux only."""
    total = 0
    for pid in (root, *(process.pid for process in descendants(root))):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total
