"""Connection to a Ray cluster: a cluster on this machine ends with the command, a joined cluster continues."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from interp.cli import cores
from interp.errors import UserError, quoted, shown
from interp.sweep.executors.ray_tasks import Cluster

MARK = "CLIP_DESCRIPTIONS_CLUSTER"  # environment variable of all processes of a cluster that is started here
# Settings of a cluster that is started here: no usage statistics, usual priority of workers, more time to start
_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
    "RAY_agent_register_timeout_ms": "120000",
}
STARTS = 2  # attempts; Ray waits half a minute for its processes, which can be too short for a first start


@contextmanager
def cluster(address: str | None, *, gpus: float = 0.0, most: int | None = None) -> Iterator[Cluster]:
    """Join a Ray cluster, or start a cluster on this machine that ends with this process, even if it is killed.

    Args:
        address: address as `ray start` prints it, or auto for the cluster of this machine; None to start a cluster.
        gpus: number of GPUs of each task.
        most: largest number of tasks at a time; None for no limit.

    Raises:
        UserError: there is no cluster at that address.
    """
    import ray

    if ray.is_initialized():  # the caller also ends the cluster
        yield Cluster(gpus, most)
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "logging_level": "ERROR"}
    alone: dict[str, Any] = {}
    if address is None:  # refuse connections from the network
        alone = {"num_cpus": cores(), "include_dashboard": False, "_node_ip_address": "127.0.0.1"}
    mark = secrets.token_hex(8)
    with _environment(_SETTINGS | ({MARK: mark} if address is None else {})), _watched(mark, address is None):
        logging.getLogger("ray").setLevel(logging.ERROR)
        try:
            with _handlers_kept():
                if address is None:
                    _start(**alone, **quiet)
                else:
                    _join(address, **quiet)
            yield Cluster(gpus, most)
        finally:
            ray.shutdown()


def _start(**options: Any) -> None:
    """Start a cluster on this machine.

    Raises:
        UserError: Ray does not start.
    """
    import ray

    for left in reversed(range(STARTS)):
        try:
            ray.init(address="local", **options)
            return
        except Exception as error:  # Ray has no specific error for processes that took too long
            ray.shutdown()
            if not left:
                raise UserError(f"cannot start Ray on this machine ({shown(error)}); use --engine local") from error


def _join(address: str, **options: Any) -> None:
    """Join a cluster.

    Raises:
        UserError: there is no cluster at the address.
    """
    import ray

    try:
        ray.init(address=address, **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
        raise UserError(
            f"cannot join a Ray cluster at --address {quoted(address)} ({shown(error)}); start a cluster with "
            "ray start --head, or, if the cluster requires a token, set RAY_AUTH_MODE=token"
        ) from error


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables, and restore them on exit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Restore the signal handlers on exit, since those of Ray end the process at once."""
    is_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM) if is_main}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _watched(mark: str, started_here: bool) -> Iterator[None]:
    """Start a process that ends the cluster's processes if this process is killed.

    Otherwise, the processes of Ray outlive a killed process by a minute.
    """
    if not started_here:
        yield
        return
    command = [sys.executable, "-m", "interp.processes.reaper", str(os.getpid()), f"{MARK}={mark}"]
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    watcher = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
    try:
        yield
    finally:
        if watcher.stdin is not None:
            watcher.stdin.close()
        watcher.wait()
