"""Material of figures: sweeps, evaluations and fine-tunings, found in run folders."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from interp.data.contrast import DIRECTIONS, Contrast
from interp.data.errors import DataError
from interp.data.tables import read_table
from interp.errors import UserError
from interp.report.sweep_run import SweepRun, load_sweep
from interp.runs.files import StoreError
from interp.runs.folder import RunFolder
from training.evaluation.compare import check_alike, tables
from training.evaluation.evaluated_model import tuned_model
from training.evaluation.grouping import groups_of
from training.evaluation.records import TuningManifest
from training.evaluation.rendering import ResultTable
from training.evaluation.stored import Evaluation, read

HISTORY = "history.csv"
_NUMBERED = ("step", "val_loss", "preference")  # columns that are known for every look


class MissingRun(UserError):
    """Error for a figure that cannot be made from these runs; the message names the run that it needs."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """Fine-tuning.

    Attributes:
        about: label, group and seed, as in its evaluation.
        history: a row for each look at the validation pairs: step, losses, preference, IIA.
        seconds: duration of the training in seconds; NaN if the run does not have it.
        contrast: names of the two kinds of text.
    """

    about: dict[str, Any]
    history: pd.DataFrame
    seconds: float
    contrast: Contrast


@dataclass(frozen=True, eq=False)
class Runs:
    """All runs that the options name.

    Attributes:
        sweeps, evaluations, tunings: runs by kind.
        notes: sentences the user should read, about runs that are unfinished and left out.
    """

    sweeps: Sequence[SweepRun]
    evaluations: Sequence[Evaluation]
    tunings: Sequence[Tuning]
    notes: Sequence[str] = ()

    @property
    def sweep(self) -> SweepRun:
        """First sweep.

        Raises:
            Missing: there is none.
        """
        if not self.sweeps:
            raise MissingRun("needs the run folder of a sweep: python -m interp.sweep")
        return self.sweeps[0]

    @cached_property
    def models(self) -> dict[str, list[Evaluation]]:
        """Evaluations of the seeds of each model under its name, the base first.

        Raises:
            Missing: there are none.
            UserError: they cannot be compared.
        """
        if not self.evaluations:
            raise MissingRun("needs evaluated models: python -m training.paper, or python -m training.evaluate")
        check_alike(self.evaluations)
        return groups_of(sorted(self.evaluations, key=lambda one: one.about["label"] != "base"))

    @cached_property
    def tables(self) -> dict[str, ResultTable]:
        """Tables of the evaluations, by name."""
        found = tables([one for members in self.models.values() for one in members])
        return {table.name: table for table in found}


def find(paths: Sequence[Path]) -> Runs:
    """Read run folders, and those inside folders that are not runs themselves; unfinished runs are left out.

    Raises:
        StoreError: a folder does not exist, or is damaged.
        UserError: there are two sweeps, or a run has an unknown kind.
    """
    sweeps: list[SweepRun] = []
    evaluations: list[Evaluation] = []
    tunings: list[Tuning] = []
    notes: list[str] = []
    each = {path.resolve(): path for given in paths for path in _inside(given)}
    for path in each.values():
        manifest = RunFolder(path).manifest()
        kind = manifest["settings"]["kind"]
        if kind not in ("sweep", "evaluation", "finetune"):
            raise UserError(f"'{path}' is a run of a kind that no figure is made of: {kind}")
        if kind == "sweep":
            sweeps.append(load_sweep(path))
            continue
        if "finished" not in manifest:
            notes.append(f"'{path}' is not finished, and left out; its command goes on: {manifest['command']}")
            continue
        if kind == "finetune":
            tunings.append(_tuning(path))
        inside = RunFolder(path / "evaluation")
        if kind == "evaluation" or (inside.manifest_path.is_file() and "finished" in inside.manifest()):
            evaluations.append(read(path))
        else:
            notes.append(f"'{path}' has no finished evaluation: python -m training.evaluate --model {path}")
    if len(sweeps) > 1:
        raise UserError(f"'{sweeps[0].folder.path}' and '{sweeps[1].folder.path}' are both sweeps; name one with --run")
    return Runs(sweeps, evaluations, tunings, notes)


def _inside(path: Path) -> list[Path]:
    """Return a run folder itself, or the run folders in a folder."""
    try:
        if (path / "manifest.json").is_file() and RunFolder(path).settings["kind"] != "paper":
            return [path]
        found = sorted(each for each in path.iterdir() if (each / "manifest.json").is_file())
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}; --run takes run folders") from error
    if not found:
        raise StoreError(f"'{path}' is no run folder, and holds none; --run takes run folders")
    return found


def _tuning(path: Path) -> Tuning:
    folder = RunFolder(path)
    who, seconds = tuned_model(folder, str(path)), folder.manifest_as(TuningManifest).get("seconds", math.nan)
    contrast = Contrast(*who.settings["contrast"])
    return Tuning(who.about(who.settings["base"]), _history(path / HISTORY, contrast), seconds, contrast)


def _history(path: Path, contrast: Contrast) -> pd.DataFrame:
    """Return the looks of a fine-tuning at val, one per row; an unknown measure of a look is NaN.

    Raises:
        StoreError: the file is missing or has other content, or the steps do not ascend.
    """
    try:
        table = read_table(path)
        table.require(*_NUMBERED)
        columns = {
            name: [row.number_in(name) if row[name] or name in _NUMBERED else math.nan for row in table.rows]
            for name in table.columns
        }
    except DataError as error:
        raise StoreError(f"{error}; mend it, or fine-tune again") from error
    steps = columns["step"]
    if not steps or any(step != int(step) for step in steps) or any(a >= b for a, b in pairwise(steps)):
        raise StoreError(f"'{path}' holds no steps that are whole numbers and ascend; fine-tune again")
    iia = [f"iia_{contrast.short(direction)}" for direction in DIRECTIONS]  # these names may have capitals
    return pd.DataFrame(columns).astype({"step": int}).rename(columns={name.lower(): name for name in iia})
