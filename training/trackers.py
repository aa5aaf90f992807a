"""Trackers of the curves of a fine-tuning: files for TensorBoard, and trackers that accelerate knows. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from interp.cli import WORK, option
from interp.errors import UserError, first_line, quoted

if TYPE_CHECKING:
    from accelerate import Accelerator

    from training.curves import Curves

_PROJECT = "clip-descriptions"
FILES, NONE = "tensorboard", "none"
# tracker of accelerate, named like its package -> its argument for the name of a run; Comet chooses the name itself
TRACKERS = {
    "wandb": "name",
    "trackio": "name",
    "mlflow": "run_name",
    "clearml": "task_name",
    "swanlab": "experiment_name",
    "aim": "experiment",
    "dvclive": "exp_name",
    "comet_ml": None,
}


@dataclass(frozen=True)
class TrackerOptions:
    """Curves."""

    log_with: str = option(
        FILES,
        f"comma-separated trackers of the curves: {FILES} (files in the run folder), trackers of accelerate "
        f"({', '.join(TRACKERS)}), or {NONE}. By default nothing is sent. A tracker of accelerate gets losses, "
        "measures and settings, and may add other information: wandb adds the command, folders and hardware of this "
        "machine, git, packages and printed lines",
        metavar="LIST",
        role=WORK,
    )


def check_trackers(log_with: str) -> list[str]:
    """Return the names in the list, each once; empty if curves are not written.

    Raises:
        UserError: a tracker is unknown, or its package is not installed.
    """
    names = list(dict.fromkeys(name.strip() for name in log_with.split(",")))
    choices = (FILES, *TRACKERS, NONE)
    if unknown := [name for name in names if name not in choices]:
        raise UserError(f"--log-with: the tracker {quoted(unknown[0])} does not exist; known: {', '.join(choices)}")
    if names == [NONE]:
        return []
    if NONE in names:
        raise UserError(f"--log-with: {NONE} cannot be combined with trackers; leave out {NONE} or the trackers")
    for name in names:
        if name != FILES and not _is_installed(name):
            package = "'clip-descriptions[wandb]'" if name == "wandb" else name
            raise UserError(f"--log-with {name} needs the package {name}; install it with pip install {package}")
    return names


def _is_installed(package: str) -> bool:
    """Return whether a package is installed; a folder with its name, which trackers create, is not a package."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def make_trackers(log_with: str, folder: Path) -> list[str | Curves] | None:
    """Return the argument `log_with` of `accelerate.Accelerator`.

    Args:
        log_with: names of trackers.
        folder: folder for the files of TensorBoard.

    Raises:
        UserError: see `check_trackers`; or accelerate does not support the installed version.
    """
    names = check_trackers(log_with)
    from accelerate import __version__
    from accelerate.tracking import get_available_trackers

    from training.curves import Curves

    there = {FILES, *map(str, get_available_trackers())}
    if absent := [name for name in names if name not in there]:
        raise UserError(
            f"--log-with {absent[0]}: accelerate {__version__} does not support the installed version of {absent[0]}; "
            f"update both with pip install --upgrade accelerate {absent[0]}"
        )
    return [Curves(folder) if name == FILES else name for name in names] or None


def start_trackers(accelerator: Accelerator, folder: Path) -> None:
    """Start a run of each tracker, with the name of the run folder and the run's settings.

    The settings hold fingerprints of model and data instead of names, so that paths of this machine are not sent.

    Raises:
        UserError: a tracker cannot start; its user may have to log in first.
    """
    if not accelerator.log_with:
        return
    from interp.runs.folder import RunFolder  # here, so that a command's help need not load it

    names = {name: {key: folder.name} for name, key in TRACKERS.items() if key is not None}
    try:
        accelerator.init_trackers(_PROJECT, RunFolder(folder).settings, names)
    except Exception as error:  # each tracker has its own error types
        why = first_line(error).rstrip(".")
        raise UserError(
            f"--log-with: a tracker cannot start: {why}; remove the cause or choose other trackers, then continue with "
            "--resume"
        ) from error
