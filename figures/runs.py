"""What figures are made of: sweeps, evaluations and fine-tunings, found in run folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from interp.errors import UserError
from interp.store import RunFolder, StoreError
from interp.sweep_run import SweepRun, load_sweep
from training.compare import Evaluation, check_alike, groups_of, read
from training.subject import subject

HISTORY = "history.csv"


class Missing(UserError):
    """A figure cannot be made of these runs; the message says which run it needs."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """A fine-tuning.

    Attributes:
        about: label, group and seed, as of its evaluation.
        history: a row for each look at the validation pairs: step, losses, preference, IIA.
    """

    about: dict[str, Any]
    history: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Runs:
    """All runs that were named."""

    sweeps: Sequence[SweepRun]
    evaluations: Sequence[Evaluation]
    tunings: Sequence[Tuning]

    @property
    def sweep(self) -> SweepRun:
        """Raises `Missing` unless there is one."""
        if not self.sweeps:
            raise Missing("needs the run folder of a sweep: python -m interp.sweep")
        return self.sweeps[0]

    @cached_property
    def models(self) -> dict[str, list[Evaluation]]:
        """Evaluations of the seeds of each model under its name, the base first.

        Raises:
            Missing: there are none.
            UserError: they cannot be compared.
        """
        if not self.evaluations:
            raise Missing("needs evaluated models: python -m training.paper, or python -m training.evaluate")
        check_alike(self.evaluations)
        return groups_of(sorted(self.evaluations, key=lambda one: one.about["label"] != "base"))


def find(paths: Sequence[Path]) -> Runs:
    """Read run folders, and those inside of folders that are no run themselves.

    Raises:
        StoreError: one is not there, or damaged.
        UserError: there are two sweeps, or a run is of no known kind.
    """
    sweeps: list[SweepRun] = []
    evaluations: list[Evaluation] = []
    tunings: list[Tuning] = []
    for path in dict.fromkeys(run for given in paths for run in _inside(given)):
        kind = RunFolder(path).manifest().get("settings", {}).get("kind")
        if kind == "sweep":
            sweeps.append(load_sweep(path))
        elif kind == "evaluation":
            evaluations.append(read(path))
        elif kind == "finetune":
            tunings.append(_tuning(path))
            if (path / "evaluation" / "manifest.json").is_file():
                evaluations.append(read(path))
        else:
            raise UserError(f"'{path}' is a run of a kind that no figure is made of: {kind}")
    if len(sweeps) > 1:
        raise UserError(f"'{sweeps[0].folder.path}' and '{sweeps[1].folder.path}' are both sweeps; name one with --run")
    return Runs(sweeps, evaluations, tunings)


def _inside(path: Path) -> list[Path]:
    """A run folder itself, or the ones that a folder holds."""
    try:
        if (path / "manifest.json").is_file():
            return [path]
        found = sorted(each for each in path.iterdir() if (each / "manifest.json").is_file())
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}; --run takes run folders") from error
    if not found:
        raise StoreError(f"'{path}' is no run folder, and holds none; --run takes run folders")
    return found


def _tuning(path: Path) -> Tuning:
    try:
        history = pd.read_csv(path / HISTORY)
        history[["step", "val_loss", "preference"]]
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"cannot read '{path / HISTORY}' ({error}); fine-tune again") from error
    who = subject(str(path))
    return Tuning(who.about(who.settings["base"]), history)
