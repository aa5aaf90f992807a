"""Folder of good inputs for every command: a small model, data of each kind, and a finished run of each kind."""

from __future__ import annotations

import csv
import os
import zipfile
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path

import datasets
import numpy as np
from PIL import Image

from tests.oracles.plain_forward import random_clip
from tests.toy_concadia import write_concadia

KINDS = ("star", "harbour")
PAIRS = {"train": 10, "val": 4, "test": 6}
MODEL = ("--model", "model", "--data", "concadia:concadia")
FEW = ("--attributed", "2", "--n-steps", "2")
CELLS = ("--layers", "3", "--max-steps", "5", "--jobs", "1", *FEW)
RUN = ("--model", "tuning", "--trust-run")
COMMANDS: dict[str, tuple[str, tuple[str, ...]]] = {  # name -> module and arguments
    "sweep": ("interp.sweep.__main__", (*MODEL, *CELLS, "--sizes", "2,4", "--objective", "das", "--out", "sweep")),
    "tuned": (
        "interp.sweep.__main__",
        (*MODEL, *CELLS, "--sizes", "2", "--tune-steps", "1", "--transfer", "mine=classes", "--out", "tuned"),
    ),
    "new sweep": (
        "interp.sweep.__main__",
        (
            "--model",
            "model",
            "--data",
            "csv:pairs/pairs.csv",
            *CELLS,
            "--sizes",
            "2",
            "--objective",
            "das",
            "--norms",
            "mine=norms.csv,imageability",
            "--out",
            "new",
        ),
    ),
    "sweep of a run": (
        "interp.sweep.__main__",
        (
            *RUN,
            "--data",
            "concadia:zipped",
            *CELLS,
            "--sizes",
            "2",
            "--objective",
            "das",
            "--controls",
            "none",
            "--out",
            "new",
        ),
    ),
    "sweep again": (
        "interp.sweep.__main__",
        ("--config", "sweep", "--trust-run", "--max-steps", "4", "--jobs", "1", "--out", "new"),
    ),
    "report": ("interp.report.__main__", ("sweep",)),
    "report of tuned": ("interp.report.__main__", ("tuned", "--out", "new.html")),
    "check": ("interp.check.__main__", ("model",)),
    "check of a run": ("interp.check.__main__", ("tuning", "--trust-run")),
    "statistics": (
        "interp.data.statistics",
        ("--data", "concadia:concadia", "concadia:zipped", "csv:pairs/pairs.csv", "--pairs", "6", "--draws", "2"),
    ),
    "finetune": (
        "training.finetune",
        (
            *MODEL,
            "--layer",
            "3",
            "--size",
            "4",
            "--max-steps",
            "2",
            "--batch-size",
            "4",
            "--lora-rank",
            "2",
            "--device",
            "cpu",
            "--resume",
            "--out",
            "tuning",
        ),
    ),
    "new finetune": (
        "training.finetune",
        (
            "--model",
            "model",
            "--data",
            "csv:pairs/pairs.csv",
            "--layer",
            "3",
            "--size",
            "4",
            "--max-steps",
            "2",
            "--batch-size",
            "4",
            "--tuning",
            "full",
            "--rotation",
            "sweep/rotations/layer03-size004-seed0.safetensors",
            "--device",
            "cpu",
            "--out",
            "new",
        ),
    ),
    "finetune again": (
        "training.finetune",
        ("--config", "tuning/manifest.json", "--trust-run", "--size", "3", "--out", "new"),
    ),
    "evaluate": (
        "training.evaluate",
        (*RUN, *FEW, "--transfer", "mine=classes", "--templates", "templates.txt", "--blv", "blv"),
    ),
    "new evaluate": (
        "training.evaluate",
        (
            "--model",
            "model",
            "--data",
            "concadia:zipped",
            *FEW,
            "--tasks",
            "preference,transfer,blv",
            "--blv",
            "blv",
            "--transfer",
            "mine=classes,table=rows.parquet",
            "--against",
            "texts.csv",
            "--rotation",
            "tuning/rotation.safetensors",
            "--out",
            "new",
        ),
    ),
    "base": ("training.evaluate", (*MODEL, *FEW, "--tasks", "preference,norms", "--out", "base")),
    "scores": (
        "training.evaluate",
        ("--scores", "scores.csv", "--tasks", "preference", "--data", "concadia:concadia", "--out", "new"),
    ),
    "scores of texts": (
        "training.evaluate",
        ("--scores", "texts.csv", "--tasks", "blv", "--blv", "blv", "--out", "new"),
    ),
    "compare": ("training.evaluate", ("--compare", "base", "tuning", "--out", "new")),
    "paper": (
        "training.paper",
        (
            *MODEL,
            "--seeds",
            "0",
            "--jobs",
            "1",
            "--max-steps",
            "1",
            "--transfer",
            "mine=classes",
            "--blv",
            "blv",
            "--out",
            "new",
        ),
    ),
    "figures": ("figures.make", ("--run", "sweep", "tuning", "base", "--out", "new")),
    "pretrain": ("training.pretrain_toy", ("--out", "new")),
}
ENVIRONMENT = {"CLIP_DESCRIPTIONS_CACHE": "cache", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
MADE_BY = ("sweep", "tuned", "finetune", "evaluate", "base")  # commands whose run folders are part of the good inputs


def call(name: str, options: Sequence[str] | None = None) -> int:
    """Run a command as from the shell, in the folder of the inputs, and return its exit status."""
    module, defaults = COMMANDS[name]
    status = import_module(module).main(list(defaults if options is None else options))
    assert isinstance(status, int)
    return status


def write_inputs(root: Path) -> None:
    """Write the model and the data."""
    draw = np.random.default_rng(0)
    random_clip(root / "model")
    write_concadia(root / "concadia", PAIRS)
    pictures = sorted((root / "concadia" / "resized").iterdir())
    (root / "zipped").mkdir()
    (root / "zipped" / "wiki_split.json").write_bytes((root / "concadia" / "wiki_split.json").read_bytes())
    with zipfile.ZipFile(root / "zipped" / "resized.zip", "w") as archive:
        for path in pictures:
            archive.write(path, f"resized/{path.name}")
    texts = [(f"a red star number {i} on sand", f"the wedding of freedom {i}") for i in range(len(pictures))]
    names = [f"{i}.png" for i in range(len(pictures))]
    for folder in ("pairs", "blv/images", *(f"classes/{name}" for name in KINDS)):
        (root / folder).mkdir(parents=True)
        for name in names[: None if folder == "pairs" else 6]:
            Image.fromarray(draw.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(root / folder / name)
    splits = [split for split, count in PAIRS.items() for _ in range(count)]
    table(
        root / "pairs" / "pairs.csv",
        ["image", "description", "caption", "split", "group"],
        ((f"{i}.png", *texts[i], split, f"g{i // 2}") for i, split in enumerate(splits)),
    )
    table(root / "norms.csv", ["word", "value"], ((word, draw.normal()) for word in ("red", "star", "wedding", "sand")))
    asked = ["description", "context", "imgstem", "q_overall", "q_reconstructivity", "q_relevance", "q_irrelevance"]
    rated = [(f"a rated text {i}", f"article {i % 3}", str(i % 6)) for i in range(12)]
    table(root / "blv" / "blv_ratings.csv", asked, ((*row, *draw.integers(1, 6, 4)) for row in rated for _ in range(2)))
    table(root / "texts.csv", ["description", "clipscore"], ((row[0], draw.normal()) for row in rated))
    table(
        root / "scores.csv",
        ["filename", "description_clipscore", "caption_clipscore"],
        ((path.name, *draw.normal(size=2)) for path in pictures),
    )
    shown = {name: [{"bytes": (root / "classes" / name / f"{i}.png").read_bytes()} for i in range(6)] for name in KINDS}
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(KINDS))})
    columns = {"image": [cell for name in KINDS for cell in shown[name]], "label": [0] * 6 + [1] * 6}
    datasets.Dataset.from_dict(columns, features=kinds).to_parquet(str(root / "rows.parquet"))
    (root / "templates.txt").write_text("a picture of {}\nhere is {}\n")


def table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])


def write_everything(root: Path) -> None:
    """Write inputs and runs in a folder, which becomes the working directory; all paths are relative to it."""
    root.mkdir(parents=True, exist_ok=True)
    os.chdir(root)
    write_inputs(Path())
    for name in MADE_BY:
        if status := call(name):
            raise RuntimeError(f"{name} ended with {status}")
