"""A run folder whose page has all parts, and functions that replace any value of its files."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from interp.data.pairs import Pair, PairSet
from interp.errors import UserError
from interp.report.page.page import page
from interp.report.sweep_run import load_sweep
from interp.runs import directions
from interp.runs.directions import End, EndText, EndWord, LeadingDirection
from interp.runs.folder import RunFolder
from interp.runs.place import Place
from interp.runs.ratings import RATINGS
from tests.run_folders import reseal, rewrite, write_sweep

CELL = "cells/layer06-size004-seed0.json"
FILES = ("manifest.json", CELL, "examples.json", RATINGS, directions.FILE)
PAIR = Pair("p", "a red star", "the harbour", "test", "p")
ENDS = [
    End((EndText("description", PAIR.positive, 2.25, "p"),), (EndWord("red", 1.5, 7),)),
    End((EndText("caption", PAIR.negative, -1.25, "p"),), ()),
]


def fill(folder: Path) -> None:
    """Write the files that made-up runs lack."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["settings"] |= {
        "model": "1a",
        "data": "2b",
        "pairs": 9,
        "device": "cpu",
        "contrast": ["description", "caption"],
    }
    manifest |= {
        "started": "then",
        "finished": "now",
        "seconds": 4.0,
        "python": "3.11",
        "git": "3c",
        "versions": {"torch": "2"},
        "machine": {"system": "Linux", "cpus": 2},
        "resumed": [{"at": "later"}],
        "notes": ["a note"],
        "truncated": "3 texts were cut",
        "cells": ["layer06-size004-seed0", "layer09-size004-seed0"],
    }
    manifest["arguments"] |= {"data": "toy", "n_steps": 20, "limit": None}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    reseal(folder)
    for path in folder.glob("cells/*.json"):
        cell = json.loads(path.read_text())
        ends = [f"iia_{name}_{end}" for name in ("pca", "means", "random", "whole", "size0") for end in ("c2d", "d2c")]
        cell["measures"] |= {"test_pairs": 9, "attribution_delta": 0.001, **dict.fromkeys(ends, 0.5)}
        cell["measures"] |= {"iia_c2d_low": 0.4, "iia_c2d_high": 0.6, "seconds": 1.0}
        rewrite(path, cell)
    pairs = PairSet("made up", (PAIR,), lambda pair: Image.new("RGB", (8, 8)), lambda pair: pair.id)
    sweep = load_sweep(folder)
    place, objective = Place.of(sweep.best), sweep.objective
    directions.keep_directions(
        RunFolder(folder), place, objective, (LeadingDirection("the first", 0.5, 0.75, *ENDS),), pairs
    )


def write_whole(folder: Path) -> Path:
    """Write a run folder whose page has all parts."""
    write_sweep(folder, layers=(6, 7), sizes=(4,), norms=("imageability",), texts=(("a red star", "the harbour"),))
    fill(folder)
    return folder


def fields(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Return the paths of all values, lists and mappings among them."""
    if path:
        yield path
    for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield from fields(value[key], (*path, key))


def with_value(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    spoiled = there = copy.deepcopy(content)
    for key in path[:-1]:
        there = there[key]
    there[path[-1]] = value
    return spoiled


def outcome(folder: Path) -> tuple[str, str]:
    """Return the errors of the command, and the page."""
    try:
        return "", page(load_sweep(folder))
    except UserError as error:
        return str(error), ""
