"""Tasks on a cluster, with new attempts after the loss of a worker. Ray is imported on use."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tqdm import tqdm

from interp.errors import UserError, quoted, shown

LOOK = 0.5  # seconds between two checks of the tasks
TRIES = 4  # most attempts at a task whose workers die


@dataclass(frozen=True)
class Cluster:
    """Ray cluster to which this process is connected.

    Attributes:
        gpus: number of GPUs of each task; each task also has 1 CPU.
        most: largest number of tasks at a time; None for as many as fit.
    """

    gpus: float
    most: int | None

    @property
    def room(self) -> int:
        """Number of tasks that fit on the nodes at a time.

        Raises:
            UserError: a task fits on no node.
        """
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(int(min(node.get("CPU", 0), node.get("GPU", 0) / self.gpus if self.gpus else 1e9)) for node in nodes)
        if room == 0:
            raise UserError(
                f"no node of the cluster has the CPU{f' and {self.gpus:g} GPUs' if self.gpus else ''} for a task; "
                "start another node, or choose another --gpus-per-cell and --device"
            )
        return room if self.most is None else min(room, self.most)

    @property
    def gpus_there(self) -> bool:
        """Presence of a GPU on any node."""
        import ray

        return any(node["Alive"] and node["Resources"].get("GPU", 0) for node in ray.nodes())

    def share(self, value: Any) -> Any:
        """Store a value for all workers, and return a reference that can be part of a task."""
        import ray

        return ray.put(value)

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items and call `look` at intervals; raise as `as_done` does."""
        for _ in self.as_done(task, items, look):
            pass

    def as_done(
        self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object] = lambda: None
    ) -> Iterator[Any]:
        """Do a task for all items in their order, and yield each item when its task is done.

        Args:
            task: task. If its worker dies, the task may begin again, and must then continue or start over.
            items: items of the tasks.
            look: function that is called at intervals.

        Raises:
            UserError: the task raised it, workers died repeatedly, or a node lacks a requirement of the task.
        """
        import ray
        from ray.exceptions import RayError, RayTaskError

        remote = _remote().options(num_cpus=1, num_gpus=self.gpus, max_retries=0)
        waiting = deque((item, 1) for item in items)
        running: dict[Any, tuple[Any, int]] = {}
        try:
            while waiting or running:
                while waiting and (self.most is None or len(running) < self.most):
                    item, tries = waiting.popleft()
                    running[remote.remote(task, item)] = item, tries
                done, _ = ray.wait(list(running), timeout=LOOK)
                look()
                for reference in done:
                    item, tries = running.pop(reference)
                    try:
                        ray.get(reference)
                    except RayTaskError as error:
                        raise _task_error(error) from error
                    except RayError as error:
                        waiting.appendleft((item, _next_try(tries, error)))
                    else:
                        yield item
        finally:
            for reference in running:
                with suppress(Exception):  # the cluster may also be gone
                    ray.cancel(reference, force=True)


def go_to(start: Path, needed: Path) -> None:
    """Change the working directory of a node to that of the command, so that relative paths are valid.

    Args:
        start: working directory of the command.
        needed: folder that the command made.

    Raises:
        UserError: the node does not see one of the two folders.
    """
    if not start.is_dir() or not (start / needed).is_dir():
        raise UserError(
            f"a node of the cluster does not see {quoted(start / needed)}, or the working directory {quoted(start)}; "
            "both must be on a disk that all nodes share, under one path"
        )
    os.chdir(start)


@cache
def _remote() -> Any:
    """Return `_do` as a function of Ray."""
    import ray

    return ray.remote(_do)


def _do(task: Callable[[Any], None], item: Any) -> None:
    """Do a task for an item."""
    task(item)


def _task_error(error: Any) -> Exception:
    """Return the error that the command raises for the error of a task."""
    cause = error.cause
    if isinstance(cause, UserError):
        return cause
    if isinstance(cause, ImportError) or "failed to import" in str(cause):
        return UserError(
            f"a node of the cluster cannot import a package of a task ({shown(cause)}); install equal packages on all "
            "nodes"
        )
    failure: Exception = error
    return failure


def _next_try(tries: int, error: Exception) -> int:
    """Print a note about a lost worker, and return the number of the next attempt.

    Raises:
        UserError: the task has lost `TRIES` workers.
    """
    reason = shown(str(error).partition("\n")[0], 200) or type(error).__name__
    if tries == TRIES:
        raise UserError(
            f"a task lost its worker {TRIES} times, perhaps for lack of memory ({reason}); finished cells are kept: "
            "run the same command again, with fewer --jobs or a smaller --limit"
        ) from error
    tqdm.write(f"note: a worker was lost ({type(error).__name__}); its task is tried again ({tries} of {TRIES - 1})")
    return tries + 1
