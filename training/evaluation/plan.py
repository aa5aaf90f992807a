"""From the options of `training.evaluate` to jobs, and from jobs to a folder with measures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from interp.cli import slug
from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.model import Clip, ModelError
from interp.clip.sites import SiteMismatch
from interp.data import load_pairs
from interp.data.blv import RatedTexts, load_blv
from interp.data.contrast import PAPER
from interp.data.norms import Norm, load_norms
from interp.data.pairs import SPLITS, DataError, Pair, PairSet, digest
from interp.data.scores import read_pair_scores, read_text_scores
from interp.data.transfer import LabelledImages, default_sets, load_transfer
from interp.interventions.rotation import Rotation
from interp.runs.examples import EXAMPLES, keep_examples
from interp.runs.folder import check_folder, locked, now, open_run, to_json, update_manifest, write_atomic, write_table
from training.config import TASKS, EvaluateConfig
from training.evaluation import tasks as measure
from training.evaluation.evaluated_model import Subject, subject
from training.evaluation.measures import COLUMNS, Measure
from training.loop import ROTATION


@dataclass(frozen=True)
class Found:
    """What a task gave: its numbers, sentences the user should read, and what else is worth keeping (JSON)."""

    rows: Sequence[Measure]
    notes: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """A task that is ready: whatever its numbers depend on, and how to compute them, with notes for the user."""

    name: str
    settings: dict[str, Any]
    compute: Callable[[], Found]


@dataclass(frozen=True)
class Plan:
    """An evaluation that is ready.

    Attributes:
        settings: of the whole folder: what is evaluated.
        about: who it is, for tables that compare.
        shown: the pairs that are kept as examples, with the set they are of.
    """

    out: Path
    settings: dict[str, Any]
    about: dict[str, Any]
    jobs: tuple[Job, ...]
    notes: tuple[str, ...]
    shown: tuple[PairSet, tuple[Pair, ...]] | None = None


def of_model(config: EvaluateConfig, tasks: Sequence[str]) -> Plan:
    """Load the model and all the data that the tasks need.

    Raises:
        UserError: something is missing or does not fit; nothing has been written then.
    """
    who = subject(config.model)
    out = Path(config.out or (f"{config.model}/evaluation" if who.is_run else f"runs/evaluate-{slug(config.model)}"))
    check_folder(out)
    data = config.data or who.arguments.get("data", "toy")
    known_norms = load_norms(config.norms) if "norms" in tasks else []
    rated = load_blv(config.blv) if "blv" in tasks and config.blv else None
    pairs = _pairs(config, who, data) if set(tasks) != {"blv"} else None
    clip = load_clip(config.model, tokenizer=config.tokenizer, device=config.device)
    rotation = _rotation(config, clip, who)
    classified = []
    if "transfer" in tasks:  # last, for these may be large downloads
        sets = config.transfer or default_sets(data)
        templates = Path(config.templates) if config.templates else None
        classified = load_transfer(sets, templates=templates, limit=config.transfer_limit, seed=config.seed)
    jobs, notes, shown = {}, [*clip.notes], None
    if pairs is not None:
        with tqdm(total=len(pairs), desc="images", unit="image", leave=False, disable=None) as bar:
            features = image_features(clip, pairs, skip_bad=config.skip_bad_images, on_image=bar.update)
        if rotation is not None and "concadia" in tasks:
            _check_sources(config, features)
        jobs = _pair_jobs(config, clip, data, pairs, features, rotation, known_norms, classified)
        if "concadia" in tasks:
            shown = pairs, tuple(features.pairs[i] for i in _held_out(features.pairs)[:EXAMPLES])
        notes += [*pairs.notes, *features.notes]
    if rated is not None:
        jobs["blv"] = _blv(config, clip, rated, who)
    settings = {"kind": "evaluation", "model": clip.fingerprint}
    return Plan(out, settings, who.about(clip.fingerprint), tuple(jobs[task] for task in tasks), tuple(notes), shown)


def _pairs(config: EvaluateConfig, who: Subject, data: str) -> PairSet:
    """The pairs to evaluate on; those of a run are the ones that it was not trained on."""
    own = who.arguments if config.data in (None, who.arguments.get("data")) else {}
    kinds, split, limit = (
        own.get(name) if (given := getattr(config, name)) is None else given for name in ("kinds", "split", "limit")
    )
    pairs = load_pairs(data, kinds=kinds, split=split, limit=limit)
    chosen = [name.strip() for name in config.splits.split(",")]
    for name in chosen:
        pairs.split(name)  # raises where there are none
    return replace(pairs, pairs=tuple(pair for pair in pairs.pairs if pair.split in chosen))


def _check_sources(config: EvaluateConfig, features: EmbeddedPairs) -> None:
    counts = Counter(pair.split for pair in features.pairs)
    if config.sources == "random" and (few := [name for name, count in counts.items() if count < 2]):
        raise DataError(f"{few[0]} has 1 pair, random sources need 2; raise --limit, or choose --sources paired")


def _pair_jobs(
    config: EvaluateConfig, clip: Clip, data: str, pairs: PairSet, features: EmbeddedPairs,
    rotation: Rotation | None, known_norms: Sequence[Norm], classified: Sequence[LabelledImages],
) -> dict[str, Job]:  # fmt: skip
    """The tasks that need pairs."""
    kept = features.pairs
    held_out = _held_out(kept)
    z = None if rotation is None else digest([rotation.site.label, rotation.basis.double().numpy().tobytes().hex()])
    shared = {
        "data": pairs.fingerprint,
        "contrast": list(pairs.contrast.kinds),
        "pairs": len(kept),
        "rotation": z,
        "seed": config.seed,
        "device": config.device,
    }
    jobs: dict[str, Job] = {}

    def concadia() -> Found:
        rows, both = measure.concadia(clip, features, rotation, config.sources, config.seed)
        shown = [
            {"id": kept[i].id, "positive": float(both[0, i]), "negative": float(both[1, i])}
            for i in held_out[:EXAMPLES]
        ]
        return Found(rows, details={"examples": shown})

    jobs["concadia"] = Job("concadia", {**shared, "sources": config.sources, "examples": EXAMPLES}, concadia)

    def norms() -> Found:
        rows = held_out[: config.attributed]
        found, words = measure.norms(clip, features.take(rows), rotation, known_norms, n_steps=config.n_steps)
        known = words["full"]
        ratings = {norm.name: dict(zip(known, norm.of(known).tolist(), strict=True)) for norm in known_norms}
        return Found(found, details={"words": words, "ratings": ratings})

    prints = {norm.name: norm.fingerprint for norm in known_norms}
    numbers = {"attributed": config.attributed, "n_steps": config.n_steps}
    jobs["norms"] = Job("norms", {**shared, "norms": prints, **numbers}, norms)

    def transfer() -> Found:
        total = sum(map(len, classified))
        with tqdm(total=total, desc="transfer", unit="image", leave=False, disable=None) as bar:
            rows, notes = measure.transfer(clip, classified, bar.update)
        found, said = measure.retrievals(clip, data, features.take(held_out), seed=config.seed)
        return Found(rows + found, [*notes, *said])

    jobs["transfer"] = Job(
        "transfer", {**shared, "sets": {each.name: each.fingerprint for each in classified}}, transfer
    )
    return jobs


def _held_out(pairs: Sequence[Pair]) -> list[int]:
    """The pairs of the split that is looked at last: test, if there is one."""
    last = next(name for name in (*reversed(SPLITS), pairs[-1].split) if any(pair.split == name for pair in pairs))
    return [i for i, pair in enumerate(pairs) if pair.split == last]


def _rotation(config: EvaluateConfig, clip: Clip, who: Subject) -> Rotation | None:
    """The one that was named, or that lies beside the weights of a run; it must fit the model."""
    beside = Path(config.model) / ROTATION
    path = Path(config.rotation) if config.rotation else beside if who.is_run and beside.is_file() else None
    if path is None:
        return None
    rotation = Rotation.load(path)
    site = rotation.site
    site.check(clip)
    if site.tower != "text" or rotation.width != clip.width("text"):
        raise SiteMismatch(
            f"the rotation '{path}' is for width {rotation.width} of the {site.tower} tower, "
            f"the text tower of {clip.name} has {clip.width('text')}"
        )
    return rotation


def _blv(config: EvaluateConfig, clip: Clip, rated: RatedTexts, who: Subject) -> Job:
    against = config.against or who.base_name
    known = _text_scores(Path(against), rated) if against is not None and os.path.isfile(against) else None
    other = None
    if against is not None and known is None:
        own = config.against is None
        other = load_clip(against, tokenizer=who.arguments.get("tokenizer") if own else None, device=config.device)
        if own and other.fingerprint != who.settings["base"]:
            raise ModelError(
                f"'{config.model}' was fine-tuned from another base: '{against}' now has the fingerprint "
                f"{other.fingerprint}, it was {who.settings['base']}; bring back that model, or choose with --against"
            )
    name = None if against is None else digest(map(repr, known)) if known is not None else other and other.fingerprint

    def blv() -> Found:
        rival = known if other is None else measure.rated_scores(other, rated, config.prefix)
        notes = [] if against is None else [f"'more than the other': than {against}"]
        return Found(measure.blv(rated, measure.rated_scores(clip, rated, config.prefix), rival), notes)

    return Job("blv", {"ratings": rated.fingerprint, "prefix": config.prefix, "against": name}, blv)


def of_scores(config: EvaluateConfig, tasks: Sequence[str]) -> Plan:
    """Read given scores and the data that they are of."""
    path = Path(config.scores or "")
    out = Path(config.out or f"runs/evaluate-{slug(str(path.absolute().parent))}-{slug(path.stem)}")
    check_folder(out)
    (task,) = tasks
    notes: tuple[str, ...] = ()
    if task == "blv":
        rated = load_blv(config.blv or "")
        found = _text_scores(path, rated)
        rival = None if config.against is None else _text_scores(Path(config.against), rated)
        settings = {"ratings": rated.fingerprint, "against": None if rival is None else digest(map(repr, rival))}
        key = digest(map(repr, found))
        job = Job("blv", settings, lambda: Found(measure.blv(rated, found, rival)))
    else:
        table = read_pair_scores(path)
        key = digest(f"{name} {values!r}" for name, values in sorted(table.items()))
        if config.data is None:
            both = np.array(list(table.values()))
            job = Job("concadia", {}, lambda: Found(measure.given_preferences(PAPER, both[:, 0], both[:, 1])))
            notes = ("without --data concadia:FOLDER nothing is known of splits and lengths",)
        else:
            pairs = load_pairs(
                config.data, kinds=config.kinds, split=config.split, limit=config.limit, as_published=True
            )
            if absent := [pair.id for pair in pairs.pairs if pair.id not in table]:
                raise DataError(
                    f"'{path}' has no scores for {len(absent)} of the {len(pairs)} pairs of {config.data}, "
                    f"the first is {absent[0]}"
                )
            scored = np.array([table[pair.id] for pair in pairs.pairs])
            job = Job(
                "concadia", {"data": pairs.fingerprint},
                lambda: Found(measure.preferences(pairs.pairs, pairs.contrast, scored[:, 0], scored[:, 1])),
            )  # fmt: skip
            notes = pairs.notes
    about = {"name": str(path), "label": f"scores of {path.stem}", "base": key, "group": key, "seed": 0}
    return Plan(out, {"kind": "evaluation", "model": key}, about, (job,), notes)


def _text_scores(path: Path, rated: RatedTexts) -> np.ndarray:
    """Scores of the rated texts, from a file that may hold others too."""
    table = read_text_scores(path)
    if absent := [text.description for text in rated.texts if text.description not in table]:
        raise DataError(
            f"'{path}' has no scores for {len(absent)} of the {len(rated)} rated texts, the first is: {absent[0]:.60}"
        )
    return np.array([table[text.description] for text in rated.texts])


def carry_out(plan: Plan, **facts: Any) -> tuple[list[Measure], list[str]]:
    """Run the jobs that are not done, and write the tables of all that the folder holds.

    Returns:
        Numbers and notes of this plan's jobs.
    """
    folder = open_run(plan.out, plan.settings, about=plan.about, **facts)
    with locked(folder):
        if plan.shown is not None:
            keep_examples(folder, *plan.shown)
        for job in tqdm(plan.jobs, desc="tasks", unit="task", leave=False, disable=None):
            cell = folder.read(job.name)
            if cell is None or cell.get("settings") != job.settings:
                found = job.compute()
                rows = [row.row() for row in found.rows]
                folder.write(
                    job.name, {"settings": job.settings, "rows": rows, "notes": found.notes, "details": found.details}
                )
        known = {key: value for job in plan.jobs for key, value in job.settings.items()}
        own = {job.name for job in plan.jobs}
        cells = {
            name: cell for name in TASKS
            if (cell := folder.read(name)) is not None and (name in own or _agrees(cell, known))
        }  # fmt: skip
        every = [row for cell in cells.values() for row in cell["rows"]]
        write_table(pd.DataFrame(every, columns=list(COLUMNS)), plan.out, "results")
        write_atomic(plan.out / "results.json", to_json(every))
        update_manifest(folder, finished=now())
    asked = [cells[job.name] for job in plan.jobs]
    measures = [Measure(**_numbers(row)) for cell in asked for row in cell["rows"]]
    return measures, [*plan.notes, *(note for cell in asked for note in cell["notes"])]


def _agrees(cell: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether an earlier task was evaluated on the same things as those of this plan."""
    return all(known.get(key, value) == value for key, value in cell.get("settings", {}).items())


def _numbers(row: dict[str, Any]) -> dict[str, Any]:
    """JSON has no NaN."""
    return {key: float("nan") if value is None else value for key, value in row.items()}
