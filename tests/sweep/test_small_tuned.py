"""Tests of a small sweep that fine-tunes, against an oracle that only shares the reading of files."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import interp
from interp.data.contrast import PAPER
from interp.measures import EDIT, evidence, passes, sweep_schema
from interp.measures.interventions import controls, shifts
from interp.report.choice import TUNED, best_cell, rule_of
from interp.runs.place import Place
from interp.subspaces.methods import METHODS
from interp.sweep import __main__ as sweep
from tests.accelerating import forget_precision
from tests.oracles.plain_forward import random_clip
from tests.oracles.small_sweep import ROUTES, attributions, by_type
from tests.oracles.small_tuned import close_enough, load_tuned, tuned_measures
from tests.oracles.world import load_world
from tests.sweep.preferring import MODEL_SEED, prefer_descriptions
from tests.toy_concadia import write_concadia
from training import cells as tuned_cells
from training import evaluate
from training.evaluation.aligned_subspace import SETS

pytestmark = pytest.mark.slow

LAYERS, SIZES = (3, 4), (2, 6)
ATTRIBUTED, N_STEPS = 4, 5
TUNED_BY = "iit-das"
FOLDERS = {TUNED_BY: "tuned", EDIT: "edits"}
TUNES = {"lr": 0.03, "rotation_lr": 0.03, "lora_rank": 2, "batch_size": 32}
EDITS = {"batch_size": 32}
CHECKED = ((3, 6), pytest.param(4, 2, marks=pytest.mark.thorough))


@dataclass(frozen=True)
class Tuned:
    """Files and output of a sweep, with its model and data."""

    folder: Path
    output: str
    cells: Mapping[tuple[int, int], Mapping[str, Any]]
    trained: Mapping[str, Mapping[tuple[int, int], Mapping[str, Any]]]  # objective -> cells
    model: str
    data: str
    classes: Path


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Run a sweep with higher learning rates than the authors, which would hardly move the model in a few steps."""
    root, rng = tmp_path_factory.mktemp("small-tuned"), np.random.default_rng(0)
    model, data = str(random_clip(root / "model", seed=MODEL_SEED)), f"concadia:{root / 'concadia'}"
    folder = root / "run"
    write_concadia(root / "concadia")
    prefer_descriptions(model, data)
    for name in ("star", "harbour", "circle"):
        for number in range(4):
            path = root / "classes" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)).save(path)
    tuning = tuned_cells._tuning
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patcher:
        patcher.setenv("CLIP_DESCRIPTIONS_CACHE", str(root / "cache"))
        patcher.setattr(
            tuned_cells,
            "_tuning",
            lambda config, objective: replace(tuning(config, objective), **(EDITS if objective == EDIT else TUNES)),
        )
        patcher.setattr("builtins.print", lambda *words, **_: lines.append(" ".join(map(str, words))))
        forget_precision()
        options = {
            "--model": model,
            "--data": data,
            "--out": folder,
            "--layers": "3,4",
            "--sizes": "2,6",
            "--jobs": 1,
            "--max-steps": 40,
            "--attributed": ATTRIBUTED,
            "--n-steps": N_STEPS,
            "--tune-steps": 2,
            "--transfer": f"mine={root / 'classes'}",
        }
        assert sweep.main([*(str(word) for option in options.items() for word in option), "--verbose"]) == 0

    def cells(within: Path) -> dict[tuple[int, int], Mapping[str, Any]]:
        read = [json.loads(path.read_text()) for path in within.glob("*.json")]
        return {(cell["cell"]["layer"], cell["cell"]["size"]): cell for cell in read}

    trained = {objective: cells(folder / "trained" / objective) for objective in passes(TUNED_BY)}
    return Tuned(folder, "\n".join(lines), cells(folder / "cells"), trained, model, data, root / "classes")


@pytest.mark.parametrize("objective", [TUNED_BY, EDIT])
@pytest.mark.parametrize(("layer", "size"), CHECKED)
def test_every_measure_of_a_trained_model_is_what_plain_forward_passes_give(
    tuned: Tuned, layer: int, size: int, objective: str
):
    base = load_world(tuned.model, tuned.data)
    folder = tuned.folder / FOLDERS[objective] / Place(layer, size, 0).name
    wanted = tuned_measures(
        base, folder, tuned.data, layer, 0, classes=tuned.classes, attributed=ATTRIBUTED, n_steps=N_STEPS
    )
    got = dict(tuned.trained[objective][layer, size]["measures"])
    assert got.pop("seconds") > 0
    if objective == EDIT:  # the loss of an edit has other terms, which tests of its training compare
        assert got.pop("val_loss") != wanted.pop("val_loss")
    assert set(got) == set(wanted)  # a new measure must be added to the oracle
    assert close_enough(got, wanted) == []
    assert got["preference_val_se"] > 0
    for name in ("retrieval_rise_val", "retrieval_drop", "transfer_drop", "swap_transfer_lost"):
        # so that a wrong sign is noticed
        assert any(cell["measures"][name] != 0 for cell in tuned.trained[TUNED_BY].values()), name


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Compute on one thread, as a sweep computes its cells; several threads take sums of float32 in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("layer", "size"), CHECKED)
def test_an_evaluation_says_of_a_trained_model_what_its_cell_says(
    tuned: Tuned, layer: int, size: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = tuned.folder / "tuned" / Place(layer, size, 0).name
    cell = tuned.trained[TUNED_BY][layer, size]["measures"]
    options = {"--model": folder, "--out": tmp_path / "out", "--transfer": f"mine={tuned.classes}", "--splits": "test"}
    tasks = ["--tasks", "preference,transfer", "--trust-run"]
    assert evaluate.main([*tasks, *(str(word) for option in options.items() for word in option)]) == 0
    table = pd.read_csv(tmp_path / "out" / "results.csv", float_precision="round_trip")
    names = [METHODS[name].name for name in METHODS]
    declared, shared = sweep_schema(PAPER, names, ()), (*controls(names[1:], PAPER), *shifts(PAPER), *evidence(PAPER))
    measures = {declared.column(measure.key): declared.columns(measure) for measure in shared}
    checked = {name for name in measures if name in cell}
    rows = table[table["of"].isin(["test", SETS])].set_index("measure")
    for name in checked:
        for column, end in zip(measures[name], ("value", "low", "high"), strict=False):
            wanted = cell[column]
            assert rows.loc[name, end] == pytest.approx(np.nan if wanted is None else wanted, abs=1e-9, nan_ok=True), (
                name
            )
    assert {"r2_own", "iia_whole_c2d", "iia_random_d2c", "r2_own_over_pca", "r2_whole", "swap_transfer_lost"} <= checked
    printed = capsys.readouterr().out
    assert re.search(r"\n  precondition +(yes|no) ", printed)
    assert "no other seed was tried" in printed


def test_a_cell_keeps_the_words_of_the_trained_model(tuned: Tuned):
    layer, size = CHECKED[0]
    base, folder = load_world(tuned.model, tuned.data), tuned.folder / "tuned" / Place(layer, size, 0).name
    basis = interp.Rotation.load(folder / "rotation.safetensors").basis.double()
    expected = attributions(load_tuned(base, folder), layer, basis, ATTRIBUTED, N_STEPS)
    kept = tuned.trained[TUNED_BY][layer, size]
    for route in ROUTES:
        words = by_type(expected, route)
        means = {word: mean for word, (mean, _) in kept["words"][route].items()}
        assert means == pytest.approx({word: np.mean(values) for word, values in words.items()}, abs=5e-6)
    assert kept["words"] != tuned.cells[layer, size]["words"]
    run = interp.load_sweep(tuned.folder)
    assert run.shows_tuned
    assert json.loads(json.dumps(run.shown(Place(layer, size, 0))["words"])) == kept["words"]
    assert "of the model trained at the chosen cell" in (tuned.folder / "report.html").read_text()


def test_the_default_is_the_ablation_and_says_so_before_it_starts(tuned: Tuned):
    first, second = (" ".join(part.split()) for part in tuned.output.split("results go to")[1:])
    assert "pass 1 of 2: 4 cells, 0 done before" in tuned.output
    assert "pass 2 of 2: 4 cells, 0 done before" in first
    # --verbose describes each pass
    assert "70 train, 16 val, 24 test pairs. At each cell: look for Z on the frozen model" in first
    assert "and then train an edit of the stream by calibrated IIT-DAS (80 steps), and measure preference" in first
    assert "pass 1 of 2: 4 cells in" in first
    assert "the page has its result, and Ctrl-C keeps it" in first
    assert "  pref  " not in tuned.output.partition("pass 2 of 2")[0]  # the table appears once, at the end
    assert "At each cell a model is trained by IIT-DAS (LoRA)." in second
    assert "At each cell: fine-tune by IIT-DAS (LoRA, 2 steps), and measure preference" in second
    frame = pd.read_csv(tuned.folder / "results.csv")
    assert rule_of(frame) == TUNED
    best = Place.of(best_cell(frame))
    assert f"At layer {best.layer}, size {best.size}, training by IIT-DAS (LoRA) takes the preference" in second
    assert max(len(line) for line in tuned.output.splitlines() if str(tuned.folder) not in line) <= 120


def test_the_page_shows_the_trained_model_first(tuned: Tuned):
    page = (tuned.folder / "report.html").read_text()
    assert "training by IIT-DAS (LoRA) takes the preference for description over caption from" in page
    assert page.index("Trained by IIT-DAS (LoRA) [95 % interval]") < page.index(
        "The search on the frozen model at the same"
    )
    assert page.index("Table of trained models") < page.index("Table of edited models")
    assert page.index("Table of edited models") < page.index("Table of all cells")
    assert page.index(">Trained: preference accuracy (%)</option>") < page.index(">IIA on held-out pairs")
    assert TUNED.words.replace("'", "&#39;") in page


def test_what_z_says_is_of_the_trained_model_and_its_own_rotation(tuned: Tuned):
    run = interp.load_sweep(tuned.folder)
    folder = tuned.folder / "tuned" / Place.of(run.best).name
    rotation = interp.Rotation.load(folder / "rotation.safetensors")
    pairs = interp.load_pairs(tuned.data).split("test")
    assert run.leading is not None
    in_model, in_base = (
        interp.describe(rotation, interp.load_clip(str(name), trust=True), pairs) for name in (folder, tuned.model)
    )
    for kept, ours, other in zip(run.leading.leading, in_model.leading, in_base.leading, strict=True):
        assert (kept.share, kept.auc) == pytest.approx((ours.share, ours.auc), abs=1e-5)
        assert kept.upper.texts[0].text == ours.upper.texts[0].text
        assert abs(kept.share - other.share) > 1e-4
    assert "of the model that was trained at the chosen cell" in (tuned.folder / "report.html").read_text()
