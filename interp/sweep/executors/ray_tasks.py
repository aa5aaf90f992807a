"""Tasks on a cluster, which are retried if a worker is lost. Ray is imported on use."""

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
TRIES = 4  # attempts at a task whose workers die; a machine can fail at any time, but not for ever


@dataclass(frozen=True)
class Cluster:
    """Ray cluster that this process is connected to.

    Attributes:
        gpus: number of GPUs of each task; each task also has 1 CPU.
        most: largest number of tasks at a time; None for as many as there is room for.
    """

    gpus: float
    most: int | None

    @property
    def room(self) -> int:
        """Number of tasks that the nodes can do at a time.

        Raises:
            UserError: no node has room for a task.
        """
        import ray

        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(int(min(one.get("CPU", 0), one.get("GPU", 0) / self.gpus if self.gpus else 1e9)) for one in nodes)
        if room == 0:
            raise UserError(
                f"no node of the cluster has a CPU{f' and {self.gpus:g} GPUs' if self.gpus else ''} for a task; start "
                "one that has, or choose another --gpus-per-cell and --device"
            )
        return room if self.most is None else min(room, self.most)

    @property
    def gpus_there(self) -> bool:
        """Presence of a GPU on any node."""
        import ray

        return any(node["Alive"] and node["Resources"].get("GPU", 0) for node in ray.nodes())

    def share(self, value: Any) -> Any:
        """Put a value where all workers can read it, and return a reference that can be part of a task."""
        import ray

        return ray.put(value)

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items, and call `look` at intervals; raise as `as_done` does."""
        for _ in self.as_done(task, items, look):
            pass

    def as_done(
        self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object] = lambda: None
    ) -> Iterator[Any]:
        """Do a task for all items, the first ones first, and yield each item when it is done.

        Args:
            task: task. If its worker dies it may be begun again, and must then continue or start over.
            items: items to do the task for.
            look: function that is called at intervals.

        Raises:
            UserError: the task raised it, its workers died repeatedly, or a node lacks something that the task needs.
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
                        raise _of_task(error) from error
                    except RayError as error:
                        waiting.appendleft((item, _next_try(tries, error)))
                    else:
                        yield item
        finally:
            for reference in running:
                with suppress(Exception):  # the cluster may be gone too
                    ray.cancel(reference, force=True)


def go_to(start: Path, needed: Path) -> None:
    """Change a node's working directory to the one in which the command was given, to which paths are relative.

    Args:
        start: directory in which the command was given.
        needed: folder that the command has made.

    Raises:
        UserError: the node does not see one of the two folders.
    """
    if not start.is_dir() or not (start / needed).is_dir():
        raise UserError(
            f"a node of the cluster does not see {quoted(start / needed)}, or {quoted(start)}, where the command was "
            "given; both must lie on a disk that all nodes share, under the same path"
        )
    os.chdir(start)


@cache
def _remote() -> Any:
    import ray

    return ray.remote(_do)


def _do(task: Callable[[Any], None], item: Any) -> None:
    task(item)


def _of_task(error: Any) -> Exception:
    """Return the error of a task as the command should raise it."""
    cause = error.cause
    if isinstance(cause, UserError):
        return cause
    if isinstance(cause, ImportError) or "failed to import" in str(cause):
        return UserError(
            f"a node of the cluster cannot import what a task needs ({shown(cause)}); install the same packages on all"
        )
    failure: Exception = error
    return failure


def _next_try(tries: int, error: Exception) -> int:
    """Print that a worker was lost, and return the number of the next attempt.

    Raises:
        UserError: the task has lost `TRIES` workers.
    """
    why = shown(str(error).partition("\n")[0], 200) or type(error).__name__
    if tries == TRIES:
        raise UserError(
            f"a task lost its worker {TRIES} times, perhaps for want of memory ({why}); what is finished is kept: run "
            "the same command again, with fewer --jobs or a smaller --limit"
        ) from error
    tqdm.write(f"note: a worker was lost ({type(error).__name__}); its task is tried again ({tries} of {TRIES - 1})")
    return tries + 1
