"""Tests of sweeps in several processes."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from interp.runs.place import Place
from interp.sweep.executors.executor import tasks
from tests.sweep.sweeping import command, run, tables

pytestmark = pytest.mark.slow


@pytest.mark.thorough
def test_processes_share_the_cells_of_a_single_layer(done: Path, model: str, tmp_path: Path):
    """Search sizes together in one process, then divide cells among processes, and compare with a single process."""
    out = tmp_path / "run"
    assert run("--model", model, "--out", str(out), "--jobs", "2", "--layers", "5") == 0
    alone = pd.read_csv(done / "results.csv").query("layer == 5").reset_index(drop=True)
    pd.testing.assert_frame_equal(pd.read_csv(out / "results.csv"), alone, check_exact=True)


@pytest.mark.parametrize(
    ("processes", "searched_first", "computed"),
    [
        (2, [], [["4 2 0", "4 6 0", "4 2 1", "4 6 1"], ["5 2 0", "5 6 0", "5 2 1", "5 6 1"]]),
        (3, [], [["4 2 0", "4 6 0"], ["4 2 1", "4 6 1"], ["5 2 0", "5 6 0"], ["5 2 1", "5 6 1"]]),
        (
            5,
            [["4 2 0", "4 6 0"], ["4 2 1", "4 6 1"], ["5 2 0", "5 6 0"], ["5 2 1", "5 6 1"]],
            [["4 2 0"], ["4 6 0"], ["4 2 1"], ["4 6 1"], ["5 2 0"], ["5 6 0"], ["5 2 1"], ["5 6 1"]],
        ),
    ],
)
def test_cells_stay_together_as_long_as_all_processes_have_work(processes: int, searched_first, computed):
    keys = [Place(layer, size, seed) for size in (6, 2) for layer in (5, 4) for seed in (0, 1)]
    names = [[[f"{k.layer} {k.size} {k.seed}" for k in group] for group in groups] for groups in tasks(keys, processes)]
    assert names == [searched_first, computed]


def test_processes_do_not_change_a_bit(done: Path, model: str, tmp_path: Path):
    out = tmp_path / "two"
    finished = subprocess.run(
        command("--model", model, "--out", str(out), "--jobs", "2"), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert tables(out) == tables(done)
    assert not (out / "cache").exists()
