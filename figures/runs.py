"""Data of figures: sweeps, evaluations and fine-tunings from run folders."""

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
_NUMBERED = ("step", "val_loss", "preference")  # columns with a value in every row


class MissingRun(UserError):
    """Error of a figure that lacks a run; the message names the missing run."""


@dataclass(frozen=True, eq=False)
class Tuning:
    """Fine-tuning.

    Attributes:
        about: label, group and seed, as in the evaluation.
        history: table with a row for each validation: step, losses, preference, IIA.
        seconds: duration of the training in seconds; NaN if missing.
        contrast: names of the two kinds of text.
    """

    about: dict[str, Any]
    history: pd.DataFrame
    seconds: float
    contrast: Contrast


@dataclass(frozen=True, eq=False)
class Runs:
    """All given runs.

    Attributes:
        sweeps, evaluations, tunings: runs by kind.
        notes: notes for the user on unfinished runs, which are left out.
    """

    sweeps: Sequence[SweepRun]
    evaluations: Sequence[Evaluation]
    tunings: Sequence[Tuning]
    notes: Sequence[str] = ()

    @property
    def sweep(self) -> SweepRun:
        """First sweep.

        Raises:
            MissingRun: there is no sweep.
        """
        if not self.sweeps:
            raise MissingRun("needs the run folder of a sweep: python -m interp.sweep")
        return self.sweeps[0]

    @cached_property
    def models(self) -> dict[str, list[Evaluation]]:
        """Evaluations of the seeds of each model, by name of the model, the base first.

        Raises:
            MissingRun: there are no evaluations.
            UserError: the evaluations cannot be compared.
        """
        if not self.evaluations:
            raise MissingRun("needs evaluated models: python -m training.paper, or python -m training.evaluate")
        check_alike(self.evaluations)
        return groups_of(sorted(self.evaluations, key=lambda member: member.about["label"] != "base"))

    @cached_property
    def tables(self) -> dict[str, ResultTable]:
        """Tables of the evaluations, by name."""
        members = [member for members in self.models.values() for member in members]
        return {table.name: table for table in tables(members)}


def find(paths: Sequence[Path]) -> Runs:
    """Read run folders, and the run folders inside other folders; unfinished runs are left out.

    Raises:
        StoreError: a folder does not exist or is damaged.
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
            raise UserError(f"no figure shows runs of the kind {kind}: '{path}'; remove it from --run")
        if kind == "sweep":
            sweeps.append(load_sweep(path))
            continue
        if "finished" not in manifest:
            notes.append(f"'{path}' is not finished, and is left out; continue it with: {manifest['command']}")
            continue
        if kind == "finetune":
            tunings.append(_tuning(path))
        inside = RunFolder(path / "evaluation")
        if kind == "evaluation" or (inside.manifest_path.is_file() and "finished" in inside.manifest()):
            evaluations.append(read(path))
        else:
            notes.append(
                f"'{path}' has no finished evaluation; evaluate it with: python -m training.evaluate --model {path}"
            )
    if len(sweeps) > 1:
        raise UserError(
            f"'{sweeps[0].folder.path}' and '{sweeps[1].folder.path}' are both sweeps; give only one of them to --run"
        )
    return Runs(sweeps, evaluations, tunings, notes)


def _inside(path: Path) -> list[Path]:
    """Return the path if it is a run folder; else the run folders inside it."""
    try:
        if (path / "manifest.json").is_file() and RunFolder(path).settings["kind"] != "paper":
            return [path]
        inside = sorted(each for each in path.iterdir() if (each / "manifest.json").is_file())
    except OSError as error:
        raise StoreError(f"cannot read '{path}': {error.strerror or error}; give run folders to --run") from error
    if not inside:
        raise StoreError(f"'{path}' is not a run folder and contains no run folder; give run folders to --run")
    return inside


def _tuning(path: Path) -> Tuning:
    folder = RunFolder(path)
    who, seconds = tuned_model(folder, str(path)), folder.manifest_as(TuningManifest).get("seconds", math.nan)
    contrast = Contrast(*who.settings["contrast"])
    return Tuning(who.about(who.settings["base"]), _history(path / HISTORY, contrast), seconds, contrast)


def _history(path: Path, contrast: Contrast) -> pd.DataFrame:
    """Return the validations of a fine-tuning, one per row; a missing measure is NaN.

    Raises:
        StoreError: the file is missing or has invalid content, or the steps do not ascend.
    """
    try:
        table = read_table(path)
        table.require(*_NUMBERED)
        columns = {
            name: [row.number_in(name) if row[name] or name in _NUMBERED else math.nan for row in table.rows]
            for name in table.columns
        }
    except DataError as error:
        raise StoreError(f"{error}; correct the file, or fine-tune again") from error
    steps = columns["step"]
    if not steps or any(step != int(step) for step in steps) or any(a >= b for a, b in pairwise(steps)):
        raise StoreError(f"'{path}' has no steps, or its steps are not ascending whole numbers; fine-tune again")
    iia = [f"iia_{contrast.short(direction)}" for direction in DIRECTIONS]  # these names can have capital letters
    return pd.DataFrame(columns).astype({"step": int}).rename(columns={name.lower(): name for name in iia})
