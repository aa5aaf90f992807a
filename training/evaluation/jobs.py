"""Plan of tasks that are ready to be computed, and the folder that keeps their results."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from interp.cli.progress import Bar
from interp.data.contrast import PAPER, Contrast
from interp.data.pairs import Pair, PairSet
from interp.drawing.markup import plural
from interp.runs.content import to_json
from interp.runs.environment import now
from interp.runs.examples import keep_examples
from interp.runs.files import StoreError, write_atomic
from interp.runs.folder import RunFolder, open_run, update_manifest, write_table
from training.evaluation.numbers import COLUMNS, Number
from training.evaluation.records import TaskFile
from training.evaluation.tasks import TASKS
from training.evaluation.tasks.task import Job


@dataclass(frozen=True)
class Plan:
    """Evaluation that is ready to be computed.

    Attributes:
        out: output folder.
        settings: settings of the whole folder, which identify the evaluated model.
        about: facts about the model, for tables of several models.
        jobs: tasks that are ready.
        notes: sentences that the user should read.
        contrast: names of the two kinds of text.
        shown: pairs that are kept as examples, with their data set.
        certified: errors of the engine that measures the rotation, on one batch of texts (`certified_pairs`); empty
            if there is no rotation.
    """

    out: Path
    settings: dict[str, Any]
    about: dict[str, Any]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...]
    contrast: Contrast = PAPER
    shown: tuple[PairSet, tuple[Pair, ...]] | None = None
    certified: Mapping[str, float] = field(default_factory=dict)


def carry_out(plan: Plan, **facts: Any) -> tuple[list[Number], list[str]]:
    """Run the jobs without results in the folder, and write the tables of all results.

    Returns:
        Numbers and notes of this plan's jobs.
    """
    # without new errors of the engine, keep those of an earlier task
    certificate: dict[str, Any] = {"certified": plan.certified} if plan.certified else {}
    with open_run(plan.out, plan.settings, about=plan.about, **certificate, **facts) as folder:
        if plan.shown is not None:
            keep_examples(folder, *plan.shown)
        print(f"{plural(len(plan.jobs), 'task')}: {', '.join(job.name for job in plan.jobs)}", flush=True)
        for job in Bar(plan.jobs, desc="tasks", unit="task"):
            if not _is_done(folder, job):
                result = job.compute()
                rows = [row.row() for row in result.rows]
                folder.write(
                    job.name, {"settings": job.settings, "rows": rows, "notes": result.notes, "details": result.details}
                )
        asked_for = {key: value for job in plan.jobs for key, value in job.settings.items()}
        planned = {job.name for job in plan.jobs}
        cells = {
            name: cell
            for name in TASKS
            if (cell := _read(folder, name)) is not None and (name in planned or _agrees(cell, asked_for))
        }
        every = [row for cell in cells.values() for row in cell["rows"]]
        write_table(pd.DataFrame(every, columns=list(COLUMNS)), plan.out, "results")
        write_atomic(plan.out / "results.json", to_json(every))
        update_manifest(folder, finished=now(), tasks=list(cells))
    asked = [cells[job.name] for job in plan.jobs]
    measures = [Number(**row) for cell in asked for row in cell["rows"]]
    return measures, [*plan.notes, *(note for cell in asked for note in cell["notes"])]


def _is_done(folder: RunFolder, job: Job) -> bool:
    """Return whether the folder has results of a task with the present settings."""
    cell = _read(folder, job.name)
    return cell is not None and cell["settings"] == json.loads(to_json(job.settings))


def _read(folder: RunFolder, name: str) -> TaskFile | None:
    """Return the file of an earlier task; None, with a note, if the file cannot be used."""
    try:
        return folder.read(name, TaskFile)
    except StoreError as error:
        print(f"note: {error.fault}; the task {name} is computed again")
        return None


def _agrees(cell: TaskFile, settings: Mapping[str, Any]) -> bool:
    """Return whether the settings of an earlier task agree with the given settings."""
    return all(settings.get(key, value) == value for key, value in cell["settings"].items())
