"""Tasks on a Ray cluster: started here or joined, tried again where a worker is lost, and ended with the command.

Ray is an extra (`pip install 'clip-descriptions[ray]'`) and is imported when it is asked for. No torch.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from interp.cli import cores
from interp.errors import UserError, quoted, shown

REACHED = 5.0  # seconds in which a cluster must answer
LOOK = 0.5  # seconds between looks at what is done
TRIES = 4  # of a task whose workers die; a machine can fail at any time, but not for ever
MARK = "CLIP_DESCRIPTIONS_CLUSTER"  # in the environment of all processes of a cluster that was started here
# Of a cluster that is started here: nothing is sent to Ray's authors, and workers are as urgent as other processes are.
MANNERS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}


def check_cluster(address: str | None, gpus: float | None, *, wanted: bool) -> None:
    """See whether the options of a cluster can be meant.

    Args:
        wanted: whether a cluster is to be used.

    Raises:
        UserError: they cannot, or Ray is not installed.
    """
    if not wanted:
        for name, value in (("--address", address), ("--gpus-per-cell", gpus)):
            if value is not None:
                raise UserError(f"{name} is for a Ray cluster; add --engine ray, or leave it out")
        return
    if gpus is not None and not (gpus == 0 or 0.01 <= gpus < 1 or (1 <= gpus <= 64 and gpus == int(gpus))):
        raise UserError(f"--gpus-per-cell must be a share of one GPU from 0.01, or a whole number to 64, not {gpus}")
    if find_spec("ray") is None:
        raise UserError("--engine ray needs Ray; install it with pip install 'clip-descriptions[ray]'")
    if address is not None and address != "auto":
        _check_address(address)


def _check_address(address: str) -> None:
    """Raise `UserError` unless somebody listens there: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not re.fullmatch(r"[0-9]{1,5}", port):
        raise UserError(
            f"--address {quoted(address)} is none of a Ray cluster; write HOST:6379, or auto on one of its nodes"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(
            f"there is no Ray cluster at --address {quoted(address)} ({shown(error)}); start one with ray start "
            "--head, or leave --address out"
        ) from error


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster that this process is connected to.

    Attributes:
        gpus: of each task; 1 CPU it has in any case.
        most: tasks at a time, None for as many as there is room for.
    """

    gpus: float
    most: int | None

    @property
    def room(self) -> int:
        """How many tasks the nodes can do at a time.

        Raises:
            UserError: no node can do one.
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
        """Whether any node has a GPU."""
        import ray

        return any(node["Alive"] and node["Resources"].get("GPU", 0) for node in ray.nodes())

    def share(self, value: Any) -> Any:
        """Put a value where all workers can read it; what this gives can be part of a task."""
        import ray

        return ray.put(value)

    def run_all(self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object]) -> None:
        """Do a task for all items, and call `look` now and then; raises as `as_done` does."""
        for _ in self.as_done(task, items, look):
            pass

    def as_done(
        self, task: Callable[[Any], None], items: Sequence[Any], look: Callable[[], object] = lambda: None
    ) -> Iterator[Any]:
        """Do a task for all items, the first ones first, and give each as it is done.

        Args:
            task: may be begun again where its worker died, and must then go on or start anew.

        Raises:
            UserError: a task raised it, its workers died again and again, or a node lacks what it needs.
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
                with suppress(Exception):  # the cluster may be gone, too
                    ray.cancel(reference, force=True)


def go_to(start: Path, needed: Path) -> None:
    """On a node, go to the directory in which the command was given, which paths are relative to.

    Args:
        needed: a folder that the command has made.

    Raises:
        UserError: the node does not see them.
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
    """What a task raised, as its command says it."""
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
    """Say that a worker was lost; raises `UserError` if that has happened too often."""
    why = shown(str(error).partition("\n")[0], 200) or type(error).__name__
    if tries == TRIES:
        raise UserError(
            f"a task lost its worker {TRIES} times, perhaps for want of memory ({why}); what is finished is kept: run "
            "the same command again, with fewer --jobs or a smaller --limit"
        ) from error
    tqdm.write(f"note: a worker was lost ({type(error).__name__}); its task is tried again ({tries} of {TRIES - 1})")
    return tries + 1


@contextmanager
def cluster(address: str | None, *, gpus: float = 0.0, most: int | None = None) -> Iterator[Cluster]:
    """Join a Ray cluster, or start one on this machine, which ends with this process, whatever ends that.

    Args:
        address: as `ray start` says it, or auto for the one that this machine is part of; None to start one.

    Raises:
        UserError: there is no cluster at that address.
    """
    import ray

    if ray.is_initialized():  # by whoever called this, who also ends it
        yield Cluster(gpus, most)
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    alone: dict[str, Any] = {}
    if address is None:  # nobody on the network is let in
        alone = {"num_cpus": cores(), "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    mark = secrets.token_hex(8)
    with _environment(MANNERS | ({MARK: mark} if address is None else {})), _watched(mark, address is None):
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            try:
                with _handlers_kept():
                    ray.init(address=address or "local", **alone, **quiet)
            except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
                if address is None:
                    raise UserError(f"Ray cannot be started here ({shown(error)}); use --engine local") from error
                raise UserError(
                    f"cannot join a Ray cluster at --address {quoted(address)} ({shown(error)}); start one with ray "
                    "start --head, or, if it asks for a token, set RAY_AUTH_MODE=token"
                ) from error
            yield Cluster(gpus, most)
        finally:
            ray.shutdown()


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray would end the process at a signal in its own way."""
    mine = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if mine}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched(mark: str, started_here: bool) -> Iterator[None]:
    """Have a process end those of a cluster when this one is gone: if it is killed, Ray's own ones outlive it by a
    minute."""
    if not started_here:
        yield
        return
    command = [sys.executable, "-m", "interp.watching", str(os.getpid()), f"{MARK}={mark}"]
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        yield
    finally:
        if watcher.stdin is not None:
            watcher.stdin.close()
        watcher.wait()
