"""Helpers that run the command of an evaluation, and read its files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from interp.clip.image_features import EmbeddedPairs, image_features
from interp.clip.loading import load_clip
from interp.clip.tensors import Embeddings
from interp.data import load_pairs
from interp.data.pairs import Pair, PairSet
from interp.runs.versions import VERSIONS
from interp.subspaces.rotation import Rotation
from tests.oracles.plain_forward import (
    random_texts,
)
from training import evaluate, finetune
from training.evaluation.jobs import Plan, carry_out
from training.evaluation.numbers import Number
from training.evaluation.tasks.task import Job, TaskResult

SMALL = ["--attributed", "4", "--n-steps", "3", "--transfer-limit", "20"]


TUNING = ["--layer", "4", "--size", "6", "--max-steps", "2", "--lora-rank", "2", "--lr", "0.01", "--device", "cpu"]

ADAPTER = "adapter_model.safetensors"


Key = tuple[str, str, str]


def run(*arguments: str) -> int:
    return evaluate.main([*SMALL, "--trust-run", *arguments])


def tune(model: str, out: Path, *arguments: str) -> Path:
    """Fine-tune a model, and return the run folder."""
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(out.parent / "cache"))
        assert finetune.main([*TUNING, "--model", model, "--out", str(out), *arguments]) == 0
    return out


def pairs_of_toy(limit: int, *splits: str) -> int:
    return sum(pair.split in splits for pair in load_pairs("toy", limit=limit).pairs)


def table(folder: Path) -> pd.DataFrame:
    """Return the rows of an evaluation, indexed by task, of and measure."""
    frame = pd.read_csv(folder / "results.csv", float_precision="round_trip")
    return frame.set_index(["task", "of", "measure"], verify_integrity=True).sort_index()


def by_key(rows: list[Number]) -> dict[Key, Number]:
    numbers = {(row.task, row.of, row.measure): row for row in rows}
    assert len(numbers) == len(rows)
    return numbers


def times(folder: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in folder.glob("cells/*.json")}


def of_test(run: Path) -> EmbeddedPairs:
    """Return the test pairs of a run, with their images."""
    return image_features(load_clip(str(run), trust=True), load_pairs("toy", limit=60).split("test"))


def with_images(pairs: Iterable[Pair], images: Embeddings) -> EmbeddedPairs:
    """Return synthetic pairs with embeddings of their images."""
    return EmbeddedPairs(PairSet("some", tuple(pairs)), images)


def run_rotation(run: Path) -> Rotation:
    """Return the rotation in a run folder."""
    return Rotation.load(run / "rotation.safetensors")


def some_pairs(n: int, splits: tuple[str, ...], seed: int = 0) -> list[Pair]:
    positive, negative = random_texts(n, seed), random_texts(n, seed + 100)
    return [Pair(str(i), positive[i], negative[i], splits[i % len(splits)], f"group {i // 3}") for i in range(n)]


def evaluated(
    folder: Path, values: dict[tuple[str, str, str], float], details: dict[str, Any] | None = None, **about: Any
) -> Path:
    """Write an evaluation folder with the given values, by the code that writes all evaluations."""
    facts = {"name": str(folder), "label": "base", "base": "b", "group": "base", "seed": 0} | about
    rows = [Number(*key, value, 9) for key, value in values.items()]
    jobs = tuple(
        Job(name, {}, lambda name=name: TaskResult([row for row in rows if row.task == name], details=details or {}))
        for name in dict.fromkeys(row.task for row in rows)
    )
    carry_out(
        Plan(folder, {"kind": "evaluation", "version": VERSIONS["evaluation"], "model": str(folder)}, facts, jobs, ())
    )
    return folder
