"""Evaluation of scores from a file instead of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from interp.cli import slug
from interp.data import load_pairs
from interp.data.contrast import PAPER, Contrast
from interp.data.pairs import DataError, digest, without_equal_texts, without_intervals
from interp.data.scores import read_pair_scores, text_scores
from interp.runs.folder import check_folder
from interp.runs.versions import VERSIONS
from training.config import EvaluateConfig
from training.evaluation.jobs import Plan
from training.evaluation.preferences import given_preferences, preferences
from training.evaluation.readers import agreement_with_readers
from training.evaluation.tasks.blv import load_ratings
from training.evaluation.tasks.task import Job, TaskResult


def of_scores(config: EvaluateConfig, tasks: Sequence[str]) -> Plan:
    """Read given scores and the data that they belong to.

    Raises:
        UserError: a file cannot be read, or lacks scores; nothing has been written then.
    """
    path = Path(config.scores or "")
    out = Path(config.out or f"runs/evaluate-{slug(str(path.absolute().parent))}-{slug(path.stem)}")
    check_folder(out)
    (task,) = tasks
    notes: tuple[str, ...] = ()
    contrast = Contrast.parse(config.kinds) if config.kinds else PAPER
    if task == "blv":
        rated = load_ratings(config)
        scores = text_scores(path, rated)
        rival = None if config.against is None else text_scores(Path(config.against), rated)
        settings = {"ratings": rated.fingerprint, "against": None if rival is None else digest(map(repr, rival))}
        key = digest(map(repr, scores))
        job = Job("blv", settings, lambda: TaskResult(agreement_with_readers(rated, scores, rival)))
    else:
        table = read_pair_scores(path)
        key = digest(f"{name} {values!r}" for name, values in sorted(table.items()))
        if config.data is None:
            both = np.array(list(table.values()))
            job = Job("preference", {}, lambda: TaskResult(given_preferences(contrast, both[:, 0], both[:, 1])))
            notes = ("splits and lengths are unknown without --data concadia:FOLDER",)
        else:
            pairs = without_equal_texts(
                load_pairs(config.data, kinds=config.kinds, split=config.split, limit=config.limit, as_published=True)
            )
            if absent := [pair.id for pair in pairs.pairs if pair.id not in table]:
                raise DataError(
                    f"'{path}' has no scores for {len(absent)} of the {len(pairs)} pairs of {config.data}; "
                    f"the first of these pairs is {absent[0]}"
                )
            scored = np.array([table[pair.id] for pair in pairs.pairs])
            job = Job(
                "preference",
                {"data": pairs.fingerprint, "contrast": list(pairs.contrast.kinds)},
                lambda: TaskResult(preferences(pairs.pairs, pairs.contrast, scored[:, 0], scored[:, 1])),
            )
            few = [
                note
                for split in {pair.split: None for pair in pairs.pairs}
                for note in without_intervals(pairs.pairs, split)
            ]
            notes, contrast = (*pairs.notes, *few), pairs.contrast
    about = {"name": str(path), "label": f"scores of {path.stem}", "base": key, "group": key, "seed": 0}
    return Plan(
        out, {"kind": "evaluation", "version": VERSIONS["evaluation"], "model": key}, about, (job,), notes, contrast
    )
