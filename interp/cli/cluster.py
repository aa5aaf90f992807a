"""Check of a command's cluster options, made before any other work."""

from __future__ import annotations

import re
import socket
from importlib.util import find_spec

from interp.errors import UserError, quoted, shown

_TIMEOUT = 5.0  # seconds in which a cluster must answer


def check_cluster(address: str | None, gpus: float | None, *, wanted: bool) -> None:
    """Check the options of a Ray cluster.

    Args:
        wanted: True if the command will use a cluster.

    Raises:
        UserError: an option is given without a cluster or has an impossible value, Ray is not installed, or no cluster
            listens at the address.
    """
    if not wanted:
        for name, value in (("--address", address), ("--gpus-per-cell", gpus)):
            if value is not None:
                raise UserError(f"{name} is an option of a Ray cluster; add --engine ray, or leave {name} out")
        return
    if gpus is not None and not (gpus == 0 or 0.01 <= gpus < 1 or (1 <= gpus <= 64 and gpus == int(gpus))):
        raise UserError(f"--gpus-per-cell must be a share of one GPU from 0.01, or a whole number to 64, not {gpus}")
    if find_spec("ray") is None:
        raise UserError("--engine ray needs Ray; install Ray with pip install 'clip-descriptions[ray]'")
    if address is not None and address != "auto":
        _check_address(address)


def _check_address(address: str) -> None:
    """Raise `UserError` unless a server listens at the address; Ray itself would retry for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in address or not re.fullmatch(r"[0-9]{1,5}", port):
        raise UserError(
            f"--address {quoted(address)} is no address of a Ray cluster; write HOST:6379, or auto on one of its nodes"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_TIMEOUT).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise UserError(
            f"there is no Ray cluster at --address {quoted(address)} ({shown(error)}); start a cluster with ray "
            "start --head, or leave --address out"
        ) from error
