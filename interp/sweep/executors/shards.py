"""Executor for a part of the cells on this machine; other jobs compute the other parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.sweep.executors.local import LocalExecutor
from interp.sweep.sharing import claimed


class _Shards(LocalExecutor):
    """Executor of one of several jobs."""

    @contextmanager
    def claimed(self, folder: RunFolder, missing: Sequence[Place]) -> Iterator[list[Place]]:
        """Yield the cells that no other job is computing, and reserve them during the body."""
        with claimed(folder, missing) as mine:
            yield mine


EXECUTOR = _Shards()
