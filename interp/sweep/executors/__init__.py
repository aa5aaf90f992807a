"""Executors, which compute the cells of a sweep: each is a file of this folder with an `EXECUTOR`, and a registry line.

All executors give the same numbers. Each process computes with one thread, even if there is only one process, so that
no sum is taken in another order. Executors are imported when they are used; the registry needs no torch.
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
    """Return an executor by its name.

    Raises:
        UserError: there is no such executor.
    """
    if name not in EXECUTORS:
        raise UserError(f"there is no engine {quoted(name)}; known: {', '.join(EXECUTORS)}")
    found: Executor = import_module(EXECUTORS[name]).EXECUTOR
    return found
