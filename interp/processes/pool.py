"""Worker processes of a sweep. They start with little data, are watched, and end with the sweep, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_connection
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any

from interp.errors import UserError
from interp.processes.signals import deaf_children

LOOK = 0.5  # seconds between checks of the processes
PATIENCE = 5.0  # seconds that a process has to end before it is killed


class _Context(SpawnContext):
    """Context that records the processes that were started with it."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[SpawnProcess] = []

    # in the base class, this attribute is a class that is only called
    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        process = SpawnProcess(*args, **kwargs)
        self.started.append(process)
        return process

    @property
    def alive(self) -> list[SpawnProcess]:
        """Processes that were started and have not ended."""
        return [process for process in self.started if process.pid is not None and process.exitcode is None]

    @property
    def any_ended(self) -> bool:
        """True if a process has ended; while there is work, no process ends by itself."""
        return any(process.pid is not None and process.exitcode is not None for process in self.started)


@dataclass(frozen=True)
class Pool:
    """Pool of processes that do tasks.

    Attributes:
        faults: errors of the executor's own thread, which does no more tasks after an error.
    """

    executor: ProcessPoolExecutor
    context: _Context
    faults: list[BaseException | None]

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items, and call `look` every `LOOK` seconds or more often.

        Raises:
            BrokenProcessPool: a process died. The executor by itself does not notice a process that dies while it
                starts, or while it holds the lock of the queue.
        """
        with deaf_children():
            pending = {self.executor.submit(_do, task, item) for item in items}
        while pending:
            done, pending = wait(pending, timeout=LOOK, return_when=FIRST_COMPLETED)
            look()
            for future in done:
                future.result()
            if self.context.any_ended or self.faults:
                raise BrokenProcessPool


@contextmanager
def processes(count: int, prepare: Callable[[str], None], path: str) -> Iterator[Pool]:
    """Start `count` processes, each of which calls `prepare` first, and end all processes on exit.

    Args:
        path: argument of `prepare`. The arguments of a new process pass through a pipe with a small buffer. If the
            process is killed before it has read a large argument, its parent waits forever.

    Raises:
        UserError: a process died; finished work of the other processes is kept.
    """
    context = _Context()
    executor = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(prepare, path))
    with _faults_of_executor() as faults:
        try:
            yield Pool(executor, context, faults)
            executor.shutdown()
        except BaseException as error:
            _end(context)
            # join the executor's thread: Python 3.11 prints a traceback if it exits while the thread closes its pipe
            executor.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool):
                raise UserError(
                    "a process died, perhaps because memory ran out; finished cells are kept: "
                    "run the same command again, with --jobs 1 or a smaller --limit"
                ) from error
            raise


@contextmanager
def _faults_of_executor() -> Iterator[list[BaseException | None]]:
    """Collect errors of executors' threads instead of printing them.

    In Python 3.11, an executor's thread fails if a process dies while another process is started, since both change the
    same dictionary.
    """
    faults: list[BaseException | None] = []
    before = threading.excepthook

    def keep(args: threading.ExceptHookArgs) -> None:
        if type(args.thread).__module__ == ProcessPoolExecutor.__module__:
            faults.append(args.exc_value)
        else:
            before(args)

    threading.excepthook = keep
    try:
        yield faults
    finally:
        threading.excepthook = before


def _end(context: _Context) -> None:
    for process in context.alive:
        process.terminate()
    for process in context.alive:
        process.join(PATIENCE)
    for process in context.alive:
        process.kill()
        process.join()


_failure: UserError | None = None  # error of the preparation of this process


def _begin(prepare: Callable[[str], None], path: str) -> None:
    global _failure
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        prepare(path)
    except UserError as error:  # the executor would only report that a process died
        _failure = error


def _do(task: Callable[[Any], None], item: Any) -> None:
    if _failure is not None:
        raise _failure
    task(item)


def _end_with_parent() -> None:
    """Exit when the parent ends: a killed sweep must not leave processes that write next to those of its successor."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_connection([parent.sentinel])
        os._exit(1)
