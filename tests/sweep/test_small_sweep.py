"""Tests of a small sweep, run by its command, against an oracle that only shares the reading of files."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch.testing import assert_close

import interp
from interp.clip.image_features import EmbeddedPairs
from interp.clip.sites import Site
from interp.data.pairs import PairSet
from interp.evidence.measurement import MeasurementSettings, measure_subspace
from interp.measures import MethodName
from interp.subspaces.convergence import slopes
from interp.subspaces.losses import iit_das_loss
from interp.subspaces.methods.method import Method
from interp.subspaces.pairs import PairsAtSite, pair_run
from interp.subspaces.rotation import Rotation
from interp.subspaces.search import SearchConfig
from tests.agreement import agree
from tests.oracles.necessity import necessity
from tests.oracles.plain_forward import random_clip
from tests.oracles.small_search import Found, gradient, search, whitening
from tests.oracles.small_sweep import measures
from tests.oracles.world import KINDS, World, clean, interventions, load_world, random_subspace
from tests.run_folders import rewrite
from tests.sweep.preferring import MODEL_SEED, prefer_descriptions
from tests.toy_concadia import write_concadia
from tests.wide import wide

pytestmark = pytest.mark.slow

LAYERS, SIZES, SEEDS = (2, 4), (2, 6), (0, 1)
# Some searches converge in the first of two rounds, some do not converge. Rounds end at steps 50 and 150: the loss is
# measured every 20 steps and at the ends of rounds.
MAX_STEPS, ATTRIBUTED, N_STEPS = 150, 4, 5
CHECKED = ((2, 6, 1), pytest.param(4, 2, 0, marks=pytest.mark.thorough))  # layer, size, seed
# The sweep computes in float32, the oracle in float64. Scores are of order 1, rounded to about 1e-7. Shares and counts
# change only if rounding changes the order of two scores, and the closest compared scores differ by 1e-5. Means and
# losses of scores, attributions and correlations differed by less than 1e-6.
SHARES = (
    "iia",
    "preference",
    "n_",
    "das_steps",
    "test_pairs",
    "directions",
    "neutral_preference",
    "swap_retrieval",
    "auc",
    "single_iia",
    "percentile",
    "converged",
    "retrieval_left",
)
EXACT, ROUNDED = 1e-9, 1e-5
# A measure in units of the gap, here 0.04, or of a shift has the rounding of scores divided by this unit.
IN_GAPS = (
    "r2",
    "ratio",
    "within_error",
    "gap_left",
    "gap_kept_within",
    "left_below",
    "traits_r2",
    "single_share",
    "elsewhere",
    "beta",
)
RELATIVE = 2e-5
IN_SHIFTS = ("single_share", "elsewhere")  # quotients of shifts, here 0.005
SCORE = 1e-6  # rounding of a mean score
LARGEST_ANGLE = 0.1  # degrees between the subspaces of two searches of up to 150 steps; it was less than 0.001


@dataclass(frozen=True)
class Swept:
    """Files and output of a sweep, with its model and data."""

    folder: Path
    output: str
    cells: Mapping[tuple[int, int, int], Mapping[str, Any]]
    model: str
    data: str


def place(cell: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return layer, size and seed."""
    return cell["layer"], cell["size"], cell["seed"]


def numbers(values: Sequence[int]) -> str:
    """Return numbers in the form of options."""
    return ",".join(map(str, values))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    """Run a sweep with random weights, since the toy model has perfect scores."""
    root = tmp_path_factory.mktemp("small-sweep")
    model, data = str(random_clip(root / "model", seed=MODEL_SEED)), f"concadia:{root / 'concadia'}"
    folder = root / "run"
    write_concadia(root / "concadia")
    prefer_descriptions(model, data)
    options = {
        "--model": model,
        "--data": data,
        "--out": folder,
        "--layers": numbers(LAYERS),
        "--sizes": numbers(SIZES),
        "--seeds": numbers(SEEDS),
        "--max-steps": MAX_STEPS,
        "--attributed": ATTRIBUTED,
        "--n-steps": N_STEPS,
        "--jobs": 1,
        "--objective": "das",
    }
    command = [sys.executable, "-m", "interp.sweep", *(str(word) for option in options.items() for word in option)]
    environment = os.environ | {"CLIP_DESCRIPTIONS_CACHE": str(root / "cache")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    read = [json.loads(path.read_text()) for path in (folder / "cells").glob("*.json")]
    return Swept(folder, done.stdout, {place(cell["cell"]): cell for cell in read}, model, data)


@pytest.fixture(scope="module")
def world(swept: Swept) -> World:
    return load_world(swept.model, swept.data)


def close(got: float | None, wanted: float, name: str, tolerance: float, relative: float = 0.0) -> None:
    """Assert that two numbers are close, or name the measure; a cell has null for NaN."""
    pair = [torch.tensor(math.nan if number is None else number, dtype=torch.float64) for number in (got, wanted)]
    assert_close(*pair, rtol=relative, atol=tolerance, equal_nan=True, msg=lambda message: f"{name}: {message}")


def rotation_file(swept: Swept, layer: int, size: int, seed: int) -> Path:
    """Return the file of the subspace of a cell."""
    return swept.folder / "rotations" / f"layer{layer:02d}-size{size:03d}-seed{seed}.safetensors"


def same_search(rotation: interp.Rotation, expected: Found) -> None:
    """Assert that two searches have equal steps and subspaces."""
    facts, basis = rotation.facts, rotation.basis.double()
    assert (facts["steps"], facts["converged"]) == (expected.steps, bool(expected.converged))
    assert_close(facts["starts"], expected.starts, rtol=0, atol=ROUNDED)
    assert_close([loss for _, loss, _ in facts["history"]], expected.looks, rtol=0, atol=ROUNDED)
    close(facts["gradient"], expected.gradient, "gradient", ROUNDED)
    rest = expected.basis - basis @ (basis.T @ expected.basis)
    outside = torch.linalg.svdvals(rest).max()  # sine of the largest angle
    close(float(torch.rad2deg(torch.arcsin(outside))), 0.0, "degrees between two searches", LARGEST_ANGLE)


@pytest.mark.parametrize(("layer", "size", "seed"), CHECKED)
def test_every_measure_is_what_plain_forward_passes_give(swept: Swept, world: World, layer: int, size: int, seed: int):
    cell = swept.cells[layer, size, seed]
    file = rotation_file(swept, layer, size, seed)
    wanted, words_by_route, expected = measures(
        world, file, layer, size, seed, max_steps=MAX_STEPS, attributed=ATTRIBUTED, n_steps=N_STEPS
    )
    got = {name: value for name, value in cell["measures"].items() if name != "seconds"}
    assert set(got) == set(wanted)  # a new measure must be added to the oracle
    for name, value in wanted.items():
        tolerance = EXACT if name.startswith(SHARES) else ROUNDED
        if name == "through_gap_share":  # a ratio is as exact as its parts, divided by the lower one
            tolerance /= abs(wanted["attributed_gap"])
        if name.startswith(IN_SHIFTS):
            shift = abs(wanted["shift_c2d"] - wanted["shift_d2c"]) / 2
            tolerance = max(tolerance, SCORE * (1 + abs(value)) / shift)
        close(got[name], value, name, tolerance, RELATIVE if name.startswith(IN_GAPS) else 0.0)
        if not name.startswith(IN_GAPS) and tolerance in (EXACT, ROUNDED):
            defined = math.nan if got[name] is None else got[name]
            if tolerance == EXACT:
                agree("sweep", defined, value, or_nan=True)
            else:
                agree("sweep, rounded", defined, value, or_nan=True)
    assert 0 < wanted["preference"] != 0.5  # 1/2 would not show which text is preferred
    assert wanted["attribution_points"] > N_STEPS  # some texts took more
    assert 0 < wanted["iia"] < 1  # intervals of a perfect share would not show the resampling
    assert wanted["iia"] != 0.5  # 1/2 would not distinguish hits from misses
    for name in ("ratio_c2d", "r2", "r2_own", "gap_left", "gap_kept_within", "left_below_random", "traits_r2"):
        assert wanted[f"{name}_low"] < wanted[name] < wanted[f"{name}_high"]  # intervals are compared
    for route, words in words_by_route.items():
        assert set(cell["words"][route]) == set(words)
        for word, values in words.items():
            mean, count = cell["words"][route][word]
            close(mean, sum(values) / len(values), f"{word}, {route}", ROUNDED)
            assert count == len(values)
    same_search(interp.Rotation.load(file), expected)


def test_searches_end_where_the_oracle_does(swept: Swept, world: World):
    """Check cells that converge and cells that do not; in a default run, `CHECKED` has only one kind of cell."""
    outcomes = set()
    for here in ((2, 2, 0), (4, 2, 0), (4, 2, 1)):
        expected = search(world, *here, MAX_STEPS)
        same_search(interp.Rotation.load(rotation_file(swept, *here)), expected)
        outcomes.add(expected.converged)
    assert outcomes == {0.0, 1.0}


def part_of(world: World, split: str, layer: int) -> PairsAtSite:
    """Return the pairs of a split at a site, in float64."""
    pairs = EmbeddedPairs(PairSet("some", tuple(world.pairs[split])), world.images[split])
    site = Site("text", layer)
    return PairsAtSite(pair_run(world.clip, pairs, [site]), site)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_neutral_values_are_compared_in_either_sign(world: World, mirrored: bool, seed: int):
    """Exchange the kinds, which makes gaps with a neutral Z negative and reverses their sign in measures."""
    layer, size = 4, 4
    if mirrored:
        pairs = {
            split: [replace(pair, positive=pair.negative, negative=pair.positive) for pair in group]
            for split, group in world.pairs.items()
        }
        world = World(world.clip, pairs, world.images)
    basis = random_subspace(24, size, seed)
    others = {name: [random_subspace(24, size, 10 + n) for n in range(3)] for name in ("random", "pca")}
    train, test = part_of(world, "train", layer), part_of(world, "test", layer)
    controls = [given(name, [Rotation(each, test.site) for each in bases]) for name, bases in others.items()]
    pairs, how = {"train": train, "test": test}, MeasurementSettings(SearchConfig(seed=seed), controls)
    ours = wide(measure_subspace(pairs, Rotation(basis, test.site), how).numbers)
    within = interventions(world, "test", layer, basis, seed, within=True)
    for name, ends in necessity(world, layer, basis, others, within).items():
        for end, value in zip(("", "_low", "_high"), ends, strict=True):
            close(ours[f"{name}{end}"], value, f"{name}{end}", 1e-9, 1e-9)
    assert (ours["neutral_gap"] < 0) == mirrored


def given(name: str, rotations: list[Rotation]) -> Method:
    """Return a method that returns the given subspaces in turn."""
    count = len(rotations)
    return Method(MethodName(name, name, name), lambda *args: [rotations[args[3].seed % count]], count)


@pytest.mark.parametrize("size", [1, 6])
def test_gradients_of_searches_are_those_of_plain_forward_passes(world: World, size: int):
    """Compare gradients at random subspaces, since they are 0 at the ends of most searches."""
    layer, seed = 4, 3
    streams = torch.cat([clean(world, "train", kind, layer)[1] for kind in KINDS])
    part = part_of(world, "train", layer)
    shape = whitening(streams)
    assert_close(part.whitening, shape)
    bases = [random_subspace(streams.shape[1], size, number) for number in range(4)]
    ours = slopes(part, [Rotation(basis, part.site) for basis in bases], "random", seed, iit_das_loss)
    theirs = [gradient(world, layer, basis, shape, seed) for basis in bases]
    assert_close(ours, theirs, rtol=1e-7, atol=1e-9)
    assert max(theirs) > 0.1
    assert abs(ours[0] - gradient(world, layer, bases[0], shape, seed + 1)) > 1e-4


def chosen(rows: Sequence[Mapping[str, Any]]) -> tuple[int, int, int]:
    """Return the row that wins by size, loss, layer and seed (lowest first) within an error of the best IIA on val."""
    highest = max(row["iia_val"] for row in rows)
    least = highest - max(row["iia_val_se"] for row in rows if row["iia_val"] == highest)
    order = ("size", "das_val_loss", "layer", "seed")
    first = min((row for row in rows if row["iia_val"] >= least), key=lambda row: [row[name] for name in order])
    return int(first["layer"]), int(first["size"]), int(first["seed"])


def undefined_as_none(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of a table in the form of a cell, with null for undefined values."""
    return {name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()}


def test_the_table_stars_the_cell_that_val_chooses(swept: Swept):
    assert set(swept.cells) == {(layer, size, seed) for layer in LAYERS for size in SIZES for seed in SEEDS}
    rows = pd.read_csv(swept.folder / "results.csv", float_precision="round_trip").to_dict("records")
    held = [
        cell["cell"] | {name: value for name, value in cell["measures"].items() if name != "seconds"}
        for cell in swept.cells.values()
    ]
    assert [undefined_as_none(row) for row in sorted(rows, key=place)] == sorted(held, key=place)
    layer, size, seed = chosen(held)
    starred = [line.split() for line in swept.output.splitlines() if line.startswith("*") and "chosen" not in line]
    mark = "*" if swept.cells[layer, size, seed]["measures"]["converged"] else "*~"
    assert [line[:5] for line in starred] == [[mark, str(layer), str(layer - 1), str(size), str(seed)]]
    assert f"At layer {layer}, size {size}, a swap of Z moves the score" in " ".join(swept.output.split())


@pytest.mark.parametrize(
    ("equal", "first"),
    [
        ([(2, 6, 0), (4, 2, 1), (4, 2, 0)], (4, 2, 0)),  # the smallest size, though the layer is later
        ([(4, 2, 0), (2, 2, 1)], (2, 2, 1)),  # then the earliest layer, though the seed is higher
        ([(4, 6, 1)], (4, 6, 1)),  # a cell that is better than all others
    ],
)
def test_of_cells_that_val_holds_equal_the_smallest_and_earliest_is_chosen(
    swept: Swept, tmp_path: Path, equal: list[tuple[int, int, int]], first: tuple[int, int, int]
):
    """Check that test pairs, which favour all wrong cells, have no influence."""
    folder = shutil.copytree(swept.folder, tmp_path / "run")
    rows = []
    for path in (folder / "cells").glob("*.json"):
        here = place((cell := json.loads(path.read_text()))["cell"])
        number = equal.index(here) if here in equal else None  # among the cells within an error of the highest
        cell["measures"] |= {"iia_val": 0.8 if number is None else 0.9 - 0.02 * number, "iia_val_se": 0.05}
        cell["measures"] |= {"iia": 0.7 if here == first else 0.95, "das_val_loss": 0.5}
        rewrite(path, cell)
        rows.append(cell["cell"] | cell["measures"])
    assert chosen(rows) == first
    assert place(interp.load_sweep(folder).best) == first
