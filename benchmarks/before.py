"""Fine-tuning of the toy compared with the same fine-tuning at an earlier commit, to measure the gain in speed.

The earlier code runs in a separate work tree and in separate processes, on the same model and the same pairs, which
both read from files. Times are those that the two runs report for their training loop.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file
from pathlib import Path

import numpy as np

from benchmarks.measure import Result
from interp.clip.toy_model import ASSETS
from interp.data import load_pairs
from interp.errors import UserError

LAYER, SIZE, STEPS, PAIRS = 11, 16, 40, 32
HERE = Path(__file__).parents[1]


def measure(commit: str, repeats: int) -> Iterator[Result]:
    """Yield one line: the earlier commit's time over ours, for neighbouring runs.

    Raises:
        UserError: there is no such commit, or one of the two trees cannot fine-tune.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        _tree(commit, Path(folder) / "tree") as tree,
        as_file(ASSETS) as model,
    ):
        data, ratios = _write_pairs(Path(folder) / "data"), []
        for number in range(repeats):
            order = (tree, HERE) if number % 2 else (HERE, tree)
            took = {at: _seconds(at, str(model), data, Path(folder) / f"run-{number}-{at.name}") for at in order}
            ratios.append(took[tree] / took[HERE])
    low, value, high = np.percentile(ratios, [25, 50, 75])
    name = f"IIT-DAS LoRA fine-tuning of the toy, layer {LAYER}, k = {SIZE}, {STEPS} steps of {PAIRS} pairs"
    yield Result(name, f"commit {commit}", "x", float(value), float(low), float(high), repeats, None)


@contextmanager
def _tree(commit: str, path: Path) -> Iterator[Path]:
    made = _git("worktree", "add", "--detach", str(path), commit)
    if made.returncode:
        raise UserError(f"no work tree of '{commit}': {made.stderr.strip().splitlines()[-1]}")
    try:
        yield path
    finally:
        _git("worktree", "remove", "--force", str(path))


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=HERE, capture_output=True, text=True, check=False)


def _write_pairs(folder: Path) -> str:
    """Write the toy's pairs in a format that `--data` of both trees accepts, and return the value of `--data`."""
    folder.mkdir()
    pairs = load_pairs("toy")
    with (folder / "pairs.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "description", "caption", "split", "group"])
        for pair in pairs.pairs:
            pairs.open_image(pair).save(folder / f"{pair.id}.png")
            writer.writerow([pair.id, f"{pair.id}.png", pair.positive, pair.negative, pair.split, pair.group])
    return f"csv:{folder / 'pairs.csv'}"


def _seconds(tree: Path, model: str, data: str, out: Path) -> float:
    """Return the seconds of the training loop of one fine-tuning, in a separate process."""
    options = {
        "--model": model,
        "--data": data,
        "--layer": LAYER,
        "--size": SIZE,
        "--max-steps": STEPS,
        "--lr": 1e-3,
        "--batch-size": 2 * PAIRS,
        "--out": out,
    }
    words = [
        sys.executable,
        "-m",
        "training.finetune",
        *(str(word) for pair in options.items() for word in pair),
    ]
    place = os.environ | {"PYTHONPATH": str(tree), "CLIP_DESCRIPTIONS_CACHE": str(out.parent / "cache")}
    ran = subprocess.run(words, cwd=tree, env=place, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise UserError(f"'{tree}' cannot fine-tune: {(ran.stderr.strip() or '?').splitlines()[-1]}")
    return float(json.loads((out / "manifest.json").read_text())["seconds"])
