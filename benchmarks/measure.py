"""Side-by-side timing, the limits of the machine, and the goals."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from interp.clip.model import Clip
from interp.errors import UserError
from interp.runs.content import to_json
from interp.runs.environment import now
from interp.runs.files import write_atomic

FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Machine:
    """Limits that the machine sets to every step.

    Attributes:
        flops: operations per second in a large matrix product.
        bandwidth: bytes per second in a copy; bytes that are read and bytes that are written both count.
    """

    flops: float
    bandwidth: float

    def seconds(self, work: Work) -> float:
        """Return the least time in which this work can be done."""
        return max(work.flops / self.flops, work.bytes / self.bandwidth)


@dataclass(frozen=True)
class Work:
    """Work that a step cannot avoid: floating-point operations, and bytes that must come from memory."""

    flops: float
    bytes: float


@dataclass(frozen=True)
class Result:
    """Line of the table.

    Attributes:
        name: name of the benchmark.
        peer: name of the peer.
        unit: unit of the values.
        value, low, high: median and quartiles of n measurements, in `unit`.
        n: number of measurements.
        goal: required value, with the side on which it is met; None for a line without a goal.
        share: share of the machine's limit, if it is known.
        facts: further data for the JSON file.
    """

    name: str
    peer: str
    unit: str
    value: float
    low: float
    high: float
    n: int
    goal: tuple[Literal[">=", "<="], float] | None
    share: float | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """True if the goal is met; None if there is no goal."""
        if self.goal is None:
            return None
        side, target = self.goal
        return self.value >= target if side == ">=" else self.value <= target


def side_by_side(
    names: tuple[str, str],
    peer: Callable[[], object],
    ours: Callable[[], object],
    *,
    goal: tuple[Literal[">=", "<="], float] | None,
    repeats: int,
    inner: int = 1,
    least: float | None = None,
) -> Result:
    """Time two ways to do the same in turn; each ratio, theirs to ours, is taken of two neighbouring runs.

    Args:
        names: names of the benchmark and of the peer.
        peer: run of the peer.
        ours: our run.
        goal: see `Result`.
        repeats: number of measurements.
        inner: number of our runs for each run of the peer, so that short times are measured well.
        least: seconds in which our run could be done at the machine's limit.
    """

    def seconds(run: Callable[[], object], times: int) -> float:
        started = time.perf_counter()
        for _ in range(times):
            run()
        return (time.perf_counter() - started) / times

    for run in (peer, ours):  # warm both up
        run()
    pairs = []
    for number in range(repeats):
        order = [(peer, 1), (ours, inner)]
        took = [seconds(*pair) for pair in (order if number % 2 else order[::-1])]
        pairs.append(took if number % 2 else took[::-1])
    both = np.array(pairs)
    low, value, high = np.percentile(both[:, 0] / both[:, 1], [25, 50, 75])
    mine = float(np.median(both[:, 1]))
    return Result(
        *names,
        "x",
        float(value),
        float(low),
        float(high),
        repeats,
        goal,
        None if least is None else least / mine,
    )


def measure_machine() -> Machine:
    """Return the rates of a matrix product and of a copy, on data larger than the caches; the best of several runs."""
    large = 1536
    a, b = (torch.randn(large, large) for _ in range(2))
    source = torch.randn(64_000_000)
    target = torch.empty_like(source)
    best = [np.inf, np.inf]
    for _ in range(6):
        for place, run in enumerate((lambda: a @ b, lambda: target.copy_(source))):
            started = time.perf_counter()
            run()
            best[place] = min(best[place], time.perf_counter() - started)
    return Machine(2 * large**3 / best[0], 2 * FLOAT * len(source) / best[1])


def describe(machine: Machine) -> dict[str, Any]:
    """Return the machine and the versions, for the JSON file."""
    packages = ("torch", "transformers", "pyvene", "captum", "peft", "numpy")
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "gflops": round(machine.flops / 1e9),
        "gigabytes_per_second": round(machine.bandwidth / 1e9, 1),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in packages},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def check_writable(file: str | None) -> None:
    """Raise `UserError` if results should go to a file whose folder cannot be written to."""
    if file is not None and not os.access(Path(file).absolute().parent, os.W_OK):
        raise UserError(f"cannot write '{file}': its folder cannot be written to")


def write_results(file: str | None, prog: str, machine: Machine, content: Mapping[str, Any]) -> None:
    """Write the measurements of a command, with the command, the time and the machine; without a file, do nothing."""
    if file is not None:
        about = {"command": f"{prog} {' '.join(sys.argv[1:])}", "at": now(), "machine": describe(machine)}
        write_atomic(Path(file), to_json(about | content))


def block_flops(clip: Clip, rows: float) -> float:
    """Return the operations of one block's linear layers for this many tokens.

    A backward pass to the inputs costs as much again.
    """
    config = clip.model.config.text_config
    return 2 * rows * (4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size)


def block_bytes(clip: Clip) -> float:
    """Return the bytes of one block's weights."""
    config = clip.model.config.text_config
    return FLOAT * (4 * config.hidden_size**2 + 2 * config.hidden_size * config.intermediate_size)
