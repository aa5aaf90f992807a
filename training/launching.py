"""Environment variables of launchers, which start several processes of a program. No torch.

A fine-tuning follows these variables if all of them are set. A sweep ignores them.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

# variables that accelerate launch and torchrun set; then their counterparts of MPI, which accelerate also reads
_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_OF_MPI = (
    *("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
    *(f"{name}_COMM_WORLD_{what}" for name in ("OMPI", "MV2") for what in ("RANK", "SIZE", "LOCAL_RANK")),
)
_LAUNCHERS = (*_NEEDED, *_OF_MPI)
_SETTINGS = "ACCELERATE_"  # prefix of the names of accelerate's own variables
_PRECISION, _ACCUMULATION = "ACCELERATE_MIXED_PRECISION", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"


@contextmanager
def _without(names: tuple[str, ...]) -> Iterator[None]:
    """Hide environment variables, and restore them on exit."""
    hidden = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


@contextmanager
def alone() -> Iterator[None]:
    """Hide launchers, so that accelerate makes an accelerator for this process alone, in the given precision."""
    with _without((*_LAUNCHERS, *(name for name in os.environ if name.startswith(_SETTINGS)))):
        yield


@contextmanager
def launched(precision: str | None) -> Iterator[list[str]]:
    """Let accelerate follow a launcher, and yield notes on the variables that are followed or ignored.

    While this process waits for other processes, signals end it at once, since the wait is not in Python code.

    Args:
        precision: precision of the options; None for the precision of the launcher.
    """
    notes = []
    lacking = [name for name in _NEEDED if name not in os.environ]
    there = [name for name in _LAUNCHERS if name in os.environ]
    whole, waiting = not lacking, False
    if there and not whole:
        notes.append(
            f"{' and '.join(there)} of a launcher {'is' if len(there) == 1 else 'are'} ignored, since "
            f"{', '.join(lacking)} {'is' if len(lacking) == 1 else 'are'} not set: only one process trains"
        )
    elif whole and os.environ["WORLD_SIZE"] != "1":
        waiting = True
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        notes.append(
            f"process {os.environ['RANK']} of {os.environ['WORLD_SIZE']} (RANK and WORLD_SIZE) waits for the other "
            f"processes at {where}; unset both variables to train in one process"
        )
    if precision is None and _PRECISION in os.environ:
        notes.append(f"mixed precision {os.environ[_PRECISION]}, from {_PRECISION}")
    if os.environ.get(_ACCUMULATION, "1") != "1":
        notes.append(f"{_ACCUMULATION} is ignored: the rows of a step are those of --batch-size")
    with (
        _without(() if whole else _LAUNCHERS),
        _without((_ACCUMULATION,)),
        _ended_by_signals() if waiting else nullcontext(),
    ):
        yield notes


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let signals end this process at once, and restore the handlers on exit."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
