"""Run folders with invented numbers, in the form that sweeps, fine-tunings and evaluations write."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from interp.data.contrast import DIRECTIONS, PAPER, Contrast
from interp.measures import MEASURED, MethodName, passes
from interp.measures.attributions import relations
from interp.runs.cells import trained_name
from interp.runs.content import NO_SUM
from interp.runs.files import write_atomic
from interp.runs.folder import RunFolder, open_run, write_table
from interp.runs.place import Place
from interp.runs.ratings import RATINGS
from interp.runs.versions import VERSIONS
from training.config import FinetuneConfig
from training.evaluation.doses import ALPHAS, DOSED, at_alpha
from training.evaluation.evaluated_model import tuned_model

PAPER_METHODS = (
    MethodName("das", "das", "subspace found by DAS"),
    MethodName("pca", "pca", "principal components"),
    MethodName("means", "means", "difference in means"),
    MethodName("random", "random", "random subspaces"),
)
FIELDS = {"description": "positive", "caption": "negative"}  # kind of text in the paper -> field of a pair
WORDS = ("a", "red", "circle", "at", "the", "harbour", "wedding", "of", "freedom", "star", "blue", "left")
NORMS = ("imageability", "concreteness")
INTERVAL = ("_low", -0.05), ("_high", 0.05)
TEXTS = (("a red circle at the left", "the wedding at the harbour"), ("a blue star", "the star of freedom"))


def versioned(kind: str) -> dict[str, Any]:
    """Return the settings that every run of a kind has."""
    return {"kind": kind, "version": VERSIONS[kind]}


def a_run(path: Path) -> RunFolder:
    """Start a run, and return its folder."""
    with open_run(path, versioned("sweep")) as folder:
        return folder


def make_other_version(path: Path) -> int:
    """Give a run another version in its manifest, and return the version."""
    content = json.loads((path / "manifest.json").read_text())
    content["settings"]["version"] -= 1
    (path / "manifest.json").write_text(json.dumps(content))
    return int(content["settings"]["version"])


def rewrite(path: Path, content: Any) -> None:
    """Replace the content of a file of a run, and update its checksum if it has one."""
    if isinstance(content, dict) and "checksum" in content:
        text = json.dumps(content | {"checksum": NO_SUM})
        path.write_text(text.replace(NO_SUM, hashlib.sha256(text.encode()).hexdigest(), 1))
    else:
        path.write_text(json.dumps(content))


def kept(path: Path) -> dict[str, Any]:
    """Return the content of a file of a run, without its checksum and the identity of the run."""
    content = json.loads(path.read_text())
    return {key: value for key, value in content.items() if key not in ("checksum", "run")}


def reseal(path: Path) -> None:
    """Make the files of a run fit the present settings in its manifest."""
    folder = RunFolder(path)
    for file in [*path.glob("cells/*.json"), *path.glob("*.json")]:
        if file != folder.manifest_path and "checksum" in json.loads(file.read_text()):
            folder.write_file(str(file.relative_to(path)), kept(file))


@dataclass(frozen=True)
class Question:
    """Contrast and methods of a sweep."""

    contrast: Contrast = PAPER
    methods: Sequence[MethodName] = PAPER_METHODS

    @property
    def settings(self) -> dict[str, Any]:
        """Settings in the manifest."""
        return {"contrast": list(self.contrast.kinds), "methods": [list(method) for method in self.methods]}

    @property
    def stems(self) -> list[str]:
        """Stems of the measures of IIA: the cell, the methods that it is compared with, and the ceilings."""
        return ["iia", *(f"iia_{method.column}" for method in self.methods[1:]), "iia_whole", "iia_size0"]

    def directed(self, stem: str) -> list[str]:
        """Return the measures of a stem in each direction."""
        return [f"{stem}_{self.contrast.short(direction)}" for direction in DIRECTIONS]


PAPERS = Question()


def write_pictures(folder: RunFolder, texts: Sequence[tuple[str, str]], draw: np.random.Generator) -> list[str]:
    """Write `examples.json` and `examples/`, and return the ids of the pairs."""
    kept = []
    for number, (positive, negative) in enumerate(texts):
        buffer = io.BytesIO()
        pixels = np.kron(draw.integers(0, 255, (4, 4, 3)), np.ones((8, 12, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(buffer, format="JPEG")
        write_atomic(folder.path / "examples" / f"{number}.jpg", buffer.getvalue())
        pair = {"id": f"pair-{number}", "positive": positive, "negative": negative, "image": f"{number}.jpg"}
        kept.append(pair | {"checksum": hashlib.sha256(buffer.getvalue()).hexdigest()})
    folder.write_file("examples.json", {"examples": kept})
    return [pair["id"] for pair in kept]


def write_sweep(
    path: Path,
    *,
    layers: Sequence[int] = (6, 7, 8),
    sizes: Sequence[int] = (4, 16),
    tuned: bool = False,
    texts: Sequence[tuple[str, str]] = TEXTS,
    norms: Sequence[str] = NORMS,
    question: Question = PAPERS,
) -> Path:
    draw = np.random.default_rng(0)
    folder = RunFolder(path)
    settings = {"model": "f", "data": "f", "device": "cpu", "pairs": 90, "sources": "random", "controls": "all"}
    settings |= {"objective": "iit-das"} if tuned else {}
    facts = {"norm_sources": dict.fromkeys(norms, "made up"), "notes": [], "cells": [], "command": "a command"}
    facts |= {"arguments": {"model": "toy", "data": "toy", "n_steps": 20}}
    with open_run(path, {**versioned("sweep"), **settings, **question.settings}, **facts):
        pass
    write_pictures(folder, texts, draw)
    ratings = {norm: {word: float(draw.uniform(100, 700)) for word in WORDS[1:]} for norm in norms}
    folder.write_file(RATINGS, {"ratings": ratings})
    for layer in layers:
        for size in sizes:
            place = {"layer": layer, "block": layer - 1, "size": size, "seed": 0}
            words = {route: {word: [float(draw.normal(0, 0.05)), 3] for word in WORDS} for route in MEASURED}
            measures = _measures(draw, tuned, norms, question, size)
            examples = [example for which in (0, 1) for example in _examples(texts, which, draw, question.contrast)]
            articles = {word: [number, number + 1, number + 2] for number, word in enumerate(WORDS)}
            frozen = {name: value for name, value in measures.items() if not name.startswith("tuned_")}
            shown = {"cell": place, "words": words, "examples": examples}
            where = Place(layer, size, 0)
            folder.write(where.name, {**shown, "measures": frozen, "articles": articles})
            trained = {name.removeprefix("tuned_"): value for name, value in measures.items() if name not in frozen}
            for objective in passes("iit-das") if tuned else ():
                folder.write_file(trained_name(objective, where), {**shown, "measures": {**trained, "seconds": 1.5}})
    return path


def _measures(
    draw: np.random.Generator, tuned: bool, norms: Sequence[str], question: Question, size: int
) -> dict[str, Any]:
    main_stem, *others = question.stems
    names = [main_stem, *question.directed(main_stem), *others, "iia_val", "preference"]
    out = {name: float(draw.uniform(0.3, 1)) for name in names}
    up, down = question.directed("shift")
    out |= {up: float(draw.uniform(0, 0.3)), down: float(draw.uniform(-0.3, 0))}
    stems = [f"r_{norm}_{route}" for norm in norms for route in MEASURED]
    out |= _of_words("", norms)
    if tuned:
        out |= _of_words("tuned_", norms)
        names = ["preference", *question.directed("iia"), "val_loss"]
        out |= {f"tuned_{name}": float(draw.uniform()) for name in names}
        lost = {f"tuned_{name}_drop": float(draw.uniform(-0.02, 0.2)) for name in ("transfer", "retrieval")}
        out |= lost | {f"{name}{end}": value + by for name, value in lost.items() for end, by in INTERVAL}
        stems += [f"tuned_r_{norm}_{route}" for norm in norms for route in ("through", "full")]
        out |= {f"tuned_{up}": 0.1, f"tuned_{down}": -0.1}
        # the reference figures show the numbers drawn above, so these numbers are derived from them
        out |= {"tuned_preference_val": out["iia_val"], "tuned_preference_val_se": 0.0}
        out |= {"tuned_retrieval_rise_val": out["tuned_retrieval_drop"]}
    for stem in stems:
        r = float(draw.uniform(-0.9, 0.9))
        out |= {stem: r, f"{stem}_low": r - 0.1, f"{stem}_high": r + 0.1}
    out |= {name: out[stem] for stem in others for name in question.directed(stem)}
    out |= {f"{name}{end}": None for stem in others for name in (stem, *question.directed(stem)) for end, _ in INTERVAL}
    if tuned:
        out |= {
            f"tuned_r_{norm}_around{end}": -out[f"tuned_r_{norm}_full{other}"]
            for norm in norms
            for end, other in (("", ""), ("_low", "_high"), ("_high", "_low"))
        }
    shares = [main_stem, *question.directed(main_stem), "preference"]
    shares += [f"tuned_{name}" for name in ("preference", *question.directed("iia"))] if tuned else []
    out |= {f"{name}{end}": out[name] + by for name in shares for end, by in INTERVAL}
    out |= {
        "test_pairs": 9,
        "directions": size,
        "das_steps": 80,
        "das_val_loss": 0.003,
        "iia_val_se": 0.0,
        "attribution_delta": 0.001,
        "seconds": 1.5,
    }
    return out | {f"{stem}_{norm}": len(WORDS) - 1 for norm in norms for stem in ("n", "n_repeated")}


def _of_words(prefix: str, norms: Sequence[str]) -> dict[str, float | None]:
    """Return the other measures of attributions, which need no random numbers."""
    out: dict[str, float | None] = {"converged": 1.0, "attribution_unconverged": 0.0, "attribution_delta_relative": 0.0}
    for norm, route in ((norm, route) for norm in norms for route in MEASURED):
        out |= {f"attribution_coverage_{norm}_{route}": 0.5, f"reliability_{norm}_{route}": None}
        stems = [stem for stem in relations(norms) if stem != "r"]
        out |= {f"{stem}_{norm}_{route}{end}": None for stem in stems for end in ("", "_low", "_high")}
    return {f"{prefix}{key}": value for key, value in out.items()}


def _examples(
    texts: Sequence[tuple[str, str]], which: int, draw: np.random.Generator, contrast: Contrast
) -> list[dict[str, Any]]:
    out = []
    for pair, both in enumerate(texts):
        words = both[which].split()
        swap = {"source_pair": 0, "source": texts[0][1 - which], "base": 0.5, "counterfactual": 0.625}
        values = {route: [float(value) for value in draw.normal(0, 0.05, len(words))] for route in MEASURED}
        out.append(
            {
                "kind": contrast.kinds[which],
                "pair": pair,
                "words": words,
                "swap": swap,
                "score": 0.5,
                "baseline_score": 0.4,
                **values,
            }
        )
    return out


def write_evaluation(
    path: Path,
    label: str = "base",
    seed: int = 0,
    *,
    routes: Sequence[str] = ("full",),
    readers: bool = False,
    dosed: bool = False,
    texts: Sequence[tuple[str, str]] = TEXTS,
    name: str | None = None,
    group: str | None = None,
) -> Path:
    draw = np.random.default_rng([seed, *label.encode()])
    folder = RunFolder(path)
    about = {"name": name or str(path), "label": label, "base": "b", "group": group or label, "seed": seed}
    about |= {} if label == "base" or label.startswith("scores of ") else {"objective": label.partition(",")[0]}
    tasks = ["preference", "transfer", "norms"] + ["blv", "domains"] * readers + ["dose"] * dosed
    facts = {"about": about, "finished": "now", "tasks": tasks}
    with open_run(path, versioned("evaluation"), **facts):
        pass
    ids = write_pictures(folder, texts, np.random.default_rng(5))
    shown = [
        {"id": pair_id, **dict(zip(("positive", "negative"), draw.uniform(0.2, 0.7, 2).tolist(), strict=True))}
        for pair_id in ids
    ]
    words = {route: {word: float(draw.normal(0, 0.05)) for word in WORDS} for route in routes}
    fixed = np.random.default_rng(9)
    ratings = {norm: {word: float(fixed.uniform(100, 700)) for word in WORDS[1:]} | {WORDS[0]: None} for norm in NORMS}
    rows = [
        ("preference", "test", "preference"),
        ("transfer", "colour", "accuracy"),
        ("transfer", "colour", "macro_f1"),
    ]
    rows += [("norms", norm, f"r_{route}") for norm in NORMS for route in routes]
    rows += [("blv", "overall", "pearson")] if readers else []
    values = draw.uniform(0, 1, len(rows)).tolist()
    numbers = [
        {"task": task, "of": subject, "measure": measure, "value": value, "low": None, "high": None, "n": 9}
        for (task, subject, measure), value in zip(rows, values, strict=True)
    ]
    numbers += _retrieval(seed, label) + (_doses(seed) if dosed else [])
    other = {"task": "domains", "of": "toy:charts", "measure": "preference", "value": 0.5, "low": None, "high": None}
    numbers += [other | {"n": 9}] * readers
    details = {"preference": {"examples": shown}, "norms": {"words": words, "ratings": ratings}}
    for task in facts["tasks"]:
        task_rows = [row for row in numbers if row["task"] == task]
        folder.write(task, {"settings": {}, "rows": task_rows, "notes": [], "details": details.get(task, {})})
    write_table(pd.DataFrame(numbers), path, "results")
    return path


def _retrieval(seed: int, label: str) -> list[dict[str, Any]]:
    """Return rows of retrieval, which is lower in trained models."""
    lost = 0.0 if label == "base" else 0.01 * (len(label) % 7) + 0.002 * seed
    row = {"task": "transfer", "of": "retrieval", "low": None, "high": None, "n": 9}
    return [row | {"measure": f"retrieval {kind}", "value": 0.9 - lost} for kind in PAPER.kinds]


def _doses(seed: int) -> list[dict[str, Any]]:
    """Return rows of the task `dose`."""
    slopes = {"preference": 0.08, "gap": 0.02, "retrieval": -0.03, "accuracy": 0.0}
    starts = {"preference": 0.6, "gap": 0.01, "retrieval": 0.9, "accuracy": 0.85}
    rows = []
    for measure in DOSED:
        for alpha in ALPHAS:
            value = starts[measure] + slopes[measure] * alpha + 0.01 * seed
            ends = {"low": value - 0.02, "high": value + 0.03}
            rows.append(
                {"task": "dose", "of": "some", "measure": at_alpha(measure, alpha), "value": value, **ends, "n": 9}
            )
    return rows


def write_tuning(
    path: Path, objective: str = "iit-das", seed: int = 0, steps: Sequence[int] = (0, 10, 20, 30), tuning: str = "lora"
) -> Path:
    """Write a fine-tuned run without an evaluation."""
    draw = np.random.default_rng([seed, *objective.encode()])
    config = asdict(FinetuneConfig(objective=objective, tuning=tuning, seed=seed, size=16, retain=0.0))  # type: ignore[arg-type]
    settings = {**versioned("finetune"), "base": "b", "contrast": PAPER.kinds, **config}
    facts = {"arguments": config, "named": {"base": "toy", "tokenizer": None}, "command": "a command"}
    with open_run(path, settings, **facts, finished="now", seconds=0.7):
        pass
    n = len(steps)
    history = {"step": steps, "train_loss": [None, *draw.uniform(0.1, 1, n - 1)], "val_loss": np.geomspace(2, 0.01, n)}
    history["preference"] = np.linspace(0.5, draw.uniform(0.9, 1), n)
    if objective != "behavioral":
        history |= {"iia_c2d": np.linspace(0.1, 0.98, n), "iia_d2c": np.linspace(0.8, 1, n)}
    write_atomic(path / "history.csv", pd.DataFrame(history).to_csv(index=False))
    return path


def write_paper(path: Path, *, readers: bool = False, texts: Sequence[tuple[str, str]] = TEXTS) -> Path:
    """Write the evaluations of a base, and of two kinds of fine-tuned models with two seeds each."""
    write_evaluation(path / "base", readers=readers, texts=texts)
    for seed in (0, 1):
        for objective, label, routes in (
            ("behavioral", "behavioral, LoRA", ("full",)),
            ("iit-das", "IIT-DAS, LoRA", MEASURED),
        ):
            run = write_tuning(path / f"{objective}-seed{seed}", objective, seed)
            write_evaluation(
                run / "evaluation",
                label,
                seed,
                routes=routes,
                readers=readers,
                dosed=objective != "behavioral",
                texts=texts,
                name=str(run),
                group=tuned_model(RunFolder(run), str(run)).about("b")["group"],
            )
    return path
