"""Executors, which compute the cells of a sweep: a file with an `EXECUTOR` and a line of the registry for each.

All executors give equal numbers. Each process computes with one thread, even if there is only one process, so the order
of sums never changes. Executors are imported on use; the registry needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from interp.errors import UserError, quoted

if TYPE_CHECKING:
    from interp.sweep.executors.executor import Executor

# value of --engine -> module
EXECUTORS = {
    "local": "interp.sweep.executors.local",
    "ray": "interp.sweep.executors.on_ray",
    "shards": "interp.sweep.executors.shards",
}


def find_executor(name: str) -> Executor:
    """Return an executor by name.

    Raises:
        UserError: the executor does not exist.
    """
    if name not in EXECUTORS:
        raise UserError(f"there is no engine {quoted(name)}; choose one of {', '.join(EXECUTORS)}")
    executor: Executor = import_module(EXECUTORS[name]).EXECUTOR
    return executor
